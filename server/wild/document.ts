/** docs/in-the-wild.md from the numbers of a run: every number in it stands in the stored file. */
import { proportionInterval } from "../base/statistics/proportion.ts";
import { marksName } from "../marks/found_marks.ts";
import { type Finding, paperFindings } from "../paper/findings.ts";
import { fixed, share, shownToken, table } from "../paper/markdown.ts";
import {
  figureOne,
  figureThree,
  figureTwo,
  findingsPart,
  maskingPart,
  OUTCOMES,
  type PaperFigures,
  PATTERNS,
  tableOne,
} from "../paper/sections.ts";
import type { Timed } from "../paper/verbs.ts";
import type { DiagnosisRow } from "../report/read_report.ts";
import { ablationPart } from "./ablation.ts";
import { TOLERANCE } from "./check.ts";
import { referenceName } from "../search/reference_pairs.ts";
import type { WildNumbers } from "./numbers.ts";
import { type ProofNumbers, proofsPart } from "./proofs.ts";
import { quantisationPart } from "./quantisation.ts";
import { readersPart } from "./readers.ts";
import { type ReferenceNumbers, referencePart } from "./reference.ts";
import { solvedBenchmarks, type WildStudy } from "./study.ts";

/** All that the document is written from; numbers.json holds it. */
export interface WildParts extends PaperFigures {
  readonly numbers: WildNumbers;
  readonly reference: ReferenceNumbers | null;
  readonly proofs: readonly ProofNumbers[];
  readonly timed: readonly Timed[];
  readonly adapter: string;
  readonly cores: number;
}

export function wildDocument(parts: WildParts): string {
  const { numbers } = parts;
  return [
    introduction(numbers),
    `${
      findingsPart(wildFindings(numbers), "on this model")
    }\n\nA finding that rests on fewer than ${LEAST_CASES} cases stays undecided.`,
    answersPart(numbers),
    `${
      tableOne(ofOwnAnswers(numbers))
    }\n\nFailures that were not searched count as not clean here; see the next table.`,
    cleanPart(ofOwnAnswers(numbers)),
    figureOne(numbers),
    sharesPart(numbers),
    controlPart(numbers),
    figureTwo(parts),
    figureThree(parts, numbers),
    sinkPart(numbers),
    maskingPart(parts, numbers, numbers.study),
    marksPart(numbers),
    unexplainedPart(numbers),
    ablationPart(numbers.ablations, numbers.study),
    readersPart(numbers.readers),
    proofsPart(parts.proofs),
    weightsPart(numbers),
    quantisationPart(numbers.quantised),
    referencePart(parts.reference),
    conditions(parts),
  ].join("\n\n") + "\n";
}

function introduction({ study, answers }: WildNumbers): string {
  const asked = study.benchmarks.map(({ name, limit, items, maxTokens, template }) => {
    const there = answers.find(({ benchmark }) => benchmark === name)?.answers ?? 0;
    const how = template === null ? "" : `, asked by the template \`${template}\``;
    return `- ${name}: ${there} of ${limit} items that were to be asked (the file has ${items}), at most ${maxTokens} tokens${how}`;
  });
  const positions = study.positions === null ? "at every position" : `at the first ${study.positions} positions`;
  return `# In the wild

Written by \`npm run wild\`; do not edit. The tables and figures of "Contrastive Attribution in the Wild" (arXiv
2604.17761) on a real model's real failures: \`${study.model}\` answers items of public benchmarks, greedily, thinking off.

${asked.join("\n")}

Items are asked in an order that seed ${study.seed} draws, so that any number of first ones is a sample by chance: how many there
are is decided by time, never by results. Token pairs are searched by the strict recovery criterion
([token-pairs.md](token-pairs.md)), ${study.alternatives} alternatives ${positions}. Of each benchmark at most ${study.pairsEach} clean
pairs, drawn by the seed, are attributed, ${study.graphsEach} have graphs and diagnoses, ${study.maskedEach} are masked. Rule AttnLRP;
intervals 95 %.${referenceText(study)}`;
}

/** What benchmarks named after others are. */
function referenceText(study: WildStudy): string {
  const solved = solvedBenchmarks(study);
  if (solved.length === 0) return "";
  const names = solved.map(({ name }) => `\`${referenceName(name)}\``).join(", ");
  return `

Pairs of ${names} come from the benchmarks' own solutions to at most ${study.referenceItems} items each: the answer before the place is the
solution's, the target is what the model would write there and then fails with, the contrast is the solution's token
([token-pairs.md](token-pairs.md)). They are failures of one step of the model, not of a whole answer of its own.`;
}

/** Below so many cases a finding stays undecided: intervals of a handful are too narrow, of one they have no width. */
const LEAST_CASES = 10;

/** Without pairs from solutions: they are no failures that were searched. */
const ofOwnAnswers = (numbers: WildNumbers): WildNumbers => ({
  ...numbers,
  failures: numbers.failures.filter(({ benchmark }) => numbers.study.benchmarks.some(({ name }) => name === benchmark)),
});

