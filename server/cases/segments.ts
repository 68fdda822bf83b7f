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
  const { text, ends } = spell(tokenizer, inputIds.slice(0, promptTokens));
  const inPhrase = new Uint8Array(inputIds.length);
  for (const phrase of phrases) {
    let start = text.indexOf(phrase);
    if (start < 0) throw new RangeError(phrase);
    for (; start >= 0; start = text.indexOf(phrase, start + phrase.length)) {
      const first = firstPast(ends, start);
      let last = firstPast(ends, start + phrase.length - 1);
      while (ends[last + 1] === ends[last]) last++;
      inPhrase.fill(1, first, last + 1);
    }
  }
  return inputIds.map((id, position) =>
    isControl(tokenizer, position, id) ? "S" : position >= promptTokens ? "A" : inPhrase[position] ? "I" : "Q"
  ).join("");
}

/** The text of ids, and at which character each token ends. A character's parts all end with it. */
function spell(tokenizer: Tokenizer, ids: readonly number[]): { readonly text: string; readonly ends: Uint32Array } {
  const ends = new Uint32Array(ids.length);
  let text = "";
  for (let from = 0, to = 1; to <= ids.length; to++) {
    const part = tokenizer.decode(ids.slice(from, to));
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
function firstPast(ends: Uint32Array, character: number): number {
  let low = 0;
  let high = ends.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ends[middle]! > character) high = middle;
    else low = middle + 1;
  }
  return low;
}
