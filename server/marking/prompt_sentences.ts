/** The sentences of a prompt with their tokens. */
import type { Tokenizer } from "../../gpu/mod.ts";
import { isControl, phraseTokens } from "../cases/segments.ts";
import type { PromptSentence } from "./causal.ts";
import { sentencesOf } from "../marks/sentences.ts";

/** Sentences that are looked at one by one; of more, neighbours are taken together. */
const MOST_SENTENCES = 64;

export interface SpokenPrompt {
  /** What stands in it for people; empty for a prompt that is no chat. */
  readonly messages: readonly { readonly content: string }[];
  readonly prompt: string;
  /** [tokens of the prompt] */
  readonly promptIds: readonly number[];
}

/** In the prompt's order, each text once: a sentence that comes twice is one with the tokens of both. */
export function promptSentences(
  tokenizer: Tokenizer,
  { messages, prompt, promptIds }: SpokenPrompt,
): PromptSentence[] {
  const texts = messages.length === 0 ? [prompt] : messages.map(({ content }) => content);
  const cut = texts.flatMap((text) => partsOf(text, MOST_SENTENCES / texts.length));
  const spelled = phraseTokens(tokenizer, promptIds);
  return [...new Set(cut)].flatMap((text) => {
    const positions = (spelled(text) ?? []).filter((position) => !isControl(tokenizer, position, promptIds[position]!));
    return positions.length === 0 ? [] : [{ text, positions }];
  });
}

/** A text's sentences, at most so many: then each part has several that follow one another. */
function partsOf(text: string, most: number): string[] {
  const sentences = sentencesOf(text);
  const together = Math.ceil(sentences.length / Math.max(1, Math.floor(most)));
  return Array.from({ length: Math.ceil(sentences.length / together) || 0 }, (_, index) => {
    const own = sentences.slice(index * together, (index + 1) * together);
    return text.slice(own[0]!.start, own.at(-1)!.end);
  });
}
