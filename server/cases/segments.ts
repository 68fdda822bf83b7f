/** Segments of a failure case's tokens (docs/method.md, section 6). */
import type { Tokenizer } from "../../gpu/mod.ts";

/** Tokens that steer a chat although some tokenizers do not mark them as special. */
const CHAT_CONTROL: ReadonlySet<string> = new Set([
  "<think>",
  "</think>",
  "<tool_call>",
  "</tool_call>",
  "<tool_response>",
  "</tool_response>",
]);

/** Whether a token is left out of statistics: the first position and chat control tokens. */
export function isControl(tokenizer: Pick<Tokenizer, "token" | "isSpecial">, position: number, id: number): boolean {
  return position === 0 || tokenizer.isSpecial(id) || CHAT_CONTROL.has(tokenizer.token(id));
}

/**
 * One letter a token, [tokens]: S special, A after the prompt, I part of a phrase, Q the rest of the prompt. Every
 * occurrence of a phrase counts. Throws RangeError with the phrase when the prompt's tokens do not spell it.
 */
export function segmentsOf(
  tokenizer: Tokenizer,
  inputIds: readonly number[],
  promptTokens: number,
  phrases: readonly string[],
): string {
  const tokensOf = phraseTokens(tokenizer, inputIds.slice(0, promptTokens));
  const inPhrase = new Uint8Array(inputIds.length);
  for (const phrase of phrases) {
    const tokens = tokensOf(phrase);
    if (tokens === null) throw new RangeError(phrase);
    for (const token of tokens) inPhrase[token] = 1;
  }
  return inputIds.map((id, position) =>
    isControl(tokenizer, position, id) ? "S" : position >= promptTokens ? "A" : inPhrase[position] ? "I" : "Q"
  ).join("");
}

/** The marks whose phrases the prompt's tokens spell, and the segments by them; others mark nothing and are left out. */
export function spellMarks<Mark extends { readonly phrase: string }>(
  tokenizer: Tokenizer,
  inputIds: readonly number[],
  promptTokens: number,
  wanted: readonly Mark[],
): { readonly marks: Mark[]; readonly segments: string } {
  const tokensOf = phraseTokens(tokenizer, inputIds.slice(0, promptTokens));
  const marks = wanted.filter(({ phrase }) => tokensOf(phrase) !== null);
  return { marks, segments: segmentsOf(tokenizer, inputIds, promptTokens, marks.map(({ phrase }) => phrase)) };
}

/** What tells the tokens of every occurrence of a phrase in a prompt; null where its tokens do not spell it. */
export function phraseTokens(
  tokenizer: Tokenizer,
  promptIds: readonly number[],
): (phrase: string) => readonly number[] | null {
  const { text, ends } = spell(tokenizer, promptIds);
  return (phrase) => {
    const tokens: number[] = [];
    let start = phrase === "" ? -1 : text.indexOf(phrase);
    if (start < 0) return null;
    for (; start >= 0; start = text.indexOf(phrase, start + phrase.length)) {
      let last = firstPast(ends, start + phrase.length - 1);
      while (ends[last + 1] === ends[last]) last++;
      for (let token = firstPast(ends, start); token <= last; token++) tokens.push(token);
    }
    return tokens;
  };
}

/** A text, and at which character each of its tokens ends. */
export interface Spelled {
  readonly text: string;
  readonly ends: Uint32Array;
}

/** The text of ids, and at which character each token ends. A character's parts all end with it. */
export function spell(tokenizer: Pick<Tokenizer, "decode">, ids: readonly number[]): Spelled {
  const ends = new Uint32Array(ids.length);
  let text = "";
  for (let from = 0, to = 1; to <= ids.length; to++) {
    const part = tokenizer.decode(ids.slice(from, to), { continues: true });
    ends.fill(text.length + part.length, from, to);
    // A part that ends in the middle of a character is spelled again together with the next token.
    if (part.endsWith("\uFFFD") && to < ids.length && to - from < MOST_PARTS) continue;
    text += part;
    from = to;
  }
  return { text, ends };
}

/** Tokens that one run of unfinished characters may take: keeps texts of replacement characters from costing n². */
const MOST_PARTS = 16;

/** The first token that ends past a character. */
export function firstPast(ends: Uint32Array, character: number): number {
  let low = 0;
  let high = ends.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ends[middle]! > character) high = middle;
    else low = middle + 1;
  }
  return low;
}
