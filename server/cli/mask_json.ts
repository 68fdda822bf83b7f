/** Curves of masking and ablation as `culprit mask --json` prints them. */
import { concentration } from "../../schema/tables/ablation_values.ts";
import type { AblationCurve } from "../ablation/experiment.ts";
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

/** An ablation curve: index i of each list is the prediction with the first counts[i] of `ablated` set to zero. */
export function ablationJson({ ranking, steps, ...curve }: AblationCurve) {
  return {
    key: curve.key,
    unit: curve.unit,
    ranking: ranking.name,
    seed: ranking.seed,
    components: curve.components,
    ablated: ranking.order,
    relevance: ranking.relevance,
    positive: ranking.positive,
    concentration: ranking.relevance && curve.counts.map((count) => concentration(ranking, count)),
    counts: curve.counts,
    delta: steps.map(({ delta }) => delta),
    probability: steps.map(({ probability }) => probability),
    argmax: steps.map(({ argmax }) => argmax),
    away: curve.away,
    contrast: curve.contrast,
  };
}
