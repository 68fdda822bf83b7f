/** The report as one HTML page that needs nothing else: no scripts, no fonts, no network. */
import { chart, legend, polyline } from "./chart.ts";
import { graphSection, heatmapSection } from "./case_figures.ts";
import { escape, figure, fixed, interval, missing, percent, table } from "./html.ts";
import { sinkSection } from "./layer_figures.ts";
import type { MaskingPart, Report } from "./read_report.ts";
import { originSection, readersSection, segmentSection } from "./segment_figures.ts";
import { studySection } from "./study_figures.ts";

const STYLE = `
:root{color-scheme:light dark;--ink:#14171c;--soft:#4a4f57;--paper:#fff;--line:#d9dce1;--grid:#eceef1;--frame:#8b9199;--note:#6a4b00;--note-paper:#fff7e0;--note-line:#ecd9a0}
@media (prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#b3b8c0;--paper:#15181d;--line:#343a43;--grid:#262b32;--frame:#79808a;--note:#f1d48a;--note-paper:#2c2410;--note-line:#5d4d22}}
body{font:15px/1.5 system-ui,"DejaVu Sans",sans-serif;color:var(--ink);background:var(--paper);max-width:900px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.25rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--line)}h3{font-size:1rem;margin:1.4rem 0 .4rem}
table{border-collapse:collapse;font-size:13px}th,td{padding:.25rem .7rem;text-align:left;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--soft);font-weight:600}.n{text-align:right;font-variant-numeric:tabular-nums}.wide{overflow-x:auto;margin:.5rem 0}
small,figcaption{color:var(--soft)}figure{margin:.5rem 0 1rem}figcaption{font-size:13px}
svg{width:100%;max-width:720px;height:auto;font:12px system-ui,"DejaVu Sans",sans-serif;fill:var(--ink)}
.grid{stroke:var(--grid)}.frame{fill:none;stroke:var(--frame)}.mark{stroke:var(--frame);stroke-dasharray:4 4}.zero,.whisker{stroke:var(--ink)}
.legend{font-size:13px;margin:.2rem 0}.legend span{margin-right:1.1rem;white-space:nowrap}.legend i{display:inline-block;width:.8em;height:.8em;margin-right:.35em}
.missing{color:var(--note);background:var(--note-paper);border:1px solid var(--note-line);padding:.5rem .8rem}code{font-size:.92em}.long{white-space:normal;overflow-wrap:anywhere}
td .long{display:inline-block;max-width:16em;text-align:left}
.heat{white-space:pre-wrap;font:14px/2 ui-monospace,"DejaVu Sans Mono",monospace;margin:0;background:#fff;color:#14171c;padding:.3rem .6rem;border:1px solid var(--line);overflow-wrap:anywhere}
.t{padding:.12em 0;border-radius:2px}.i{border-bottom:2px solid #14171c}
.wrong,.right{padding:.1em .3em;margin-left:.4em;border-radius:3px}.wrong{border:2px solid #b2182b}.right{border:2px solid #2166ac}
.legend i,.heat,.heat span{print-color-adjust:exact;-webkit-print-color-adjust:exact}
@page{margin:15mm}
@media print{:root{--ink:#000;--soft:#333;--paper:#fff;--line:#ccc;--grid:#e6e6e6;--frame:#777}body{max-width:none;margin:0;padding:0;font-size:10pt}
figure,tr,.legend{break-inside:avoid}h2,h3{break-after:avoid}.wide{overflow:visible}table{font-size:8.5pt}th,td{padding:.15rem .4rem}thead{display:table-header-group}}`;

const OUTCOMES = { m_ia: "M-IA", nc_ia_m_ag: "NC-IA + M-AG", nc_ia_ag: "NC-IA + AG" } as const;
const PATTERNS = { urt: "URT", oit: "OIT", urt_oit: "URT+OIT" } as const;

