/** docs/reproduction.md from the numbers: tables, figures by reference, findings. */
import type { Timed } from "./compute.ts";
import { findingsOf } from "./findings.ts";
import type { MaskingNumbers, ReproductionNumbers, SeriesNumbers } from "./numbers.ts";

/** A case whose heatmap is shown. */
export interface ShownExample {
  readonly label: string;
  readonly key: string;
  readonly target: string;
  readonly contrast: string;
  readonly delta: number;
  readonly summary: string;
}

/** All that the document is written from; docs/reproduction/numbers.json holds it. */
export interface DocumentParts {
  readonly numbers: ReproductionNumbers;
  readonly examples: readonly ShownExample[];
  /** Key of the case whose graph is drawn; null without a graph. */
  readonly graphKey: string | null;
  readonly timed: readonly Timed[];
  readonly adapter: string;
  readonly cores: number;
  /** Names of figure files that were written, under docs/reproduction/. */
  readonly figures: readonly string[];
}

const fixed = (value: number | null, digits = 2): string =>
  value === null ? "–" : value.toFixed(digits).replace("-", "−");
const share = (part: number, whole: number): string => whole === 0 ? "–" : `${(100 * part / whole).toFixed(1)} %`;
const span = (of: { readonly value: number; readonly low: number; readonly high: number } | null): string =>
  of === null ? "–" : `${fixed(of.value)} [${fixed(of.low)}, ${fixed(of.high)}]`;
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...rows].map((cells) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`
  ).join("\n");

const OUTCOMES = { m_ia: "M-IA", nc_ia_m_ag: "NC-IA + M-AG", nc_ia_ag: "NC-IA + AG" } as const;
const PATTERNS = { urt: "URT", oit: "OIT", urt_oit: "URT+OIT" } as const;
const PAPER_OUTCOMES = "IFEval 83.6/7.3/9.1, GAIA2 86.3/13.7/0, EvalPlus 79.2/13.2/7.5, MATH 40.5/35.1/24.3 %";
const PAPER_PATTERNS = "61.4/4.5/34.1, 56/14/30, 53.5/11.6/34.9, 80/12/8 %";

export function reproductionDocument(parts: DocumentParts): string {
  const { numbers } = parts;
  return [
    introduction(parts),
    findings(numbers),
    tableOne(numbers),
    figureOne(numbers),
    figureTwo(parts),
    figureThree(parts),
    ...numbers.series.map((one) => seriesPart(one, parts)),
    masking(parts),
    conditions(parts),
  ].join("\n\n") + "\n";
}

function introduction({ numbers: { study } }: DocumentParts): string {
  const items = Object.entries(study.items).map(([name, count]) => `${count} of ${name}`).join(", ");
  return `# The paper in miniature

Written by \`npm run reproduce\`; do not edit. The tables and figures of "Contrastive Attribution in the Wild"
(arXiv 2604.17761) on the demo models of this project, whose failures, tasks and training are described in
[models/README.md](../models/README.md). The models are a thousand times smaller than the paper's and their tasks are made
up, so agreement says that the method and this software work together, and disagreement does not refute the paper.

\`${study.model}\` answers the first items of each held-out benchmark (${items}), greedily, thinking off, at most ${study.maxTokens} new
tokens. Token pairs are searched by the strict recovery criterion ([token-pairs.md](token-pairs.md)). The first
${study.pairsEach} clean pairs of each benchmark have graphs, automatic diagnoses ([diagnosis.md](diagnosis.md)) and masking
experiments ([masking.md](masking.md)). Rule AttnLRP; intervals 95 %, bootstrap over cases, seed ${study.seed}.`;
}

function findings(numbers: ReproductionNumbers): string {
  const rows = findingsOf(numbers).map((
    { claim, paper, here, verdict, rule },
  ) => [claim, paper, here, `**${verdict}**`, rule]);
  return `## Finding by finding

${table(["finding", "paper", "here", "on these models", "decided by"], rows)}`;
}

