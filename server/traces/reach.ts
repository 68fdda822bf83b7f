/** Whether the right answer can still be reached from the end of each step, by continuations that a checker judges. */
import type { LoadedModel, RankedLogit, RunOptions, Tokenizer } from "../../gpu/mod.ts";
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
}

type Roller = Pick<LoadedModel, "config" | "nextTokens" | "generate" | "logits">;

/**
 * From the prompt's end and from the end of each step of the completion: the best first tokens are fixed one by one,
 * decoded greedily to the end, and checked. Greedy decoding alone would write the same completion again. Steps of
 * earlier turns of an agent are left out, since what tools would answer is not known. Null for a case that nothing checks.
 */
export async function reachOf(
  model: Roller,
  tokenizer: Tokenizer,
  { searchCase, steps, rollouts }: ReachRequest,
  options: RunOptions = {},
): Promise<readonly StoredReach[] | null> {
  if (searchCase.check === undefined) return null;
  const { promptIds, completionIds } = searchCase;
  const first = promptIds.length;
  const places = [
    { step: null, at: first },
    ...steps.flatMap(({ end }, step) => end > first ? [{ step, at: end }] : []),
  ];
  const last = places.at(-1)!.at;
  const inputIds = [...promptIds, ...completionIds.slice(0, last - first)];
  const [ranked] = await model.nextTokens([{ inputIds, from: first - 1, top: rollouts }], options);
  const tried = places.flatMap(({ at }, place) =>
    ranked![at - first]!.map((token: RankedLogit, rank) => ({ place, rank, id: token.id, at }))
  );
  const running = openRollouts({
    endIds: model.config.eosIds,
    maxPositions: model.config.maxPositions,
    nextTokens: (requests) => model.nextTokens(requests, options),
    rollouts: (requests) => model.generate(requests, options),
    logits: (ids) => model.logits(ids, options),
  }, BATCH);
  const answers = await running.complete(
    tried.map(({ id, at }): WantedRollout => ({ searchCase, prefix: [...completionIds.slice(0, at - first), id] })),
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
