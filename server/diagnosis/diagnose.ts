/** Diagnoses cases: measures, probes what they claim, classifies. Needs no database. */
import type { LoadedModel, RunOptions } from "../../gpu/mod.ts";
import { probe } from "../masking/probe.ts";
import { classify, type Diagnosis, type ProbedClaim, probesOf } from "./classify.ts";
import type { DiagnosisCase } from "./measures.ts";
import { THRESHOLDS, type Thresholds } from "./thresholds.ts";

export interface ProbedCase extends DiagnosisCase {
  /** Token ids of target and contrast. */
  readonly target: number;
  readonly contrast: number;
}

/** Probes the claims about all cases in one batch and classifies each, in their order. Throws as `score` does. */
export async function diagnose(
  model: Pick<LoadedModel, "score">,
  cases: readonly ProbedCase[],
  options: RunOptions = {},
  thresholds: Thresholds = THRESHOLDS,
): Promise<Diagnosis[]> {
  const claims = cases.map((one) => probesOf(one, thresholds));
  const requests = cases.flatMap(({ graph: { inputIds }, target, contrast }, index) =>
    claims[index]!.filter(({ positions }) => positions.length > 0)
      .map(({ claim, positions }) => ({ index, request: { inputIds, target, contrast, claim, positions } }))
  );
  const settings = { factor: thresholds.probeFactor, least: 0 };
  const results = requests.length === 0
    ? []
    : await probe(model, requests.map(({ request }) => request), settings, options);
  const probed = requests.map(({ index, request: { claim, positions } }, at) => {
    const { before, weakened, strengthened } = results[at]!;
    const after = claim === "overweighted" ? weakened : strengthened;
    return { index, probe: { claim, positions, before: before.delta, after: after.delta } satisfies ProbedClaim };
  });
  return cases.map((one, index) =>
    classify(one, probed.filter((each) => each.index === index).map((each) => each.probe), thresholds)
  );
}