function tableOne({ failures }: ReproductionNumbers): string {
  return `## Table 1: failures

${
    table(
      ["benchmark", "answers", "failures", "rate", "clean", "clean rate", "excluded", "mean tokens of clean cases"],
      failures.map(({ benchmark, answers, failures: failed, clean, excluded, tokens }) => [
        benchmark,
        String(answers),
        String(failed),
        share(failed, answers),
        String(clean),
        share(clean, failed),
        String(excluded),
        fixed(tokens, 0),
      ]),
    )
  }

Paper: IFEval 265 failures, 20.8 % clean, 54 tokens; MATH 91, 40.7 %, 116; EvalPlus 270, 19.6 %, 169; GAIA2 300, 17.0 %, 12,374.`;
}

function figureOne({ diagnoses }: ReproductionNumbers): string {
  const benchmarks = [...new Set(diagnoses.map(({ benchmark }) => benchmark))];
  const count = (of: (row: ReproductionNumbers["diagnoses"][number]) => boolean) =>
    diagnoses.filter(of).reduce((sum, row) => sum + row.count, 0);
  const rows = (names: Readonly<Record<string, string>>, field: "outcome" | "pattern") =>
    benchmarks.map((benchmark) => {
      const all = count((row) => row.benchmark === benchmark && row[field] !== null);
      const cells = Object.keys(names).map((name) => {
        const own = count((row) => row.benchmark === benchmark && row[field] === name);
        return `${own} (${share(own, all)})`;
      });
      return [benchmark, String(all), ...cells];
    });
  return `## Figure 1: outcomes and failure patterns

By the automatic classifier, not by people. M-IA: visible in the input heatmap; M-AG: only the graph shows it; AG: neither.

${table(["outcome", "n", ...Object.values(OUTCOMES)], rows(OUTCOMES, "outcome"))}

Paper: ${PAPER_OUTCOMES}.

${table(["pattern", "n with a pattern", ...Object.values(PATTERNS)], rows(PATTERNS, "pattern"))}

URT: relevant tokens are underweighted; OIT: irrelevant ones are overweighted. Paper (same order of benchmarks): ${PAPER_PATTERNS}.`;
}

const picture = ({ figures }: DocumentParts, file: string, text: string): string =>
  figures.includes(file) ? `![${text}](reproduction/${file})` : `*${text}: there is no such case.*`;

function figureTwo(parts: DocumentParts): string {
  const shown = parts.examples.map(({ label, key, delta, target, contrast, summary }, index) =>
    `### ${label}

${picture(parts, `heatmap-${index + 1}.svg`, label)}

\`${key}\`: wrong \`${shownToken(target)}\`, right \`${shownToken(contrast)}\`, delta ${fixed(delta)}. ${summary}`
  );
  return `## Figure 2: heatmaps

Red supports the wrong token (red box), blue the right one (blue box); instruction tokens are underlined, special ones grey.
Each is the case of which the classifier is surest.

${shown.length === 0 ? "*No case is diagnosed.*" : shown.join("\n\n")}`;
}

const shownToken = (token: string): string => token.replaceAll("\n", "⏎").replaceAll(" ", "␣").replaceAll("`", "ˋ");

function figureThree(parts: DocumentParts): string {
  return `## Figure 3: a reduced graph

${picture(parts, "graph.svg", "Reduced graph")}

\`${
    parts.graphKey ?? "–"
  }\`, the case with the largest delta that has a graph: its strongest paths, layers upwards. First token's share
of |relevance| by node layer, mean over ${parts.numbers.sink[0]?.graphs ?? 0} graphs: ${
    parts.numbers.sink.map(({ layer, share: part }) => `${layer}: ${(100 * part).toFixed(1)} %`).join(", ") || "–"
  }.`;
}

