/** Whether tokenizer and weights of a model belong together. */
import { InputError } from "../errors.ts";
import type { ModelDirectory } from "./directory.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Tokens that stand for pictures and sounds in models of several kinds; their language models alone lack them. */
const OTHER_SENSES = /image|vision|video|audio|sound/i;

/**
 * Checks that a model has an embedding for each token. Tokens of other senses than language may lack one, which is said
 * (Gemma 3 1B). Throws InputError for others: a text with such a token could not be computed.
 */
export function checkVocabulary(
  tokenizer: Tokenizer,
  { config, directory }: Pick<ModelDirectory, "config" | "directory">,
): readonly string[] {
  const beyond = tokenizer.idsBeyond(config.vocabulary);
  const lacking = beyond.filter((id) => !tokenizer.isSpecial(id) || !OTHER_SENSES.test(tokenizer.token(id)));
  const named = (ids: readonly number[]) => `${ids[0]} ${JSON.stringify(tokenizer.token(ids[0]!))}`;
  if (lacking.length > 0) {
    const more = lacking.length > 1 ? ` and ${lacking.length - 1} more` : "";
    throw new InputError(
      `the tokenizer has token ${named(lacking)}${more}, and the model only ${config.vocabulary} embeddings`,
      directory,
      "use the tokenizer that belongs to the weights, or resize the embeddings (resize_token_embeddings)",
    );
  }
  if (beyond.length === 0) return [];
  return [`${directory}: token ${named(beyond)} has no embedding in this model, and cannot be used`];
}