export function reportPage(report: Report): string {
  const sections: readonly (readonly [string, string])[] = [
    ["Failures", failures(report)],
    ["Outcomes and failure patterns", patterns(report) + readersSection(report)],
    ["Relevance by segment", segmentSection(report)],
    ["Heatmaps, one for each pattern", heatmapSection(report)],
    ["A reduced graph", graphSection(report)],
    ["Layers", sinkSection(report)],
    ["Sizes and checkpoints", studySection(report)],
    ["Masking", masking(report)],
    ["How these numbers came about", originSection(report)],
  ];
  const body = sections.map(([title, content]) => `<section><h2>${title}</h2>${content}</section>`).join("\n");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Culprit: report</title><style>${STYLE}</style></head><body>
<h1>Which tokens made the model fail</h1>
<p>${describe(report)}</p>
${body}
<p><small>AttnLRP does not conserve: raw contributions need not sum to the logit difference. Relevance of Qwen3 is skewed
toward the first token, which is left out of every scale here. Outcomes and patterns are those of an automatic classifier.</small></p>
</body></html>
`;
}

function describe({ selection, rule, pairs, attributed, seed }: Report): string {
  const words = [
    selection.selection === "clean" ? "token pairs with delta &gt; 1" : "all token pairs",
    ...(selection.model === null ? [] : [`of ${escape(selection.model)}`]),
    ...(selection.benchmarks === null ? [] : [`in ${escape(selection.benchmarks.join(", "))}`]),
    ...(selection.key === null ? [] : [`whose key holds ${escape(JSON.stringify(selection.key))}`]),
    ...(selection.limit === null ? [] : [`the first ${selection.limit}`]),
  ];
  return `Selection: ${words.join(", ")}: n = ${pairs}, ${attributed} of them attributed by the rule ${rule}. ` +
    `Intervals: 95 %, bootstrap, seed ${seed}.`;
}

function failures({ failures: rows }: Report): string {
  if (rows.length === 0) {
    return missing("No failure case fits the selection.", "npx culprit import --from culprit FILE");
  }
  const cells = rows.map(({ benchmark, model, answers, failures: failed, clean, excluded, tokens }) => [
    `${escape(benchmark)}, ${escape(model)}`,
    answers === 0 ? "–" : String(answers),
    String(failed),
    String(clean),
    percent(clean, failed),
    String(excluded),
    String(failed - clean - excluded),
    fixed(tokens, 0),
  ]);
  return table(
    ["benchmark, model", "answers", "failures", "clean", "clean rate", "excluded", "open", "mean tokens"],
    cells,
  ) +
    `<p><small>Clean: a target and a contrast exist and delta &gt; 1. Rate: of the failures stored; an import of clean ` +
    `cases alone has a rate of 100 %. Answers: – where only failures are stored. Mean tokens: of clean cases, up to the ` +
    `wrong token.</small></p>`;
}

function patterns({ diagnoses, attributed, rule }: Report): string {
  if (diagnoses.length === 0) {
    return missing("No pair of this selection is diagnosed.", "npx culprit run --stages attribute,graph,diagnose");
  }
  const benchmarks = [...new Set(diagnoses.map(({ benchmark }) => benchmark))];
  const sum = (benchmark: string, of: (row: Report["diagnoses"][number]) => boolean) =>
    diagnoses.filter((row) => row.benchmark === benchmark && of(row)).reduce((all, row) => all + row.count, 0);
  const part = (benchmark: string, of: (row: Report["diagnoses"][number]) => boolean, whole: number) => {
    const found = sum(benchmark, of);
    return `${found} (${percent(found, whole)})`;
  };
  const outcomes = benchmarks.map((benchmark) => {
    const all = sum(benchmark, () => true);
    return [
      escape(benchmark),
      String(all),
      ...Object.keys(OUTCOMES).map((outcome) => part(benchmark, (row) => row.outcome === outcome, all)),
    ];
  });
  const kinds = benchmarks.map((benchmark) => {
    const all = sum(benchmark, (row) => row.pattern !== null);
    return [
      escape(benchmark),
      String(all),
      ...Object.keys(PATTERNS).map((pattern) => part(benchmark, (row) => row.pattern === pattern, all)),
      String(sum(benchmark, (row) => row.pattern === null)),
    ];
  });
  const total = diagnoses.reduce((all, row) => all + row.count, 0);
  return `<p>n = ${total} diagnosed of ${attributed} attributed pairs, rule ${rule}; by the automatic classifier.</p>` +
    table(["outcome", "n", ...Object.values(OUTCOMES)], outcomes) +
    table(["pattern", "n with a pattern", ...Object.values(PATTERNS), "no pattern"], kinds);
}

const RANKING_COLOURS: Readonly<Record<string, string>> = {
  attnlrp: "#b2182b",
  cplrp: "#2166ac",
  gradient: "#1b7837",
  random: "#7f7f7f",
  lowest: "#c49a1a",
};

function masking({ masking: part, seed }: Report): string {
  if (part === null) {
    return missing("No masking experiment of this selection is stored.", "npx culprit run --stages mask");
  }
  const { budget, answerToo, summary: { summaries, comparisons } } = part;
  const rows = summaries.map(({ replacement, ranking, cases, away, contrast, passes }) => [
    `${replacement}, ${ranking}`,
    String(cases),
    interval(away.area),
    away.medianTokens === null ? `&gt; ${budget}` : fixed(away.medianTokens, 1),
    fixed(away.meanTokensReached, 1),
    `${away.censored} of ${away.reached + away.censored}`,
    contrast === null ? "–" : interval(contrast.area),
    passes === null ? "–" : interval(passes.area),
  ]);
  const faithfulness = summaries.map(({ replacement, ranking, cases, comprehensiveness, sufficiency }) => [
    `${replacement}, ${ranking}`,
    String(cases),
    interval(comprehensiveness.probability),
    interval(sufficiency.probability),
  ]);
  const paired = comparisons.filter(({ first }) => first === "attnlrp").map((one) => [
    `${one.replacement}: ${one.first} − ${one.second}`,
    String(one.difference.count),
    interval(one.difference),
    one.beats ? "above zero" : one.difference.high < 0 ? "below zero" : "zero is inside",
  ]);
  const settings = `at most ${budget} tokens of ${answerToo ? "prompt and answer" : "the prompt"}; seed ${seed}`;
  return curves(part, settings) +
    table(
      [
        "replacement, ranking",
        "n",
        "area, away",
        "median",
        "mean, flipped",
        "censored",
        "area, to contrast",
        "area, passes",
      ],
      rows,
    ) +
    `<p><small>Area under the flip-rate curve, ${settings}. Random and lowest-ranked are controls; random orders are ` +
    `averaged within a case. Median tokens until the flip over all curves; the mean is over flipped ones alone, so it is ` +
    `too small where some are censored. Censored: no flip within the budget, counted as later than that. Passes: – where no ` +
    `completion was checked.</small></p>` +
    table(["faithfulness", "n", "comprehensiveness", "sufficiency"], faithfulness) +
    `<p><small>Mean loss of the target's probability: with the top-ranked tokens masked (high is good), and with all others ` +
    `masked (low is good); docs/masking.md.</small></p>` +
    (paired.length === 0 ? "" : table(["difference of areas, paired by case", "n", "mean [95 %]", ""], paired));
}

