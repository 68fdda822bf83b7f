/** Curves of ablation experiments: one a ranking of heads or neurons, drawn with what they were made of. */
import { curves as drawingOf } from "../../../figures/curves.tsx";
import type { Drawing } from "../../../figures/picture.tsx";
import { RANKINGS } from "../../../figures/ranking_names.ts";
import { quoteToken } from "../../../figures/token_text.ts";
import type { Pair } from "../heat/documents.ts";
import type { Ablation, AblationRanking, AblationUnit } from "./ablation_documents.ts";

const RANKED: readonly AblationRanking[] = ["ATTNLRP", "CPLRP", "GRADIENT", "RANDOM", "LOWEST"];
export const UNITS: readonly AblationUnit[] = ["HEADS", "NEURONS"];
export const UNIT_NAMES: Readonly<Record<AblationUnit, string>> = { HEADS: "heads", NEURONS: "neurons" };
export const rankingOf = (ranking: AblationRanking) => RANKINGS[ranking.toLowerCase() as Lowercase<AblationRanking>];

/** The experiments of a ranking, and delta at each step; random orders are averaged. */
export interface AblationCurve {
  readonly ranking: AblationRanking;
  /** How many are at zero at each step, from 0 on. */
  readonly counts: readonly number[];
  readonly deltas: readonly number[];
  readonly own: readonly Ablation[];
}

const countsOf = ({ steps }: Ablation) => steps.map(({ ablated }) => ablated);

/** One curve a ranking of a unit: of the counts that were asked for last, the list standing newest first. */
export function ablationCurves(experiments: readonly Ablation[], unit: AblationUnit): readonly AblationCurve[] {
  const all = experiments.filter((one) => one.unit === unit);
  const counts = all[0] === undefined ? [] : countsOf(all[0]);
  return RANKED.flatMap((ranking) => {
    const own = all.filter((one) => one.ranking === ranking && countsOf(one).join() === counts.join());
    if (own.length === 0) return [];
    const deltas = counts.map((_, step) =>
      own.reduce((sum, { steps }) => sum + (steps[step]?.delta ?? 0), 0) / own.length
    );
    return [{ ranking, counts, deltas, own }];
  });
}

/** A point a step: counts grow by factors, so steps stand at equal distances and are named below. */
export function drawAblations(
  curves: readonly AblationCurve[],
  unit: AblationUnit,
  { target, contrast }: Pair,
  name: string,
): Drawing {
  const what = UNIT_NAMES[unit];
  const counts = curves[0]?.counts ?? [];
  return drawingOf({
    name: `ablation-${what}-${name}`,
    title: `Delta against ${what} at zero for ${curves.map(({ ranking }) => rankingOf(ranking).name).join(", ")}`,
    note:
      `Delta of this pair, ${quoteToken(target.text)} for ${quoteToken(contrast.text)}, with ${counts.join(", ")} ` +
      `${what} at zero at every token, one step each. It falls when they held the wrong token up. A point marks where ` +
      `the model would no longer write the wrong token. Random ${what} of the same layers (their mean) and the ` +
      "lowest-ranked ones are the controls.",
    across: `step: ${counts.join(", ")} ${what} at zero`,
    up: { label: "delta" },
    curves: curves.map(({ ranking, deltas, own }) => {
      const flip = own.length === 1 ? own[0]?.flipAway ?? null : null;
      return {
        label: rankingOf(ranking).name,
        series: rankingOf(ranking).series,
        points: deltas.map((delta, step) => [step, delta] as const),
        ...(flip === null ? {} : {
          mark: {
            across: counts.indexOf(flip),
            text: `with ${flip} at zero, the model would no longer write the wrong token`,
          },
        }),
      };
    }),
  });
}

/** Head 3 of block 7; neuron 12 of expert 2 of block 7. */
export function nameOf(unit: AblationUnit, { layer, index, expert }: Ablation["ablated"][number]): string {
  const what = unit === "HEADS" ? "head" : "neuron";
  return `${what} ${index}${expert === null ? "" : ` of expert ${expert}`} of block ${layer}`;
}
