/** What `culprit trace proof` found on a run's failures (docs/traces.md), where it was run in the same home. */
import { copyFile, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Interval } from "../base/statistics/bootstrap.ts";
import { fixed, table } from "../paper/markdown.ts";
import type { ProofSettings } from "../traces/proof.ts";
import { wholeRecords } from "../traces/proof_records.ts";
import { type ProofSummary, summariseProofs } from "../traces/proof_summary.ts";

/** One file of results. */
export interface ProofNumbers {
  /** Its name beside the document. */
  readonly file: string;
  readonly benchmark: string;
  /** Where the error stands: at the pair's token, or at the final answer. */
  readonly error: string;
  readonly settings: ProofSettings;
  /** Failures in the file, also those that the model does not write again. */
  readonly tried: number;
  /** Null where it writes none again. */
  readonly summary: ProofSummary | null;
}

interface Header extends Pick<ProofNumbers, "benchmark" | "error" | "settings"> {
  readonly model: string;
}

/** All files of the model in the home's folder `proofs`; copies them beside the document. */
export async function readProofs(
  home: string,
  folder: string,
  { model, seed }: { readonly model: string; readonly seed: number },
): Promise<ProofNumbers[]> {
  const proofs = join(home, "proofs");
  const names = (await readdir(proofs).catch(() => [])).filter((name) => name.endsWith(".jsonl")).sort();
  const found: ProofNumbers[] = [];
  for (const name of names) {
    const [first, ...lines] = (await readFile(join(proofs, name), "utf8")).trimEnd().split("\n");
    const { model: own, benchmark, error, settings } = JSON.parse(first!) as Header;
    if (own !== model || lines.length === 0) continue;
    const file = `traces-${benchmark}-${error}.jsonl`;
    await copyFile(join(proofs, name), join(folder, file));
    const records = wholeRecords(lines);
    const summary = summariseProofs(records, seed);
    found.push({ file, benchmark, error, settings, tried: records.length, summary });
  }
  return found;
}

const interval = ({ value, low, high }: Pick<Interval, "value" | "low" | "high">) =>
  `${fixed(value, 3)} [${fixed(low, 3)}, ${fixed(high, 3)}]`;

/** Section "Through its own words". */
export function proofsPart(proofs: readonly ProofNumbers[]): string {
  const parts = proofs.flatMap((one) => one.summary === null ? [] : [proofText(one, one.summary)]);
  return `## Through its own words

Whether the prompt's tokens that a trace's chain names ([traces.md](traces.md)) hold the final answer up more than those
of other rankings: tokens of the prompt are masked by each ranking, the completion is generated again (is the final answer
another?) or kept (how far does delta fall?). Intervals are paired by failure.

${parts.length === 0 ? "*Not run.*" : parts.join("\n\n")}`;
}

function proofText({ file, benchmark, error, settings, tried }: ProofNumbers, summary: ProofSummary): string {
  const counts = settings.counts.map(String);
  const where = error === "answer" ? "the final answer's first wrong token" : "the pair's token";
  const rankings = table(
    ["ranking", ...counts.map((count) => `${count} masked`), "mean flips [95 %]", "mean fall of delta [95 %]"],
    summary.rankings.map(({ ranking, flips, meanFlips, meanFall }) => [
      ranking,
      ...flips.map(({ share }) => fixed(share, 2)),
      interval(meanFlips),
      interval(meanFall),
    ]),
  );
  const differences = table(
    ["ranking", "less", "flips [95 %]", "fall of delta [95 %]"],
    summary.comparisons.map(({ first, second, flips, fall }) => [first, second, interval(flips), interval(fall)]),
  );
  return `### ${benchmark}

${tried} failures, error at ${where}; ${summary.cases} of them are written again word for word by the model and count.
Replacement \`${settings.replacement}\`, rule ${settings.rule}; by case in \`${file}\`.

${rankings}

${differences}${orderText(summary.order)}`;
}

function orderText(order: ProofSummary["order"]): string {
  if (order === null) return "";
  const { cases, reciprocal, comparisons } = order;
  return `

The first step after whose end nothing passed, in ${cases} failures where there is one: mean of 1 / its place among the
steps, ordered by each.

${
    table(["order", "mean", "chain less this [95 %]"], [
      ["by the chain's weights", fixed(reciprocal.chain, 3), ""],
      ["by the error's own shares", fixed(reciprocal.direct, 3), interval(comparisons.direct)],
      ["the last first", fixed(reciprocal.last, 3), interval(comparisons.last)],
      ["by chance", fixed(reciprocal.random, 3), interval(comparisons.random)],
    ])
  }`;
}
