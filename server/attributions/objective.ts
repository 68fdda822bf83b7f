/**
 * What is explained of a prediction: objectives (docs/method.md section 1). All of them become seeds, linear functionals of
 * logits, which is all that the engine knows.
 */
import {
  InputError,
  type LoadedModel,
  type RelevanceResult,
  type Rule,
  type RunOptions,
  type SeedRequest,
  type SeedResult,
  type SeedTerm,
  type SeedTermLogits,
} from "../../gpu/mod.ts";

/**
 * One logit; one logit against the mean of the `count` largest others, or of all; or one sequence of tokens against
 * another. A target left out is the model's own next token.
 */
export type Objective =
  | { readonly kind: "logit" | "mean"; readonly target?: number | undefined }
  | { readonly kind: "top"; readonly target?: number | undefined; readonly count: number }
  | { readonly kind: "sequence"; readonly target: readonly number[]; readonly contrast: readonly number[] };

export interface ObjectiveRequest {
  readonly inputIds: readonly number[];
  readonly objective: Objective;
  readonly rule: Rule;
}

/** Which of two sequences. */
export type Side = "target" | "contrast";

/** The tokens of a sequence behind those that both have. */
export interface Branch {
  readonly side: Side;
  readonly ids: readonly number[];
  /** [layers + 1, ids] row-major. */
  readonly nodeRelevance: Float32Array;
}

/** Relevance of the tokens that come before every position that is read; `inputIds` are those tokens. */
export interface ObjectiveResult extends RelevanceResult {
  /** What is explained: the sum of the terms. */
  readonly value: number;
  /** Positions count from the first input token along the term's own side. */
  readonly terms: readonly (SeedTermLogits & { readonly side: Side })[];
  /** Of sequences of several tokens. */
  readonly branches: readonly Branch[];
}

type Explainer = Pick<LoadedModel, "nextTokens" | "attributeSeeds">;

/** Attributes an objective. Throws InputError as the engine does, and for sequences that never part. */
export async function attributeObjective(
  model: Explainer,
  { inputIds, objective, rule }: ObjectiveRequest,
  options: RunOptions = {},
): Promise<ObjectiveResult> {
  if (objective.kind !== "sequence") {
    const seed = await seedOf(model, inputIds, objective, options);
    const [result] = await model.attributeSeeds([{ inputIds, seed, rule }], options) as [SeedResult];
    const { terms, ...rest } = result;
    return { ...rest, terms: terms.map((term) => ({ ...term, side: "target" })), branches: [] };
  }
  const sides = await sequenceSeeds(model, inputIds, objective, options);
  const requests = sides.map(({ ids, seed }): SeedRequest => ({ inputIds: [...inputIds, ...ids], seed, rule }));
  const results = await model.attributeSeeds(requests, options);
  return combine(inputIds.length + partingOf(objective), sides, results);
}

/** An objective about the next token. */
export type TokenObjective = Exclude<Objective, { readonly kind: "sequence" }>;

/** The seed of an objective about the next token. */
export async function seedOf(
  model: Pick<LoadedModel, "nextTokens">,
  inputIds: readonly number[],
  objective: TokenObjective,
  options: RunOptions,
): Promise<readonly SeedTerm[]> {
  const position = inputIds.length - 1;
  const wanted = objective.kind === "top" ? objective.count + 1 : 1;
  const best = objective.kind === "top" || objective.target === undefined
    ? await largest(model, inputIds, position, wanted, options)
    : [];
  const target = objective.target ?? best[0]![0] as number;
  if (objective.kind !== "top") {
    return [{ position, target, contrast: objective.kind === "mean" ? "mean" : null, factor: 1 }];
  }
  const others = best[0]!.filter((id) => id !== target).slice(0, objective.count);
  return others.map((contrast) => ({ position, target, contrast, factor: 1 / others.length }));
}

