/** Tokens that people type: an id in digits, or `text:` and a text. */
import { InputError, type Tokenizer } from "../../gpu/mod.ts";

const TOKEN_TEXT = "text:";

/** A token, and how many tokens of the typed text follow it. */
export interface TypedToken {
  readonly id: number;
  readonly others: number;
}

/** What typed tokens are read with: ids are below `vocabulary`. The tokenizer may be missing where no text is typed. */
export interface TokenReader {
  readonly vocabulary: number;
  readonly tokenizer: Pick<Tokenizer, "encode" | "single"> | null;
}

export function isTokenText(typed: string | undefined): boolean {
  return typed?.startsWith(TOKEN_TEXT) === true;
}

/** The token of an id, or of a text that is exactly one token. Throws InputError. */
export function singleToken(typed: string, where: string, reader: TokenReader): number {
  return checked(readIds(typed, where, (text) => [reader.tokenizer!.single(text, where)]), where, reader).id;
}

/**
 * The token of an id, or the first one of a text: an attribution contrasts single tokens, so a word of several is
 * explained by its first. Throws InputError.
 */
export function firstToken(typed: string, where: string, reader: TokenReader): TypedToken {
  return checked(readIds(typed, where, (text) => reader.tokenizer!.encode(text, { continues: true })), where, reader);
}

/** All tokens of a text, or ids with commas between them. Throws InputError. */
export function severalTokens(typed: string, where: string, reader: TokenReader): readonly number[] {
  const parts = isTokenText(typed) ? [typed] : typed.split(",").map((part) => part.trim());
  return parts.flatMap((part) => {
    const ids = readIds(part, where, (text) => reader.tokenizer!.encode(text, { continues: true }));
    checked(ids, where, reader);
    return ids;
  });
}

function readIds(typed: string, where: string, encode: (text: string) => readonly number[]): readonly number[] {
  if (isTokenText(typed)) return encode(typed.slice(TOKEN_TEXT.length));
  if (/^\d+$/.test(typed)) return [Number(typed)];
  throw new InputError(
    `${JSON.stringify(typed)} is neither a token id nor text:TOKEN`,
    where,
    `give digits, or ${JSON.stringify(TOKEN_TEXT + typed)} for the token of this text`,
  );
}

function checked([id, ...others]: readonly number[], where: string, { vocabulary }: TokenReader): TypedToken {
  if (id === undefined) throw new InputError("the text is empty", where, "give a text of at least one token");
  if (id < vocabulary) return { id, others: others.length };
  throw new InputError(`token id ${id} is out of range`, where, `use ids from 0 to ${vocabulary - 1}`);
}
