/** Masking experiments over a selection as people read them on a terminal. */
import type { MaskingResult, MaskingSettings } from "../masking/experiment.ts";
import type { FlipSummary, MaskingComparison, MaskingSummary } from "../masking/summary.ts";
import type { Interval } from "../base/statistics/bootstrap.ts";
import { hang, textTable } from "./text_table.ts";

export interface MaskingReport {
  readonly settings: Pick<MaskingSettings, "budget" | "scope">;
  readonly cases: number;
  readonly skipped: MaskingResult["skipped"];
  readonly summaries: readonly MaskingSummary[];
  readonly comparisons: readonly MaskingComparison[];
}

const HEAD = [
  "ranking",
  "area under flip rate",
  "flipped by 1/3/K",
  "median",
  "to contrast",
  "passes",
  "compreh.",
  "suffic.",
];

/** Tables by replacement, then the paired differences of AttnLRP to the other rankings. */
export function describeMasking({ settings, cases, skipped, summaries, comparisons }: MaskingReport): string {
  const { budget, scope } = settings;
  const left = skipped.length === 0 ? "" : `; ${skipped.length} left out: ${describeSkipped(skipped)}`;
  let text = hang(
    `${cases} cases, at most ${budget} tokens of ${
      scope === "prompt" ? "the prompt" : "prompt and answer"
    } masked${left}`,
    2,
  ) + "\n";
  for (const [replacement, own] of Map.groupBy(summaries, (summary) => summary.replacement)) {
    text += `\n${replacement}\n${
      textTable([HEAD, ...own.map((summary) => row(summary, budget))], { right: () => false, indent: 2 })
    }`;
    for (const comparison of comparisons.filter((each) => each.replacement === replacement)) {
      if (comparison.first === "attnlrp") text += describeComparison(comparison);
    }
  }
  return text;
}

function describeSkipped(skipped: MaskingResult["skipped"]): string {
  const reasons = { target_not_argmax: "the target is not what the model writes", nothing_to_mask: "nothing to mask" };
  return [...Map.groupBy(skipped, ({ reason }) => reason)]
    .map(([reason, own]) => `${own.length} (${reasons[reason]})`).join(", ");
}

function row(summary: MaskingSummary, budget: number): string[] {
  const { ranking, away, contrast, passes, comprehensiveness, sufficiency } = summary;
  const shares = [1, 3, budget].filter((k) => k <= budget).map((k) => percent(away.rate[k]!));
  return [
    ranking,
    interval(away.area),
    shares.join(" / "),
    away.medianTokens === null ? `> ${budget}` : `${away.medianTokens}`,
    last(contrast),
    last(passes),
    comprehensiveness.probability.value.toFixed(3),
    sufficiency.probability.value.toFixed(3),
  ];
}

const percent = (value: number) => `${(100 * value).toFixed(0)} %`;
const last = (flips: FlipSummary | null) => flips ? percent(flips.rate.at(-1)!) : "-";
const interval = ({ value, low, high }: Interval) => `${value.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;

function describeComparison({ first, second, difference, beats }: MaskingComparison): string {
  const verdict = beats ? "above zero" : difference.high < 0 ? "below zero" : "zero is inside";
  return `  ${first} - ${second}: ${interval(difference)}, ${verdict}\n`;
}
