/** The paper's tables and figures as sections of a document. */
import type { Finding } from "./findings.ts";
import { fixed, share, shownToken, span, table } from "./markdown.ts";
import type { MaskingNumbers, PaperNumbers } from "./numbers.ts";

/** A case whose heatmap is shown. */
export interface ShownExample {
  readonly label: string;
  readonly key: string;
  readonly target: string;
  readonly contrast: string;
  readonly delta: number;
  readonly summary: string;
}

/** What figures a document can show. */
export interface PaperFigures {
  readonly examples: readonly ShownExample[];
  /** Key of the case whose graph is drawn; null without a graph. */
  readonly graphKey: string | null;
  /** Names of figure files that were written. */
  readonly figures: readonly string[];
  /** Their folder beside the document. */
  readonly folder: string;
}

export const OUTCOMES = { m_ia: "M-IA", nc_ia_m_ag: "NC-IA + M-AG", nc_ia_ag: "NC-IA + AG" } as const;
export const PATTERNS = { urt: "URT", oit: "OIT", urt_oit: "URT+OIT" } as const;
const PAPER_OUTCOMES = "IFEval 83.6/7.3/9.1, GAIA2 86.3/13.7/0, EvalPlus 79.2/13.2/7.5, MATH 40.5/35.1/24.3 %";
const PAPER_PATTERNS = "61.4/4.5/34.1, 56/14/30, 53.5/11.6/34.9, 80/12/8 %";

/** One line for each finding. `title`: of the column that says what was found here. */
export function findingsPart(findings: readonly Finding[], title: string): string {
  const rows = findings.map((
    { claim, paper, here, verdict, rule },
  ) => [claim, paper, here, `**${verdict}**`, rule]);
  return `## Finding by finding

${table(["finding", "paper", "here", title, "decided by"], rows)}`;
}

export function tableOne({ failures }: PaperNumbers): string {
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

export function figureOne({ diagnoses }: PaperNumbers): string {
  const benchmarks = [...new Set(diagnoses.map(({ benchmark }) => benchmark))];
  const count = (of: (row: PaperNumbers["diagnoses"][number]) => boolean) =>
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

/** A figure's file, where it was written. */
export const picture = ({ figures, folder }: PaperFigures, file: string, text: string): string =>
  figures.includes(file) ? `![${text}](${folder}/${file})` : `*${text}: there is no such case.*`;

export function figureTwo(parts: PaperFigures): string {
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

export function figureThree(parts: PaperFigures, { sink }: PaperNumbers): string {
  return `## Figure 3: a reduced graph

${picture(parts, "graph.svg", "Reduced graph")}

\`${
    parts.graphKey ?? "–"
  }\`, the case with the largest delta that has a graph: its strongest paths, layers upwards. First token's share
of |relevance| by node layer, mean over ${sink[0]?.graphs ?? 0} graphs: ${
    sink.map(({ layer, share: part }) => `${layer}: ${(100 * part).toFixed(1)} %`).join(", ") || "–"
  }.`;
}

/** `settings`: what the experiments were asked with. */
export function maskingPart(
  parts: PaperFigures,
  { masking: rows, maskingDifferences }: PaperNumbers,
  settings: { readonly budget: number; readonly replacements: readonly string[] },
): string {
  const cells = rows.map((row: MaskingNumbers) => [
    row.replacement,
    row.ranking,
    String(row.cases),
    span(row.area),
    row.medianTokens === null ? `> ${settings.budget}` : fixed(row.medianTokens, 1),
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

Prompt tokens are masked in the order of each ranking until the wrong token is no longer the argmax, ${settings.budget} at most.
Area: mean share of cases flipped within k tokens, k from 1 to ${settings.budget}; more is better. \`random\` and \`lowest\` are
controls. Censored: no flip within the budget. The paper: 1.7 tokens by AttnLRP, 2.0 by CP-LRP, 3.7 by gradient × input.

${settings.replacements.map((name) => picture(parts, `masking-${name}.svg`, `Flip rate, ${name}`)).join("\n\n")}

${table(["replacement", "ranking", "cases", "area, away [95 %]", "median tokens", "censored", "area, passes"], cells)}

${table(["replacement", "difference of areas, paired", "mean [95 %]", "n"], differences)}`;
}