/** Failures that were not searched say nothing of how many are clean. */
const ofSearched = (numbers: WildNumbers): WildNumbers => ({
  ...numbers,
  failures: ofOwnAnswers(numbers).failures.map((row) => ({ ...row, failures: row.clean + row.excluded }))
    .filter(({ failures }) => failures > 0),
});

/** The paper's findings, and those that only this run asks. */
export function wildFindings(numbers: WildNumbers): Finding[] {
  return [...paperFindings(ofSearched(numbers)), likeControls(numbers)].map((finding) =>
    finding.cases < LEAST_CASES ? { ...finding, verdict: "undecided" } : finding
  );
}

const counted = (rows: readonly DiagnosisRow[], of: (row: DiagnosisRow) => boolean): number =>
  rows.filter(of).reduce((sum, row) => sum + row.count, 0);

/** Whether failures are explained more often than pairs drawn by chance. */
function likeControls({ diagnoses, controls }: WildNumbers): Finding {
  const side = (rows: readonly DiagnosisRow[]) =>
    proportionInterval(counted(rows, ({ outcome }) => outcome === "m_ia"), counted(rows, () => true));
  const [failures, chance] = [side(diagnoses), side(controls)];
  const percent = (of: typeof failures) =>
    of === null
      ? "none diagnosed"
      : `${fixed(100 * of.value, 1)} % [${fixed(100 * of.low, 1)}, ${fixed(100 * of.high, 1)}] of ${of.count}`;
  return {
    claim: "A heatmap that explains the choice (M-IA) tells failures from pairs drawn by chance of passed answers.",
    paper: "no control is known to us",
    rule: "M-IA is more frequent among failures, and the two intervals do not overlap",
    here: `failures ${percent(failures)}; by chance ${percent(chance)}`,
    cases: Math.min(failures?.count ?? 0, chance?.count ?? 0),
    verdict: failures === null || chance === null
      ? "undecided"
      : failures.low > chance.high
      ? "holds"
      : failures.value <= chance.value || failures.high < chance.low
      ? "does not hold"
      : "undecided",
  };
}

function answersPart({ answers }: WildNumbers): string {
  return `## Answers

${
    table(
      ["benchmark", "answers", "passed", "failed", "undecided", "cut off", "mean tokens"],
      answers.map((row) => [
        row.benchmark,
        String(row.answers),
        `${row.passed} (${share(row.passed, row.answers)})`,
        String(row.failed),
        String(row.undecided),
        `${row.truncated} (${share(row.truncated, row.answers)})`,
        fixed(row.meanTokens, 0),
      ]),
    )
  }

Cut off: answers that reached the most tokens; they are judged as they stand.`;
}

function cleanPart({ failures, exclusions }: WildNumbers): string {
  const rows = failures.map(({ benchmark, failures: all, clean, excluded }) => {
    const searched = clean + excluded;
    const rate = proportionInterval(clean, searched);
    const reasons = exclusions.filter((one) => one.benchmark === benchmark && one.reason !== "clean")
      .map(({ reason, count }) => `${reason.replaceAll("_", " ")} ${count}`);
    return [
      benchmark,
      `${searched} of ${all}`,
      String(clean),
      rate === null ? "–" : `${fixed(100 * rate.value, 1)} [${fixed(100 * rate.low, 1)}, ${fixed(100 * rate.high, 1)}]`,
      reasons.join(", ") || "–",
    ];
  });
  return `### Clean rates

${table(["benchmark", "failures searched", "clean", "clean, % of searched [95 %]", "the others"], rows)}

The paper's clean rates: 17 to 41 %. Failures that are \`open\` were not searched to the end. Intervals are Wilson's.`;
}

function sharesPart({ diagnoses }: WildNumbers): string {
  const rows = shareRows(diagnoses, "failures");
  return `### With intervals

${table(["benchmark", "of", "what", "n", "share, % [95 %]"], rows)}`;
}

/** Outcomes and patterns of each benchmark with Wilson's intervals. */
function shareRows(diagnoses: readonly DiagnosisRow[], of: string): string[][] {
  const names = [...new Set(diagnoses.map(({ benchmark }) => benchmark))];
  return names.flatMap((benchmark) => {
    const own = diagnoses.filter((row) => row.benchmark === benchmark);
    const rows = (kinds: Readonly<Record<string, string>>, field: "outcome" | "pattern") => {
      const all = counted(own, (row) => row[field] !== null);
      return Object.entries(kinds).flatMap(([name, shown]) => {
        const part = counted(own, (row) => row[field] === name);
        const interval = proportionInterval(part, all);
        return interval === null ? [] : [[
          benchmark,
          of,
          shown,
          `${part} of ${all}`,
          `${fixed(100 * interval.value, 1)} [${fixed(100 * interval.low, 1)}, ${fixed(100 * interval.high, 1)}]`,
        ]];
      });
    };
    return [...rows(OUTCOMES, "outcome"), ...rows(PATTERNS, "pattern")];
  });
}

