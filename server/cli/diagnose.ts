/** `culprit diagnose`: outcome and pattern of failure cases from a file, compared with readers' labels. */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { InputError, loadTokenizer, openModelDirectory, RULES } from "../../gpu/mod.ts";
import type { DiagnosisFileCase } from "../diagnosis/case_file.ts";
import type { Diagnosis } from "../diagnosis/classify.ts";
import { compareLabels, type KeyedLabel, outcomeName, parseLabels, patternName } from "../diagnosis/labels.ts";
import { versionOf } from "../diagnosis/thresholds.ts";
import { progressBar } from "./progress.ts";
import { MODEL_OPTIONS, requiredModel } from "./locate.ts";
import { optionText, tellNotes, type Verb, type VerbContext } from "./verb.ts";
import { withModel } from "./with_model.ts";
import { hang } from "./text_table.ts";

/** Cases that are probed in one batch. */
const BATCH = 16;

export const verb: Verb = {
  name: "diagnose",
  summary: "Says outcome and pattern of failure cases, with causal probes, and agrees or not with readers' labels",
  usage: "diagnose --model MODEL --cases FILE [--items FILE] [--labels FILE] [--rule attnlrp|cplrp|gradient] " +
    "[--limit N] [--json]",
  example: "npx culprit diagnose --model models/demo-1m --cases models/demo-1m/failure-cases-divergence.jsonl " +
    "--items models/benchmarks/demo-ifeval.jsonl --limit 20",
  options: {
    ...MODEL_OPTIONS,
    cases: { type: "string", value: "FILE", help: "failure cases, culprit/1", multiple: true },
    items: {
      type: "string",
      value: "FILE",
      help: "the benchmark's items: which constraints are broken",
      multiple: true,
    },
    labels: { type: "string", value: "FILE", help: "a reader's labels; only labelled cases are taken", multiple: true },
    rule: { type: "string", value: "RULE", help: RULES.join(", "), default: "attnlrp" },
    limit: { type: "string", value: "N", help: "only the first cases" },
  },
  run,
};

async function run(context: VerbContext): Promise<void> {
  if (context.positionals.length > 0) {
    throw new InputError(`"${context.positionals[0]}" is not an option`, verb.name, "give files by their options");
  }
  const directory = await requiredModel(context, verb);
  const rule = RULES.find((each) => each === optionText(context, "rule"));
  if (rule === undefined) {
    throw new InputError(`${optionText(context, "rule")} is not known`, "--rule", `give of: ${RULES.join(", ")}`);
  }
  const readers = await Promise.all(
    files(context, "labels").map(async (path) => ({
      name: basename(path).replace(/\.jsonl?$/, ""),
      labels: new Map(parseLabels(await textOf(path), path).map((label) => [label.key, label])),
    })),
  );
  const all = await readAll(context, directory);
  const cases = all.filter(({ key }) => readers.every(({ labels }) => labels.has(key))).slice(0, limitOf(context));
  if (cases.length === 0) throw new InputError("no case is labelled by every reader", "--labels", "give their labels");
  const found: { readonly key: string; readonly diagnosis: Diagnosis }[] = [];
  const bar = progressBar(context);
  const { diagnose } = await import("../diagnosis/diagnose.ts");
  await withModel(context, directory, async (model, options) => {
    const own = options.signal ? { signal: options.signal } : {};
    for (let from = 0; from < cases.length; from += BATCH) {
      const batch = [];
      for (const { inputIds, ...one } of cases.slice(from, from + BATCH)) {
        const { target, contrast } = one;
        const graph = await model.graph({ inputIds, target, contrast, rule }, own);
        batch.push({ ...one, delta: graph.logitDifference, graph });
      }
      for (const [index, diagnosis] of (await diagnose(model, batch, own)).entries()) {
        const { key } = batch[index]!;
        found.push({ key, diagnosis });
        if (context.json) await context.out(`${JSON.stringify(lineOf(key, diagnosis))}\n`);
      }
      bar.update({ phase: "diagnose", done: found.length, total: cases.length });
    }
  });
  bar.end();
  const totals = totalsOf(found, readers);
  if (context.json) return await context.out(`${JSON.stringify({ kind: "summary", rule, ...totals })}\n`);
  await context.out(describe(found, totals));
}

