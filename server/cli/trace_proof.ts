/** `culprit trace proof`: whether the chain of traces names what stored failures of a benchmark hang on. */
import { appendFile, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { InputError } from "../../gpu/mod.ts";
import { parseRule } from "./attribution_arguments.ts";
import { checkRollouts } from "./trace.ts";
import { optionText, requiredText, type Verb, type VerbContext } from "./verb.ts";
import { textTable } from "./text_table.ts";
import { type PhaseProgress, secondsLeft } from "./progress.ts";
import type { ProofPart, ProofRecord, ProofSettings } from "../traces/proof.ts";
import type { ProofHeader } from "../traces/proof_records.ts";
import type { ProofErrorPlace } from "../traces/provable_cases.ts";
import type { ProofSummary } from "../traces/proof_summary.ts";

const REPLACEMENTS = ["remove", "neutral", "mean", "attention"] as const;

export const verb: Verb = {
  name: "trace proof",
  summary: "Masks the prompt by the chain of traces and by other rankings, over stored failures of a benchmark",
  usage: "trace proof --model NAME|MODEL --benchmark NAME [--error PLACE] [--limit N] [--counts LIST] " +
    "[--replacement NAME] [--rollouts N] [--rule RULE] [--seed N] [--results FILE] [--json]",
  example: "npx culprit trace proof --model models/demo-1m --benchmark demo-ifeval --limit 20",
  options: {
    model: { type: "string", value: "NAME|MODEL", help: "a model that was added: the one that failed" },
    benchmark: { type: "string", value: "NAME", help: "the failures' benchmark; their responses must be checkable" },
    error: {
      type: "string",
      value: "PLACE",
      help:
        "pair: the stored token pair; answer: the final answer against the right one, of all failures (GSM8K, MATH)",
      default: "pair",
    },
    limit: { type: "string", value: "N", help: "failures at most, drawn by the seed", default: "60" },
    counts: { type: "string", value: "LIST", help: "how many tokens are masked", default: "1,2,4,8" },
    replacement: { type: "string", value: "NAME", help: `of ${REPLACEMENTS.join(", ")}`, default: "attention" },
    rollouts: {
      type: "string",
      value: "N",
      help: "continuations at each step's end, for the causal order of steps; 0: none",
      default: "3",
    },
    rule: { type: "string", value: "RULE", help: "backward rule: attnlrp, cplrp or gradient", default: "attnlrp" },
    seed: { type: "string", value: "N", help: "of the sample, the random ranking and the intervals", default: "1" },
    results: {
      type: "string",
      value: "FILE",
      help: "a line for each failure; one that is there is not computed again (default: in CULPRIT_HOME)",
    },
  },
  run,
};

async function run(context: VerbContext): Promise<void> {
  const { optionCount, refusePositionals, withModelSession } = await import("./model_session.ts");
  const [
    { PROOF_PARTS, proveCase },
    { summariseProofs },
    { PROOF_ERRORS, provableCases },
    { readSettings },
    { fileWord },
  ] = await Promise.all([
    import("../traces/proof.ts"),
    import("../traces/proof_summary.ts"),
    import("../traces/provable_cases.ts"),
    import("../base/settings.ts"),
    import("../base/file_word.ts"),
  ]);
  refusePositionals(context, verb.name);
  const asked = requiredText(context, verb, "model");
  const benchmark = requiredText(context, verb, "benchmark");
  const settings = readProofSettings(context, optionCount(context, "rollouts", 0)!, optionCount(context, "seed", 0)!);
  const limit = optionCount(context, "limit")!;
  const error = PROOF_ERRORS.find((name) => name === optionText(context, "error"));
  if (error === undefined) {
    throw new InputError("there is no such place", "--error", `give one of: ${PROOF_ERRORS.join(", ")}`);
  }
  const records = await withModelSession(
    context,
    asked,
    async ({ db, model, tokenizer, checkers, options, bar, load }) => {
      const header: ProofHeader = { model: model.name, benchmark, error, settings };
      const path = optionText(context, "results") ??
        join(readSettings().home, "proofs", `${fileWord(model.name)}-${fileWord(benchmark)}-${error}.jsonl`);
      const stored = await openResults(path, header);
      const known = stored ?? new Map<string, ProofRecord>();
      const loaded = await load(model);
      const cases = await provableCases(db, { benchmark, limit, seed: settings.seed, error }, {
        checkers,
        tokenizer,
        model: { ...model, loaded },
      });
      if (cases.length === 0) throw withoutCases(model.name, benchmark, error);
      // A file without a failure would only be in the way of other settings.
      if (stored === undefined) await beginResults(path, header);
      const found: ProofRecord[] = [];
      const missing = cases.filter(({ key }) => !known.has(key)).length;
      const shown = proofProgress(context, bar.update, PROOF_PARTS, { all: cases.length, missing });
      for (const one of cases) {
        const earlier = known.get(one.key);
        const record = earlier ??
          await proveCase(loaded, tokenizer, one, settings, { ...options, onPart: shown.part });
        if (!earlier) {
          await appendFile(path, `${JSON.stringify(record)}\n`);
          shown.done(record);
        }
        found.push(record);
        if (context.json) {
          await context.out(
            `${JSON.stringify({ id: one.key, kind: "proof", status: "COMPLETED", ...record })}\n`,
          );
        }
      }
      return found;
    },
  );
  const summary = summariseProofs(records, settings.seed);
  if (context.json) await context.out(`${JSON.stringify({ kind: "summary", settings, summary })}\n`);
  else await context.out(summary === null ? "no failure was repeated by its own model\n" : describeProof(summary));
}

const withoutCases = (model: string, benchmark: string, error: ProofErrorPlace) =>
  error === "pair"
    ? new InputError(
      `${model} has no clean failure of ${benchmark} whose responses can be checked`,
      "--benchmark",
      "collect responses and find token pairs first: npx culprit pairs --help",
    )
    : new InputError(
      `${model} has no failed response to ${benchmark} with a wrong final answer`,
      "--benchmark",
      "collect responses of GSM8K or MATH first: npx culprit collect --help",
    );

/** The bar on a terminal; elsewhere a line for each failure, so that a log says how far it is. */
function proofProgress(
  { progress, note }: Pick<VerbContext, "progress" | "note">,
  update: (progress: PhaseProgress) => void,
  parts: readonly ProofPart[],
  { all, missing }: { readonly all: number; readonly missing: number },
) {
  let done = 0;
  const began = performance.now();
  let last = began;
  return {
    part: (part: ProofPart) => {
      const underWay = parts.indexOf(part) / parts.length;
      update({ phase: "proof", done: all - missing + done, total: all, underWay, detail: part });
    },
    done: (record: ProofRecord) => {
      done++;
      const now = performance.now();
      const left = missing === done ? "" : `, ${secondsLeft((now - began) / 1000 / done * (missing - done))}`;
      const seconds = Math.round((now - last) / 1000);
      last = now;
      if (progress) return;
      const words = record.repeats ? `${record.steps} steps` : "not written again by its own model";
      note(`${all - missing + done}/${all} ${record.key}: ${words}, ${seconds} s${left}\n`);
    },
  };
}

function readProofSettings(context: VerbContext, rollouts: number, seed: number): ProofSettings {
  const replacement = REPLACEMENTS.find((name) => name === optionText(context, "replacement"));
  if (replacement === undefined) {
    throw new InputError("there is no such replacement", "--replacement", `give one of: ${REPLACEMENTS.join(", ")}`);
  }
  const counts = optionText(context, "counts")!.split(",").map((part) => Number(part.trim()));
  if (counts.some((count, index) => !Number.isInteger(count) || count < 1 || count <= (counts[index - 1] ?? 0))) {
    throw new InputError("are no ascending counts", "--counts", "give them as 1,2,4,8");
  }
  checkRollouts(rollouts);
  return { rule: parseRule(optionText(context, "rule")), replacement, counts, rollouts, seed };
}

/**
 * What is there, by key; undefined where there is no file yet. Throws InputError for a file of other settings, and for what cannot be read: nothing of it is
 * written over.
 */
async function openResults(path: string, header: ProofHeader): Promise<ReadonlyMap<string, ProofRecord> | undefined> {
  const { readProofHeader, readProofRecords } = await import("../traces/proof_records.ts");
  const text = await readFile(path, "utf8").catch((error) => {
    if ((error as { readonly code?: string }).code === "ENOENT") return "";
    throw new InputError(`cannot be read (${(error as { readonly code?: string }).code})`, path, "name a file");
  });
  if (text === "") return undefined;
  const first = readProofHeader(text);
  if (first === undefined) {
    throw new InputError("is no file of proofs", path, "name another file by --results, or remove it");
  }
  if (JSON.stringify(first) !== JSON.stringify(header)) {
    throw new InputError("was made with other settings", path, "name another file by --results, or remove it");
  }
  const records = readProofRecords(text, header.settings);
  if (!text.endsWith("\n")) await writeResults(path, header, records);
  return new Map(records.map((record) => [record.key, record]));
}

/** A new file begins with what was asked. Throws InputError where none can be written. */
async function beginResults(path: string, header: ProofHeader): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeResults(path, header, []);
  } catch (error) {
    const { code } = error as { readonly code?: string };
    throw new InputError(`cannot be written (${code ?? String(error)})`, path, "name another file by --results");
  }
}

