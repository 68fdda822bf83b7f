/** A failure as a preference pair: token ids of both completions, or why there are none. */
import type { Tokenizer } from "../../gpu/mod.ts";
import type { Candidate } from "../../schema/tables/values.ts";

/** Why a token pair is not exported; docs/preferences.md explains each. */
export const LEFT_OUT = [
  "no_passing_rollout",
  "no_completion",
  "rollout_differs",
  "tokenises_otherwise",
  "ends_at_once",
  "not_computed",
] as const;
export type LeftOut = (typeof LEFT_OUT)[number];

/** What is known of a token pair and its case. */
export interface PreferenceSource {
  /** [tokens before the divergence] */
  readonly inputIds: readonly number[];
  readonly promptTokens: number;
  readonly prompt: string;
  readonly completionIds: readonly number[];
  readonly targetId: number;
  readonly contrastId: number;
  readonly candidates: readonly Candidate[];
}

/** Both completions from the divergence on, without the token that ends them. */
export interface PreferencePair {
  readonly chosenIds: readonly number[];
  readonly rejectedIds: readonly number[];
}

/**
 * Chosen: the contrast and what follows it in its passing rollout; rejected: the target and what follows it in the
 * model's answer. Trainers tokenise text again, so both must come back from their text as the same ids after the same
 * context; a row for which they don't is left out.
 */
export function preferencePair(source: PreferenceSource, tokenizer: Tokenizer): PreferencePair | LeftOut {
  const { inputIds, promptTokens, prompt, completionIds, targetId, contrastId, candidates } = source;
  const rollout = candidates.find(({ id, passed, completion }) =>
    id === contrastId && passed === true && completion !== null
  );
  if (rollout === undefined) return "no_passing_rollout";
  const rejectedIds = completionIds.slice(inputIds.length - promptTokens);
  // A completion that ends at the divergence may have been stored without the token that ends it.
  const rejected = rejectedIds.length === 0 && tokenizer.isSpecial(targetId) ? [targetId] : rejectedIds;
  if (rejected[0] !== targetId) return "no_completion";
  if (!same(tokenizer.encode(tokenizer.decode(inputIds)), inputIds)) return "tokenises_otherwise";
  const chosen = tokenizer.isSpecial(contrastId)
    ? [contrastId]
    : restOf(tokenizer.encode(prompt + rollout.completion), inputIds);
  if (chosen?.[0] !== contrastId) return "rollout_differs";
  const again = [chosen, rejected].every((ids) =>
    same(tokenizer.encode(tokenizer.decode([...inputIds, ...ids])), [...inputIds, ...ids])
  );
  return again ? { chosenIds: chosen, rejectedIds: rejected } : "tokenises_otherwise";
}

/** Whether a completion alone gives the same ids again, as trainers want it that tokenise prompt and completion apart. */
export function standsAlone(tokenizer: Tokenizer, ids: readonly number[]): boolean {
  return same(tokenizer.encode(tokenizer.decode(ids, { continues: true })), ids);
}

/** What follows a beginning; undefined when the ids begin otherwise. */
function restOf(ids: readonly number[], beginning: readonly number[]): readonly number[] | undefined {
  return same(ids.slice(0, beginning.length), beginning) ? ids.slice(beginning.length) : undefined;
}

function same(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((id, index) => id === other[index]);
}