/** Ids of the largest logits at every position from `from` on. */
async function largest(
  model: Pick<LoadedModel, "nextTokens">,
  inputIds: readonly number[],
  from: number,
  top: number,
  options: RunOptions,
): Promise<readonly (readonly number[])[]> {
  const [found] = await model.nextTokens([{ inputIds, from, top }], options);
  return found!.map((candidates) => candidates.map(({ id }) => id));
}

/** Tokens that two sequences have in common before they part. Throws InputError for those that don't. */
export function partingOf({ target, contrast }: { target: readonly number[]; contrast: readonly number[] }): number {
  const shared = Math.min(target.length, contrast.length);
  for (let at = 0; at < shared; at++) if (target[at] !== contrast[at]) return at;
  throw new InputError(
    "one of the two sequences begins the other, so they never part",
    "contrast",
    "add the token that would follow the shorter one, as a full stop or the token that ends an answer",
  );
}

/** A sequence's tokens that are read, and its part of the objective. */
interface SequenceSeed {
  readonly side: Side;
  /** Without the last, which nothing reads. */
  readonly ids: readonly number[];
  readonly seed: readonly SeedTerm[];
}

/** At the parting each against the other's token; after it each token against its best rival, the contrast's negated. */
async function sequenceSeeds(
  model: Explainer,
  inputIds: readonly number[],
  objective: { readonly target: readonly number[]; readonly contrast: readonly number[] },
  options: RunOptions,
): Promise<readonly SequenceSeed[]> {
  const parting = partingOf(objective);
  const before = inputIds.length - 1;
  const seeds: SequenceSeed[] = [];
  for (const side of ["target", "contrast"] as const) {
    const all = objective[side];
    const ids = all.slice(0, -1);
    const own = all.slice(parting + 1);
    const rivals = own.length === 0
      ? []
      : await largest(model, [...inputIds, ...ids], before + parting + 1, 2, options);
    const margins = own.map((target, at): SeedTerm => ({
      position: before + parting + 1 + at,
      target,
      contrast: rivals[at]!.find((id) => id !== target)!,
      factor: side === "target" ? 1 : -1,
    }));
    const [target, contrast] = [objective.target[parting]!, objective.contrast[parting]!];
    const atParting: SeedTerm = { position: before + parting, target, contrast, factor: 1 };
    const seed = side === "target" ? [atParting, ...margins] : margins;
    if (seed.length > 0) seeds.push({ side, ids, seed });
  }
  return seeds;
}

/** Sums relevance over the tokens that both sequences have, and keeps what is theirs alone apart. */
function combine(
  shared: number,
  sides: readonly SequenceSeed[],
  results: readonly SeedResult[],
): ObjectiveResult {
  const [{ rule, inputIds, layers, adapter }] = results as [SeedResult];
  const cut = ({ nodeRelevance, inputIds: { length } }: SeedResult, from: number, to: number) => {
    const part = new Float32Array((layers + 1) * (to - from));
    for (let layer = 0; layer <= layers; layer++) {
      part.set(nodeRelevance.subarray(layer * length + from, layer * length + to), layer * (to - from));
    }
    return part;
  };
  const nodeRelevance = new Float32Array((layers + 1) * shared);
  for (const result of results) {
    cut(result, 0, shared).forEach((value, at) => nodeRelevance[at]! += value);
  }
  return {
    rule,
    inputIds: inputIds.slice(0, shared),
    layers,
    nodeRelevance,
    adapter,
    seconds: Math.max(...results.map(({ seconds }) => seconds)),
    value: results.reduce((sum, { value }) => sum + value, 0),
    terms: results.flatMap(({ terms }, index) => terms.map((term) => ({ ...term, side: sides[index]!.side }))),
    branches: results.flatMap((result, index): Branch[] => {
      const ids = result.inputIds.slice(shared);
      if (ids.length === 0) return [];
      return [{ side: sides[index]!.side, ids, nodeRelevance: cut(result, shared, result.inputIds.length) }];
    }),
  };
}