/** All of it or nothing: who is stopped while he writes loses no record. */
async function writeResults(path: string, header: ProofHeader, records: readonly ProofRecord[]): Promise<void> {
  const draft = `${path}.${crypto.randomUUID()}`;
  try {
    await writeFile(draft, [header, ...records].map((line) => `${JSON.stringify(line)}\n`).join(""));
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
}

const spread = ({ value, low, high }: { readonly value: number; readonly low: number; readonly high: number }) =>
  `${value.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;

/** Tables of 80 columns. */
function describeProof({ cases, unrepeated, rankings, comparisons, order }: ProofSummary): string {
  const left = unrepeated === 0 ? "" : `; ${unrepeated} left out, whose failed response was not written again`;
  const counts = rankings[0]!.flips.map(({ count }) => `${count}`);
  const heads =
    `${cases} failures${left}\n\nFinal answer is another when generated again, by tokens masked; mean [95 %]\n`;
  const flips = textTable([
    ["ranking", ...counts, "mean"],
    ...rankings.map(({ ranking, flips, meanFlips }) => [
      ranking,
      ...flips.map(({ share }) => share.toFixed(2)),
      spread(meanFlips),
    ]),
  ]);
  const falls = textTable([
    ["ranking", "fall of delta, completion kept"],
    ...rankings.map(({ ranking, meanFall }) => [ranking, spread(meanFall)]),
  ]);
  const differences = textTable([
    ["less", "flips", "fall of delta"],
    ...comparisons.map(({ first, second, flips, fall }) => [`${first} - ${second}`, spread(flips), spread(fall)]),
  ]);
  return `${heads}${flips}\n${falls}\nPaired differences\n${differences}${describeOrder(order)}`;
}

function describeOrder(order: ProofSummary["order"]): string {
  if (order === null) return "";
  const { cases, reciprocal, comparisons } = order;
  return `\nThe first step after which nothing passed, ${cases} failures: mean of 1 / its place among the steps\n${
    textTable([
      ["order", "mean", "chain less this"],
      ["by the chain's weights", reciprocal.chain.toFixed(3), ""],
      ["by the error's own shares", reciprocal.direct.toFixed(3), spread(comparisons.direct)],
      ["the last first", reciprocal.last.toFixed(3), spread(comparisons.last)],
      ["by chance", reciprocal.random.toFixed(3), spread(comparisons.random)],
    ])
  }`;
}
