/** Curves of masking experiments: one a ranking, drawn with what they were made of. */
import { curves as drawingOf } from "../../../figures/curves.tsx";
import type { Drawing } from "../../../figures/picture.tsx";
import { RANKINGS } from "../../../figures/ranking_names.ts";
import { quoteToken } from "../../../figures/token_text.ts";
import type { Pair } from "../heat/documents.ts";
import type { Replacement, Scope } from "../jobs/documents.ts";
import type { Experiment, Ranking } from "./documents.ts";

/** A ranking that has a curve; what is chosen by hand has its own place. */
type Ranked = Exclude<Ranking, "CHOSEN">;
const RANKED: readonly Ranked[] = ["ATTNLRP", "CPLRP", "GRADIENT", "RANDOM", "LOWEST"];
export const rankingOf = (ranking: Ranked) => RANKINGS[ranking.toLowerCase() as Lowercase<Ranked>];

export const REPLACEMENT_NAMES: Readonly<Record<Replacement, string>> = {
  ATTENTION: "not attended to",
  REMOVE: "left out",
  NEUTRAL: "a blank",
  MEAN: "mean embedding",
};

/** The experiments of a ranking, and delta after each masked token; random orders are averaged. */
export interface MaskingCurve {
  readonly ranking: Ranked;
  readonly deltas: readonly number[];
  readonly own: readonly Experiment[];
}

/** One curve a ranking. */
export function curvesOf(experiments: readonly Experiment[]): readonly MaskingCurve[] {
  return RANKED.flatMap((ranking) => {
    const own = experiments.filter((one) => one.ranking === ranking);
    const longest = Math.max(0, ...own.map(({ steps }) => steps.length));
    if (longest === 0) return [];
    const deltas = Array.from({ length: longest }, (_, masked) => {
      // A curve that is out of tokens keeps its last value.
      const values = own.map(({ steps }) => (steps[masked] ?? steps.at(-1))?.delta ?? 0);
      return values.reduce((sum, value) => sum + value, 0) / values.length;
    });
    return [{ ranking, deltas, own }];
  });
}

/** What the curves show, and what they were made of. */
export function noteOf({ target, contrast }: Pair, replacement: Replacement, scope: Scope): string {
  return `Delta of this pair, ${quoteToken(target.text)} for ${quoteToken(contrast.text)}, while tokens of ` +
    `${scope === "PROMPT" ? "the prompt" : "prompt and answer"} are masked; a masked token is ` +
    `${
      REPLACEMENT_NAMES[replacement]
    }. It falls when what is masked held the wrong token up. A point marks where the model ` +
    "would no longer write the wrong token. Random orders (their mean) and the lowest-ranked tokens are the controls. No " +
    "special token is masked.";
}

export function drawCurves(curves: readonly MaskingCurve[], name: string, note: string): Drawing {
  return drawingOf({
    name,
    title: `Delta against masked tokens for ${curves.map(({ ranking }) => rankingOf(ranking).name).join(", ")}`,
    note,
    across: "tokens masked",
    up: { label: "delta" },
    curves: curves.map(({ ranking, deltas, own }) => {
      const flip = own.length === 1 ? own[0]?.flipAway ?? null : null;
      return {
        label: rankingOf(ranking).name,
        series: rankingOf(ranking).series,
        points: deltas.map((delta, masked) => [masked, delta] as const),
        ...(flip === null
          ? {}
          : { mark: { across: flip, text: `after ${flip}, the model would no longer write the wrong token` } }),
      };
    }),
  });
}
