/** Failure cases as the database holds them, ready to be searched. */
import type { Tokenizer } from "../../gpu/mod.ts";
import type { Checkers } from "../checkers/check.ts";
import type { FailureCaseRow } from "../cases/place_case.ts";
import type { Thought } from "../../schema/tables/values.ts";
import { answerAfter, openThinking } from "../models/thinking.ts";
import type { SearchCase } from "./criterion.ts";
import type { PairSearchParts } from "./parts.ts";

/** A failure case in search. */
export interface StoredCase extends SearchCase {
  readonly row: FailureCaseRow;
}

/** Tokens that rollouts of imported responses may have, unless the response itself is longer. */
const IMPORTED_MAX_TOKENS = 1280;

/** Whether a response may hold the end of a thought, before which nothing is judged: asked for or not. */
function mayThink({ metadata, prompt, completion }: FailureCaseRow, tokenizer: Pick<Tokenizer, "thinking">): boolean {
  if (metadata["thought"] !== undefined || completion.includes("</think>")) return true;
  // With thinking off, the templates of models that think end with a thought that is over.
  return tokenizer.thinking() !== null && !prompt.trimEnd().endsWith("</think>");
}

export function storedCase(
  row: FailureCaseRow,
  checkers: Pick<Checkers, "check" | "decided">,
  { tokenizer, model }: Pick<PairSearchParts, "tokenizer" | "model">,
): StoredCase {
  const { item, metadata: { maxTokens, thought }, completionIds } = row;
  const promptIds = row.inputIds.slice(0, row.promptTokens);
  const answerTokens = typeof maxTokens === "number" ? maxTokens : Math.max(IMPORTED_MAX_TOKENS, completionIds.length);
  const found = thought as Thought | undefined;
  const thinking = found && openThinking(tokenizer, {
    model: model.name,
    architecture: model.loaded.config.architecture,
    budget: found.budget,
    where: row.key,
  });
  return {
    row,
    key: row.key,
    promptIds,
    completionIds,
    maxTokens: answerTokens + (found?.tokens ?? 0),
    ...(found && thinking && {
      thinking: {
        after: (before: readonly number[], room: number) =>
          answerAfter(thinking, { promptIds, before, answerTokens, room }),
        inserted: { from: found.tokens - found.inserted, to: found.tokens },
      },
    }),
    check: item === null ? undefined : (response) => checkers.check(item, response),
    ...(item !== null && !mayThink(row, tokenizer) && { decided: () => checkers.decided(item) }),
  };
}