function seriesPart({ series, kind, cases, summary }: SeriesNumbers, parts: DocumentParts): string {
  const { x, y, pairs, both, all, counts, members } = summary;
  const title = kind === "scaling" ? "Figures 4 to 6, sizes" : "Figures 4 to 7, checkpoints";
  const name = (figure: string) => `${series}-${figure}.svg`;
  const rows = members.map(({ label, delta, failing, segments }) => {
    const means = segments.find(({ verdict }) => verdict === null)?.means;
    return [
      label,
      span(delta),
      failing === null ? "–" : `${(100 * failing).toFixed(0)} %`,
      ...(["instruction", "query", "answer"] as const).map((segment) => fixed(means?.[segment] ?? null)),
    ];
  });
  return `## ${title}: ${series}

The ${pairs} clean pairs of \`${cases}\` on every member. They were chosen because \`${cases}\` fails there with delta > 1, so its
own mean is above 1 by construction; what the other members prefer there is not. ${x} against ${y}, ${both} pairs:
${counts.corrected} corrected, ${counts.not_corrected} not corrected, ${counts.undecided} undecided. Means are over the ${all}
pairs that every member has.

${picture(parts, name("scatter"), `Delta on ${x} and ${y}`)}

${picture(parts, name("segments"), "Relevance by segment, corrected or not")}

${picture(parts, name("members"), "Mean delta by member")}

${table(["member", "mean delta [95 %]", "delta > 1", "instruction", "query", "answer"], rows)}`;
}

function masking(parts: DocumentParts): string {
  const { numbers: { study, masking: rows, maskingDifferences } } = parts;
  const cells = rows.map((row: MaskingNumbers) => [
    row.replacement,
    row.ranking,
    String(row.cases),
    span(row.area),
    row.medianTokens === null ? `> ${study.budget}` : fixed(row.medianTokens, 1),
    `${row.censored} of ${row.curves}`,
    span(row.passesArea),
  ]);
  const differences = maskingDifferences.map(({ replacement, second, difference }) => [
    replacement,
    `AttnLRP − ${second}`,
    span(difference),
    String(difference.count),
  ]);
  return `## Masking

Prompt tokens are masked in the order of each ranking until the wrong token is no longer the argmax, ${study.budget} at most.
Area: mean share of cases flipped within k tokens, k from 1 to ${study.budget}; more is better. \`random\` and \`lowest\` are
controls. Censored: no flip within the budget. The paper: 1.7 tokens by AttnLRP, 2.0 by CP-LRP, 3.7 by gradient × input.

${study.replacements.map((name) => picture(parts, `masking-${name}.svg`, `Flip rate, ${name}`)).join("\n\n")}

${table(["replacement", "ranking", "cases", "area, away [95 %]", "median tokens", "censored", "area, passes"], cells)}

${table(["replacement", "difference of areas, paired", "mean [95 %]", "n"], differences)}`;
}

function conditions({ timed, adapter, cores, numbers }: DocumentParts): string {
  const total = timed.reduce((sum, { seconds }) => sum + seconds, 0);
  return `## How it was computed

\`npm run reproduce\` on ${cores} cores, adapter ${adapter}: ${(total / 60).toFixed(1)} minutes${
    timed.length === 0 ? " (all was stored already)" : ""
  }. The numbers are in [reproduction/numbers.json](reproduction/numbers.json);
\`npm run reproduce -- --check\` computes them again and compares: counts and verdicts may differ by ${TOLERANCE.counts} cases or
${
    100 * TOLERANCE.share
  } % of them, means by ${TOLERANCE.mean}, since adapters add in another order and a near tie may fall the other way.

${table(["part", "seconds"], timed.map(({ part, seconds }) => [part, seconds.toFixed(0)]))}

Format ${numbers.format}.`;
}

/** How far two runs may lie apart. */
export const TOLERANCE = { counts: 2, share: 0.02, mean: 0.15 } as const;