const files = (context: VerbContext, name: string) => (context.values[name] ?? []) as readonly string[];

function limitOf(context: VerbContext): number | undefined {
  const text = optionText(context, "limit");
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InputError(`${JSON.stringify(text)} is no count`, "--limit", "give a whole number from 1 on");
}

async function textOf(path: string): Promise<string> {
  return await readFile(path, "utf8").catch((error: { code?: string }) => {
    throw new InputError(`cannot be read (${error.code})`, path, "give a file of labels, docs/labelling.md");
  });
}

async function readAll(context: VerbContext, directory: string): Promise<DiagnosisFileCase[]> {
  const paths = files(context, "cases");
  if (paths.length === 0) throw new InputError("is missing", "--cases", "give --cases FILE");
  const { readItems } = await import("../benchmarks/items.ts");
  const { readDiagnosisCases } = await import("../diagnosis/case_file.ts");
  const { openCheckers } = await import("../checkers/check.ts");
  const opened = await openModelDirectory(directory);
  opened.close();
  tellNotes(context, opened);
  const tokenizer = await loadTokenizer(directory);
  const items = await Promise.all(files(context, "items").map((path) => readItems(path, path)));
  const find = (name: string) => items.map((each) => each.find(name)).find((row) => row !== undefined);
  const checkers = openCheckers();
  try {
    const lists = await Promise.all(
      paths.map((path) =>
        readDiagnosisCases(path, opened.config, tokenizer, { find, at: () => undefined, count: 0 }, checkers)
      ),
    );
    return lists.flat();
  } finally {
    await checkers.close();
  }
}

function lineOf(key: string, { outcome, pattern, confidence, evidence, version }: Diagnosis) {
  return {
    kind: "diagnosis",
    key,
    outcome: outcomeName(outcome),
    pattern: patternName(pattern),
    confidence,
    version,
    evidence,
  };
}

interface Reader {
  readonly name: string;
  readonly labels: ReadonlyMap<string, KeyedLabel>;
}

function totalsOf(
  found: readonly { readonly key: string; readonly diagnosis: Diagnosis }[],
  readers: readonly Reader[],
) {
  const counts = (name: (one: Diagnosis) => string) =>
    Object.fromEntries(
      [...Map.groupBy(found, ({ diagnosis }) => name(diagnosis))].map(([label, each]) => [label, each.length]),
    );
  const all = [
    { name: "classifier", of: new Map(found.map(({ key, diagnosis }) => [key, diagnosis])) },
    ...readers.map(({ name, labels }) => ({ name, of: labels })),
  ];
  return {
    cases: found.length,
    version: versionOf(),
    outcomes: counts(({ outcome }) => outcomeName(outcome)),
    patterns: counts(({ pattern }) => patternName(pattern)),
    agreement: all.flatMap((one, index) =>
      all.slice(index + 1).map((other) => ({
        readers: [one.name, other.name],
        ...compareLabels(found.map(({ key }) => [one.of.get(key)!, other.of.get(key)!])),
      }))
    ),
  };
}

function describe(
  found: readonly { readonly key: string; readonly diagnosis: Diagnosis }[],
  { cases, outcomes, patterns, agreement }: ReturnType<typeof totalsOf>,
): string {
  const lines = found.map(({ key, diagnosis: { outcome, pattern, confidence, evidence } }) =>
    `${key}  ${outcomeName(outcome)}  ${patternName(pattern)}  ${confidence.toFixed(2)}\n  ${hang(evidence.summary, 2)}`
  );
  const count = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts).map(([name, value]) => `${name} ${value}`).join(", ");
  lines.push("", hang(`${cases} cases: ${count(outcomes)}; ${count(patterns)}`, 2));
  for (const { readers, outcome, pattern } of agreement) {
    const said = ({ observed, kappa }: typeof outcome) =>
      `${(100 * observed).toFixed(0)} %, kappa ${kappa === null ? "-" : kappa.toFixed(2)}`;
    lines.push(hang(`${readers.join(" and ")}: outcome ${said(outcome)}; pattern ${said(pattern)}`, 2));
  }
  return `${lines.join("\n")}\n`;
}
