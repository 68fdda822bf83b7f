/** What a search says of a case: the pair that was found, or why there is none, with the numbers. */
import type { TokenLogit } from "../../gpu/mod.ts";
import { CLEAN_DELTA } from "../cases/clean_delta.ts";
import type {
  ActiveCase,
  Outcome,
  SearchCase,
  SearchOptions,
  SearchTokenizer,
  SearchTools,
  TriedToken,
  VisitedPosition,
} from "./criterion.ts";
import { rankIn } from "../cases/ranks.ts";
import type { Recovery } from "../cases/recovery.ts";
import { positionsOf } from "./criterion.ts";

type Excluded = Extract<Outcome, { kind: "excluded" }>;
const excluded = (exclusion: Excluded["exclusion"], note: string): Excluded => ({ kind: "excluded", exclusion, note });

/** Why a case cannot be searched at all; undefined when it can. */
export function excludedBefore(
  { promptIds, completionIds, check }: SearchCase,
  maxPositions: number,
): Outcome | undefined {
  if (!check) return excluded("not_checkable", "no checker can judge another response to this task");
  if (completionIds.length === 0) return excluded("no_completion", "the response has no tokens");
  const tokens = promptIds.length + completionIds.length;
  if (tokens < maxPositions) return undefined;
  return excluded(
    "context_too_long",
    `${promptIds.length} prompt and ${completionIds.length} response tokens, the model takes ${maxPositions}`,
  );
}

/** The outcome when this position decides; undefined when nothing recovers here. */
export async function outcomeAt<Case extends SearchCase>(
  one: ActiveCase<Case>,
  visited: VisitedPosition,
  tools: SearchTools<Case>,
): Promise<Outcome | undefined> {
  const contrast = visited.tried.find(({ passed }) => passed === true);
  if (!contrast) return undefined;
  const { position, target } = visited;
  const { tokenizer } = tools;
  const shown = `${JSON.stringify(tokenizer.token(target.id))} at position ${position}`;
  if (target.rank !== 0 || target.logit === null) {
    const argmax = one.own[position]?.[0];
    const rank = target.rank === null ? `below rank ${one.own[position]?.length}` : `rank ${target.rank}`;
    return excluded(
      "target_not_argmax",
      `${shown} is ${rank}` + (argmax ? `, the argmax is ${JSON.stringify(tokenizer.token(argmax.id))}` : ""),
    );
  }
  const prefixIds = one.response.slice(0, position);
  if (!spellsItself(tokenizer, one.searchCase.promptIds, prefixIds)) {
    return excluded(
      "tokenisation_differs",
      `prompt and answer before ${shown} give other tokens when their text is tokenised`,
    );
  }
  const pair = await recoveryOf(one, visited, { id: target.id, logit: target.logit }, contrast, tools);
  if (pair.delta > CLEAN_DELTA) return { kind: "clean", pair };
  const against = JSON.stringify(tokenizer.token(contrast.id));
  return {
    ...excluded("delta_too_small", `delta ${pair.delta.toFixed(3)} of ${shown} against ${against}`),
    pair,
  };
}

/** Whoever gets the text of prompt and prefix must get these tokens. */
export function spellsItself(
  tokenizer: SearchTokenizer,
  promptIds: readonly number[],
  prefixIds: readonly number[],
): boolean {
  const ids = [...promptIds, ...prefixIds];
  const again = tokenizer.encode(tokenizer.decode(ids));
  return again.length === ids.length && again.every((id, index) => id === ids[index]);
}

async function recoveryOf<Case extends SearchCase>(
  one: ActiveCase<Case>,
  visited: VisitedPosition,
  target: TokenLogit,
  contrast: TriedToken,
  { model, tokenizer }: SearchTools<Case>,
): Promise<Recovery> {
  const { position, proposedBy } = visited;
  const response = one.searchCase.completionIds;
  const asTried: TriedToken = {
    rank: 0,
    ...target,
    text: tokenizer.token(target.id),
    completion: tokenizer.decode(
      response.filter((id, index) => index < response.length - 1 || !model.endIds.includes(id)),
      { continues: true },
    ),
    passed: false,
  };
  let tried = visited.tried;
  if (proposedBy === "sibling") {
    // Ranks and logits were the sibling's: these tokens may lie far down in the model that failed.
    const logits = await model.logits([...one.searchCase.promptIds, ...one.response.slice(0, position)]);
    tried = tried.map((token) => ({ ...token, ...rankIn(logits, token.id) }));
  }
  const candidates = [asTried, ...tried].sort((a, b) => a.rank - b.rank);
  const chosen = tried.find(({ id }) => id === contrast.id) ?? contrast;
  return {
    position,
    response: one.response,
    source: proposedBy === "own" ? "search" : "sibling",
    target,
    contrast: { id: chosen.id, logit: chosen.logit },
    contrastRank: chosen.rank,
    delta: target.logit - chosen.logit,
    candidates,
  };
}

/** The outcome of a case whose positions are exhausted. */
export async function outcomeOfNone<Case extends SearchCase>(
  one: ActiveCase<Case>,
  options: SearchOptions,
  tools: SearchTools<Case>,
): Promise<Outcome> {
  // Only where a clean delta was asked for: the earliest recovery, whose delta was too small.
  for (const visited of one.state.visited) {
    const outcome = await outcomeAt(one, visited, tools);
    if (outcome) return outcome;
  }
  const positions = positionsOf(one, options);
  const all = positions === one.response.length ? "" : ` of ${one.response.length}`;
  const failed = positions === one.failedBy
    ? `; with its first ${one.failedBy === 1 ? "token" : `${one.failedBy} tokens`} no response passes`
    : "";
  const tried = one.state.visited.reduce((sum, visited) => sum + visited.tried.length, 0);
  const undecided =
    one.state.visited.flatMap((visited) => visited.tried).filter(({ passed }) => passed === null).length;
  return excluded(
    "no_recovery",
    `${tried} alternatives at ${positions}${all} positions${
      tools.sibling ? ", the sibling's included" : ""
    }, none passed` +
      (undecided > 0 ? `, ${undecided} could not be decided` : "") + failed,
  );
}
