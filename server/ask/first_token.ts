/** Tokens that people type: an id, or a text that may be more than one token. */
import { InputError, type Tokenizer } from "../../gpu/mod.ts";

const TOKEN_TEXT = "text:";

/** A token, and how many tokens of the typed text follow it. */
export interface TypedToken {
  readonly id: number;
  readonly others: number;
}

/**
 * The first token of `text:TEXT`, or the token of an id in digits. An attribution contrasts single tokens, so a word of
 * several is explained by its first. Throws InputError.
 */
export function firstToken(
  typed: string,
  where: string,
  vocabulary: number,
  tokenizer: Pick<Tokenizer, "encode">,
): TypedToken {
  const isText = typed.startsWith(TOKEN_TEXT);
  if (!isText && !/^\d+$/.test(typed)) {
    throw new InputError(
      `${JSON.stringify(typed)} is neither a token id nor text:TOKEN`,
      where,
      `give digits, or ${JSON.stringify(TOKEN_TEXT + typed)} for the token of this text`,
    );
  }
  const ids = isText ? tokenizer.encode(typed.slice(TOKEN_TEXT.length), { continues: true }) : [Number(typed)];
  const [id] = ids;
  if (id === undefined) throw new InputError("the text is empty", where, "give a text of at least one token");
  if (id >= vocabulary) {
    throw new InputError(`token id ${id} is out of range`, where, `use ids from 0 to ${vocabulary - 1}`);
  }
  return { id, others: ids.length - 1 };
}
