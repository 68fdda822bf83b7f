/** How long a text may become on its way through a tokenizer: somebody else's steps could double it again and again. */
import { InputError } from "../../errors.ts";

/** NFKD writes 18 characters for one of Arabic's, no character takes more than 4 bytes, and marks go before words. */
const MOST_TIMES = 32;
const ROOM = 4096;

/** Throws InputError at `where` when `characters` are more than a text of `before` characters may become. */
export function refuseGrowth(characters: number, before: number, where: string): void {
  if (characters <= MOST_TIMES * before + ROOM) return;
  throw new InputError(
    `its normalizer and pre_tokenizer make ${characters} characters of ${before}`,
    where,
    "correct what they put in",
  );
}

/** What a vocabulary entry may come to, and what a decoder may put in at once, in characters. */
const [MOST_TOKEN, MOST_CONTENT] = [1 << 16, 1024];

/** `text.replaceAll(from, to)` of a vocabulary entry. Throws InputError at `where` when it becomes longer than any token. */
export function replacedIn(text: string, from: string, to: string, where: string): string {
  const replaced = to.length > MOST_CONTENT ? undefined : text.replaceAll(from, to);
  if (replaced !== undefined && replaced.length <= MOST_TOKEN) return replaced;
  throw new InputError(
    `its decoder makes a token longer than ${MOST_TOKEN} characters`,
    where,
    "correct what it puts in",
  );
}
