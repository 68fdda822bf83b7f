/** What `culprit trace proof` found on a run's failures (docs/traces.md), where it was run in the same home. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { canonicalHash } from "../base/canonical_hash.ts";
import { fileWord } from "../base/file_word.ts";
import type { Interval } from "../base/statistics/bootstrap.ts";
import { fixed, table } from "../paper/markdown.ts";
import type { ProofSettings } from "../traces/proof.ts";
import { readProofHeader, readProofRecords } from "../traces/proof_records.ts";
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

/** What most proofs are made with: theirs is the plain name. */
const USUAL: Pick<ProofSettings, "rule" | "replacement"> = { rule: "attnlrp", replacement: "attention" };

/**
 * All files of the model in the home's folder `proofs`; copies them beside the document. A file that somebody is only
 * beginning to write is left out.
 */
export async function readProofs(
  home: string,
  folder: string,
  { model, seed }: { readonly model: string; readonly seed: number },
): Promise<ProofNumbers[]> {
  const proofs = join(home, "proofs");
  const names = (await readdir(proofs).catch(() => [])).filter((name) => name.endsWith(".jsonl")).sort();
  const found: (Omit<ProofNumbers, "file"> & { readonly text: string })[] = [];
  for (const name of names) {
    const text = await readFile(join(proofs, name), "utf8");
    const header = readProofHeader(text);
    if (header?.model !== model) continue;
    const { benchmark, error, settings } = header;
    const records = readProofRecords(text, settings);
    if (records.length === 0) continue;
    const summary = summariseProofs(records, seed);
    found.push({ benchmark, error, settings, tried: records.length, summary, text });
  }
  const files = namesOf(found);
  for (const [index, file] of files.entries()) await writeFile(join(folder, file), found[index]!.text);
  return found.map(({ text: _, ...numbers }, index) => ({ file: files[index]!, ...numbers }));
}

/**
 * A name of its own for each file. Of those with the same benchmark and place of the error, the first of the usual
 * settings (else the first) has the plain one; the others' tell their settings apart.
 */
function namesOf(files: readonly Pick<ProofNumbers, "benchmark" | "error" | "settings">[]): string[] {
  const isUsual = ({ settings: { rule, replacement } }: Pick<ProofNumbers, "settings">) =>
    rule === USUAL.rule && replacement === USUAL.replacement;
  const names = new Map<number, string>();
  const taken = new Set<string>();
  const order = [...files.keys()].sort((a, b) => Number(isUsual(files[b]!)) - Number(isUsual(files[a]!)) || a - b);
  for (const index of order) {
    const { benchmark, error, settings } = files[index]!;
    const plain = fileWord(`traces-${benchmark}-${error}`);
    const own = `${plain}-${canonicalHash(settings).slice(0, 8)}`;
    let name = taken.has(plain) ? own : plain;
    for (let copy = 2; taken.has(name); copy++) name = `${own}-${copy}`;
    taken.add(name);
    names.set(index, `${name}.jsonl`);
  }
  return files.map((_, index) => names.get(index)!);
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

${tried} failures, error at ${where}; ${summary.cases} of them end in the same final answer when the model writes
again, and count. Replacement \`${settings.replacement}\`, rule ${settings.rule}; by case in \`${file}\`.

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
