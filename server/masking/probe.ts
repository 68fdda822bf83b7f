/**
 * The causal probe (docs/method.md section 6): a set of tokens gets less, then more weight in every attention score
 * toward it, and delta is watched. It tests what an explanation claims with a change that the explanation did not use.
 */
import { InputError, type LoadedModel, type RunOptions, type ScoreRequest, type ScoreResult } from "../../gpu/mod.ts";

/** That the model gives these tokens too much weight, or too little, and fails for it. */
export type Claim = "overweighted" | "underweighted";

export interface ProbeRequest {
  readonly inputIds: readonly number[];
  readonly target: number;
  readonly contrast: number;
  /** The tokens that the claim is about. */
  readonly positions: readonly number[];
  readonly claim: Claim;
}

export interface ProbeSettings {
  /** Weights before normalisation are divided and multiplied by this; more than 1. */
  readonly factor: number;
  /** Least fall of delta, in logits, that counts. */
  readonly least: number;
}

/** Without a better reason: a tenth of the weight or ten times it, and a fall that float32 does not explain. */
export const PROBE_DEFAULTS: ProbeSettings = { factor: 10, least: 0.01 };

/** The prediction at one weight of the tokens. */
export interface ProbeStep {
  /** Added to the scores, in logits of attention: -log factor, 0, log factor. */
  readonly bias: number;
  readonly delta: number;
  readonly argmax: number;
}

export interface ProbeResult {
  readonly claim: Claim;
  readonly before: ProbeStep;
  readonly weakened: ProbeStep;
  readonly strengthened: ProbeStep;
  /** Change of delta in the direction of the claim: weakened or strengthened, minus before. */
  readonly change: number;
  /** The change is a fall of at least `least`: less of what is overweighted, or more of what is underweighted, helps. */
  readonly movesAsClaimed: boolean;
}

/**
 * Probes many claims in one batch. The same input is computed once for all claims about it. Throws InputError for a
 * factor that is not more than 1, and as `score` does.
 */
export async function probe(
  model: Pick<LoadedModel, "score">,
  requests: readonly ProbeRequest[],
  settings: ProbeSettings = PROBE_DEFAULTS,
  options: RunOptions = {},
): Promise<ProbeResult[]> {
  const { factor, least } = settings;
  if (!(factor > 1)) throw new InputError(`${factor} is no factor`, "factor", "use a number above 1");
  const weights = [-Math.log(factor), 0, Math.log(factor)];
  const unique = new Map<string, ScoreRequest>();
  const names = requests.map(({ inputIds, target, contrast, positions }) =>
    weights.map((bias) => {
      const attentionBias = bias === 0 ? [] : [...new Set(positions)].map((position) => ({ position, bias }));
      const request = { inputIds, target, contrast, attentionBias };
      const name = JSON.stringify(request);
      unique.set(name, request);
      return name;
    })
  );
  const results = await model.score([...unique.values()], options);
  const byName = new Map([...unique.keys()].map((name, index) => [name, results[index]!]));
  return requests.map(({ claim }, index) => {
    const [weakened, before, strengthened] = weights.map((bias, which) =>
      stepOf(bias, byName.get(names[index]![which]!)!)
    ) as [ProbeStep, ProbeStep, ProbeStep];
    const change = (claim === "overweighted" ? weakened : strengthened).delta - before.delta;
    return { claim, before, weakened, strengthened, change, movesAsClaimed: -change >= least };
  });
}

function stepOf(bias: number, { logitDifference, argmax }: ScoreResult): ProbeStep {
  if (logitDifference === null) throw new Error("a probe was scored without a contrast");
  return { bias, delta: logitDifference, argmax: argmax.id };
}
