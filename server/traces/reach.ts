/** Whether the right answer can still be reached from the end of each step, by continuations that a checker judges. */
import type { LoadedModel, NextTokens, RankedLogit, RunOptions, Tokenizer } from "../../gpu/mod.ts";
import type { StoredReach, StoredRollout } from "../../schema/tables/trace_values.ts";
import { storable } from "../cases/place_case.ts";
import type { SearchCase } from "../search/criterion.ts";
import { openRollouts, type WantedRollout } from "../search/rollouts.ts";
import type { Step } from "./cut_steps.ts";

/** Continuations that are decoded together. */
const BATCH = 64;

export interface ReachRequest {
  readonly searchCase: SearchCase;
  readonly steps: readonly Step[];
  /** Best first tokens that are tried at each place, the model's own among them. */
  readonly rollouts: number;
  /** Places up to this one are left out, counted from the prompt's first token. */
  readonly behind?: number;
  /** What the model says after the prompt and after each token of the completion, so many of the best at least. */
  readonly next?: NextTokens;
}

type Roller = Pick<LoadedModel, "config" | "nextTokens" | "generate" | "logits">;

/**
 * From the prompt's end and from the end of each step of the completion: the best first tokens are fixed one by one,
 * decoded greedily to the end, and checked. Greedy decoding alone would write the same completion again, so that it is
 * known and not decoded where it is greedy. Steps of earlier turns of an agent are left out, since what tools would answer
 * is not known. Null for a case that nothing checks.
 */
export async function reachOf(
  model: Roller,
  tokenizer: Tokenizer,
  { searchCase, steps, rollouts, behind = -1, next }: ReachRequest,
  options: RunOptions = {},
): Promise<readonly StoredReach[] | null> {
  if (searchCase.check === undefined) return null;
  const first = searchCase.promptIds.length;
  const answer = withoutEnd(model, searchCase);
  const places = [
    { step: null, at: first },
    ...steps.flatMap(({ end }, step) => end > first ? [{ step, at: end }] : []),
  ].filter(({ at }) => at > behind);
  const ranked = next ?? await nextOf(model, searchCase, rollouts, options);
  const tried = places.flatMap(({ at }, place) =>
    ranked[at - first]!.slice(0, rollouts).map(({ id }: RankedLogit, rank) => ({ place, rank, id, at }))
  );
  const running = openRollouts({
    endIds: model.config.eosIds,
    maxPositions: model.config.maxPositions,
    nextTokens: (requests) => model.nextTokens(requests, options),
    rollouts: (requests) => model.generate(requests, options),
    logits: (ids) => model.logits(ids, options),
  }, BATCH);
  const forced = greedyFrom(model, searchCase, ranked);
  if (forced !== null) running.know(searchCase, { forced, ids: answer });
  const answers = await running.complete(
    tried.map(({ id, at }): WantedRollout => ({ searchCase, prefix: [...answer.slice(0, at - first), id] })),
    tokenizer,
  );
  return places.map(({ step }, place): StoredReach => {
    const own = tried.flatMap((one, index) => one.place === place ? [{ ...one, ...answers[index]! }] : []);
    const best = own.find(({ passed }) => passed === true);
    return {
      step,
      rollouts: own.map(({ id, rank, passed }): StoredRollout => ({
        id,
        text: storable(tokenizer.token(id)),
        rank,
        passed: passed === true,
      })),
      completion: best === undefined ? null : storable(best.completion),
    };
  });
}

/** The largest logits after the prompt and after each token of a case's completion. */
export async function nextOf(
  model: Pick<Roller, "config" | "nextTokens">,
  searchCase: SearchCase,
  top: number,
  options: RunOptions,
): Promise<NextTokens> {
  const { promptIds } = searchCase;
  const inputIds = [...promptIds, ...withoutEnd(model, searchCase)];
  const [ranked] = await model.nextTokens([{ inputIds, from: promptIds.length - 1, top }], options);
  return ranked!;
}

/** The completion's tokens but the one that ended it. */
export function withoutEnd({ config }: Pick<Roller, "config">, { completionIds }: SearchCase): readonly number[] {
  return config.eosIds.includes(completionIds.at(-1) ?? -1) ? completionIds.slice(0, -1) : completionIds;
}

/**
 * From how many tokens of the completion on the model would write the rest of it, and end there: its first choice is
 * there everywhere, but where the end of a thought was put in. Null where it would go on.
 */
export function greedyFrom(
  model: Pick<Roller, "config">,
  searchCase: SearchCase,
  next: NextTokens,
): number | null {
  const answer = withoutEnd(model, searchCase);
  const ends = answer.length >= searchCase.maxTokens || model.config.eosIds.includes(next[answer.length]![0]!.id);
  if (!ends) return null;
  const { from, to } = searchCase.thinking?.inserted ?? { from: 0, to: 0 };
  const other = answer.findLastIndex((id, at) => next[at]![0]!.id !== id && !(at >= from && at < to));
  return other + 1;
}