function curves({ budget, summary: { summaries } }: MaskingPart, settings: string): string {
  const replacements = [...new Set(summaries.map(({ replacement }) => replacement))];
  return replacements.map((replacement) => {
    const own = summaries.filter((one) => one.replacement === replacement);
    const plane = chart({ label: "tokens masked", low: 0, high: budget }, {
      label: "share of cases flipped away",
      low: 0,
      high: 1,
    }, 280);
    const colour = (ranking: string) => RANKING_COLOURS[ranking] ?? "#000";
    // The best rankings often lie on each other: the first is drawn last, thin over a broad second.
    const lines = own.toReversed().map(({ ranking, away }) =>
      polyline(
        away.rate.map((rate, k) => [plane.x(k), plane.y(rate)] as const),
        colour(ranking),
        ranking === "cplrp" ? 5 : 2,
      )
    ).join("");
    const counts = own.map(({ cases }) => cases);
    const least = Math.min(...counts);
    const most = Math.max(...counts);
    return figure(
      plane.draw(lines, `Flip rate against tokens masked, ${replacement}`) +
        legend(own.map(({ ranking }) => [colour(ranking), ranking] as const)),
      `Replacement ${replacement}, ${settings}; n = ${least === most ? least : `${least} to ${most}`} cases.`,
    );
  }).join("");
}
