/** A masking curve as `culprit mask --json` prints it. */
import type { MaskingCurve } from "../masking/experiment.ts";

/** Steps as columns: index k of each is the prediction after k masked tokens. */
export function curveJson({ ranking, steps, ...curve }: MaskingCurve) {
  return {
    key: curve.key,
    ranking: ranking.name,
    seed: ranking.seed,
    replacement: curve.replacement,
    maskable: curve.maskable,
    positive: ranking.positive,
    masked: ranking.order.slice(0, steps.length - 1),
    delta: steps.map(({ delta }) => delta),
    probability: steps.map(({ probability }) => probability),
    argmax: steps.map(({ argmax }) => argmax),
    away: curve.away,
    contrast: curve.contrast,
    rollouts: curve.rollouts,
    comprehensiveness: curve.comprehensiveness,
    sufficiency: curve.sufficiency,
  };
}
