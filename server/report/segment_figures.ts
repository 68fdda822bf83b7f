/** Relevance by segment, readers beside the classifier, and how the numbers came about. */
import type { LabelAgreementRow } from "../../schema/services/diagnoses.ts";
import { marksName } from "../marks/found_marks.ts";
import { chart, legend, px, span } from "./chart.ts";
import { escape, figure, fixed, interval, missing, percent, table } from "./html.ts";
import type { Report } from "./read_report.ts";
import { SEGMENT_NAMES, type SegmentRow } from "./read_sums.ts";

export const SEGMENT_COLOURS = {
  instruction: "#2166ac",
  query: "#92c5de",
  answer: "#f4a582",
  special: "#999999",
} as const;

const PATTERN_NAMES: Readonly<Record<string, string>> = { urt: "URT", oit: "OIT", urt_oit: "URT+OIT" };
const patternName = (pattern: string | null): string => pattern === null ? "none" : PATTERN_NAMES[pattern] ?? pattern;

/** Mean sums of segments by benchmark and pattern, as bars and as a table. */
export function segmentSection({ segments, rule }: Report): string {
  if (segments.length === 0) {
    return missing("No pair of this selection is attributed.", "npx culprit run --stages attribute");
  }
  const benchmarks = [...new Set(segments.map(({ benchmark }) => benchmark))];
  const figures = benchmarks.map((benchmark) =>
    bars(benchmark, segments.filter((row) => row.benchmark === benchmark), rule)
  );
  return figures.join("") +
    table(
      ["benchmark, pattern", "n", ...SEGMENT_NAMES],
      segments.map(({ benchmark, pattern, count, means }) => [
        `${escape(benchmark)}, ${patternName(pattern)}`,
        String(count),
        ...SEGMENT_NAMES.map((name) => count === 1 ? fixed(means[name].value) : interval(means[name])),
      ]),
    ) +
    `<p><small>Sum of the segment's relevance at the embeddings over the largest |relevance| of tokens that are not ` +
    `special; mean over cases [95 %, normal]. Positive supports the wrong token. Pattern none: no pattern, or not ` +
    `diagnosed.</small></p>`;
}

function bars(benchmark: string, rows: readonly SegmentRow[], rule: string): string {
  const ends = rows.flatMap(({ means }) => SEGMENT_NAMES.flatMap((name) => [means[name].low, means[name].high]));
  const plane = chart(
    {
      label: "pattern",
      low: 0,
      high: rows.length,
      ticks: rows.map(({ pattern, count }, at) => ({ at: at + 0.5, text: `${patternName(pattern)} (n = ${count})` })),
    },
    { label: "mean sum", ...span(ends, [0]) },
    260,
  );
  const step = 0.8 / SEGMENT_NAMES.length;
  const marks = rows.map(({ means }, at) =>
    SEGMENT_NAMES.map((name, index) => {
      const { value, low, high } = means[name];
      const left = plane.x(at + 0.1 + index * step);
      const width = plane.x(at + step) - plane.x(at);
      const [top, bottom] = [plane.y(Math.max(value, 0)), plane.y(Math.min(value, 0))];
      const middle = px(left + 0.45 * width);
      return `<rect x="${px(left)}" y="${px(top)}" width="${px(0.9 * width)}" height="${
        px(Math.max(bottom - top, 0.5))
      }" fill="${SEGMENT_COLOURS[name]}"><title>${name}: ${fixed(value)}</title></rect>` +
        `<line class="whisker" x1="${middle}" x2="${middle}" y1="${px(plane.y(low))}" y2="${px(plane.y(high))}"/>`;
    }).join("")
  ).join("");
  const zero = `<line class="zero" x1="${px(plane.x(0))}" x2="${px(plane.x(rows.length))}" y1="${px(plane.y(0))}" y2="${
    px(plane.y(0))
  }"/>`;
  return figure(
    plane.draw(marks + zero, `Relevance by segment and pattern, ${benchmark}`) +
      legend(SEGMENT_NAMES.map((name) => [SEGMENT_COLOURS[name], name] as const)),
    `${escape(benchmark)}: mean sum of relevance by segment, for each pattern, with 95 % intervals; rule ${rule}.`,
  );
}

/** Agreement of readers with each other and with the classifier; nothing where nobody labelled. */
export function readersSection({ readers, rule }: Report): string {
  if (readers.length === 0) return "";
  const agreement = ({ kappa, observed }: LabelAgreementRow["outcome"]) => `${fixed(kappa)} (${percent(observed, 1)})`;
  return "<h3>Agreement of readers</h3>" + table(
    ["", "pairs", "outcome", "pattern", "relevant underweighted", "irrelevant overweighted"],
    readers.map(({ one, other, pairs, outcome, pattern, urt, oit }) => [
      `${one === null ? "classifier" : escape(one)} and ${escape(other)}`,
      String(pairs),
      ...[outcome, pattern, urt, oit].map(agreement),
    ]),
  ) +
    `<p><small>Cohen’s kappa, observed agreement in parentheses; – where both always say one and the same. Over all ` +
    `labelled pairs of the selection’s benchmarks that both read, rule ${rule}. What people say is never overwritten ` +
    `by the classifier.</small></p>`;
}

/** Which engine, adapter and classifier made the numbers, how long it took, and the command for this page. */
export function originSection({ costs, versions, markOrigins, command }: Report): string {
  const rows = costs.map(({ model, what, adapter, engine, count, tokens, seconds, edges }) => [
    `${escape(model)}, ${what}`,
    String(count),
    fixed(tokens, 0),
    edges === null ? "–" : fixed(edges, 0),
    seconds < 1 ? `${fixed(1000 * seconds, 0)} ms` : `${fixed(seconds, 1)} s`,
    `<span class="long">${escape(adapter)}</span>`,
    `<code class="long">${engine === null ? "not kept" : escape(engine)}</code>`,
  ]);
  const models = [...new Map(costs.map(({ model, modelHash }) => [model, modelHash]))];
  return (rows.length === 0 ? "" : table(
    ["model", "n", "median tokens", "median edges", "median time", "adapter", "engine"],
    rows,
  )) +
    `<p><small>${
      [
        ...models.map(([model, hash]) =>
          `Weights of ${escape(model)}: SHA-256 <code class="long">${escape(hash)}</code>.`
        ),
        ...(versions.length === 0 ? [] : [`Classifier: <code>${versions.map(escape).join("</code>, <code>")}</code>.`]),
        ...(markOrigins.length === 0 ? [] : [
          `Instructions marked by: ${
            markOrigins.map(({ origin, version, count }) => `${escape(marksName(origin, version))} (${count})`).join(
              ", ",
            )
          }.`,
        ]),
        "Times are walls on the machine that computed them, as busy as it was; short attributions share a pass with others, " +
        "and each has the time of its pass.",
      ].join(" ")
    }</small></p><p>This page again: <code class="long">${escape(command)}</code></p>`;
}