function controlPart({ controls, measures, study }: WildNumbers): string {
  const shares = shareRows(controls, "pairs by chance");
  const rows = measures.map(({ benchmark, control, cases, delta, namedShare, centreTokens }) => [
    benchmark,
    control ? "pairs by chance" : "failures",
    String(cases),
    fixed(delta),
    fixed(namedShare),
    fixed(centreTokens, 1),
  ]);
  return `## A control: pairs drawn by chance of passed answers

The paper diagnoses failures only. Here the same is done where nothing went wrong: of at most ${study.controlsEach} passed answers of
a benchmark one place each is drawn by the seed at which the answer's token is the model's choice; it is the target, and
a token drawn among the ten next ones with delta above 1 is the contrast. What the classifier says of these it would say
of any choice of the model.

${
    shares.length === 0
      ? "*No control is diagnosed.*"
      : table(["benchmark", "of", "what", "n", "share, % [95 %]"], shares)
  }

${
    rows.length === 0
      ? ""
      : table(["benchmark", "of", "cases", "mean delta", "mean `namedShare`", "mean `centreTokens`"], rows)
  }`.trimEnd();
}

function sinkPart({ sinkIntervals }: WildNumbers): string {
  const rows = sinkIntervals.map((one, layer) => [
    String(layer),
    `${fixed(100 * one.value, 1)} [${fixed(100 * one.low, 1)}, ${fixed(100 * one.high, 1)}]`,
    String(one.count),
  ]);
  return `### The first token's share

Of |relevance| in each node layer, over all attributed failures (normal intervals over cases): finding 2 of the paper,
named for Qwen3, asked of this architecture.

${rows.length === 0 ? "*Nothing is attributed.*" : table(["node layer", "share, % [95 %]", "cases"], rows)}`;
}

function marksPart({ marks, causal, classifier }: WildNumbers): string {
  const origins = marks.map(({ origin, version, count }) => [marksName(origin, version), String(count)]);
  const rows = causal.map(({ benchmark, cases, sentences, marked }) => [
    benchmark,
    String(cases),
    fixed(sentences / cases, 1),
    fixed(marked / cases, 1),
  ]);
  return `## How marks were made

Which words of a prompt count as instruction is said by the locator where the benchmark names its instructions, else by
causal marks ([marks.md](marks.md)); nobody marked anything by hand. Classifier: ${
    classifier.join(", ") || "none used"
  }.

${origins.length === 0 ? "*Nothing is marked.*" : table(["marks", "attributions"], origins)}

${
    rows.length === 0
      ? "*No case has causal marks.*"
      : table(["benchmark", "cases with causal marks", "sentences a prompt", "of them marked"], rows)
  }`;
}

function unexplainedPart({ unexplained }: WildNumbers): string {
  const rows = unexplained.map(({ key, target, contrast, delta }) => [
    `\`${key}\``,
    `\`${shownToken(target)}\``,
    `\`${shownToken(contrast)}\``,
    fixed(delta),
  ]);
  return `## What is not explained

${
    rows.length === 0
      ? "*No diagnosed failure is NC-IA + AG.*"
      : `Failures that neither heatmap nor graph explains:\n\n${table(["case", "wrong", "right", "delta"], rows)}`
  }

What is not asked here at all: failures without a clean pair (above).`;
}

function weightsPart({ weights, study }: WildNumbers): string {
  const rows = weights.map(({ benchmark, pairs, flat, largest, marks }) => [
    benchmark,
    String(pairs),
    String(flat),
    fixed(largest, 1),
    Object.entries(marks).map(([name, count]) => `${name} ${count}`).join(", "),
  ]);
  return `## Weights

At most ${study.weightedEach} failures of a benchmark as preference pairs, their tokens weighted by the share of relevance on marked
words ([preferences.md](preferences.md)); a mean weight is 1.

${
    rows.length === 0
      ? "*No pair is weighted.*"
      : table(["benchmark", "pairs", "all weights equal", "largest weight, mean", "marks"], rows)
  }`;
}

function conditions({ timed, adapter, cores, numbers, folder }: WildParts): string {
  const total = timed.reduce((sum, { seconds }) => sum + seconds, 0);
  return `## How it was computed

\`npm run wild\` on ${cores} cores, adapter ${adapter}, in resumable pieces: ${
    (total / 3600).toFixed(2)
  } hours of wall time, other work on
the machine included. Model hash \`${
    numbers.study.modelHash.slice(0, 16)
  }\`. The numbers are in [${folder}/numbers.json](${folder}/numbers.json);
answers, pairs and results by case lie beside it (\`answers\`, \`cases\` and \`results\`, packed JSON lines; \`npx culprit import\`
reads \`cases\`). \`npm run wild -- --check --model MODEL\` draws a tenth of them by the seed and computes it again: relevance
may differ by ${TOLERANCE.relevance} of the largest of a pair, delta by ${TOLERANCE.delta}; ${
    100 * TOLERANCE.answers
  } % of the answers must be the same to the
last token and ${
    100 * TOLERANCE.diagnoses
  } % of the diagnoses, since adapters add in another order and a near tie may fall the other way.

${table(["part", "seconds"], timed.map(({ part, seconds }) => [part, seconds.toFixed(0)]))}

Format ${numbers.format}.`;
}
