/** Ablation experiments over a selection as people read them on a terminal. */
import type { AblationResult } from "../ablation/experiment.ts";
import type { AblationComparison, AblationSummary } from "../ablation/summary.ts";
import type { Interval } from "../base/statistics/bootstrap.ts";
import { hang, textTable } from "./text_table.ts";

export interface AblationReport {
  readonly cases: number;
  readonly skipped: AblationResult["skipped"];
  readonly summaries: readonly AblationSummary[];
  readonly comparisons: readonly AblationComparison[];
}

/** Tables by heads and neurons, then the paired differences of AttnLRP to the other rankings. */
export function describeAblations({ cases, skipped, summaries, comparisons }: AblationReport): string {
  const left = skipped.length === 0
    ? ""
    : `; ${skipped.length} left out: the target is not what the model writes (${
      skipped.map(({ key }) => key).join(", ")
    })`;
  let text = hang(`${cases} cases, heads or neurons set to zero at every token${left}`, 2) + "\n";
  for (const [unit, own] of Map.groupBy(summaries, (summary) => summary.unit)) {
    const shown = shownCounts(own[0]!.counts);
    const at = shown.map((count) => own[0]!.counts.indexOf(count));
    const head = ["ranking", "area", `flipped by ${shown.join("/")}`, "contrast", "delta lost", "share held"];
    const rows = own.map((summary) => [
      summary.ranking,
      interval(summary.away.area),
      percents(at.map((index) => summary.away.rate[index]!)),
      percents([summary.contrast.rate.at(-1)!]),
      at.map((index) => summary.lost[index]!.value.toFixed(1)).join("/"),
      summary.concentration ? percents(at.map((index) => summary.concentration![index]!.value)) : "-",
    ]);
    text += `\n${unit}\n${textTable([head, ...rows], { right: () => false, indent: 2 })}`;
    for (const comparison of comparisons.filter((each) => each.unit === unit && each.first === "attnlrp")) {
      text += describeComparison(comparison);
    }
  }
  return text;
}

/** The first, the middle and the last. */
const shownCounts = (counts: readonly number[]): number[] => [
  ...new Set([counts[0]!, counts[counts.length >> 1]!, counts.at(-1)!]),
];

const percents = (values: readonly number[]) => `${values.map((value) => (100 * value).toFixed(0)).join("/")} %`;
const interval = ({ value, low, high }: Interval) => `${value.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;

function describeComparison({ first, second, difference, lost, beats }: AblationComparison): string {
  const verdict = beats ? "above zero" : difference.high < 0 ? "below zero" : "zero is inside";
  return `  ${first} - ${second}: area ${interval(difference)}, ${verdict};\n    delta lost ${interval(lost)}\n`;
}
