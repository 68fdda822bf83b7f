/**
 * `npm run wild -- --check`: draws a tenth of the stored answers and pairs by the seed, computes them again from the
 * model, and compares.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Engine, type LoadedModel, locateModel, openModelDirectory } from "../../gpu/mod.ts";
import { randomStream } from "../base/statistics/random.ts";
import { outcomeName, patternName } from "../diagnosis/labels.ts";
import { openVerbEngine, readVerb } from "../paper/verbs.ts";
import { type StoredAnswer, type StoredResult, unpacked } from "./results.ts";
import type { WildStudy } from "./study.ts";

/** How far the stored numbers and those of another adapter may lie apart. */
export const TOLERANCE = {
  /** Largest difference of relevance, as a share of the largest |relevance| of the pair. */
  relevance: 1e-3,
  /** Difference of a pair's delta, in logits. */
  delta: 1e-2,
  /** Share of answers that must be the same to the last token: adapters add in another order, and a near tie may fall the other way. */
  answers: 0.8,
  /** Share of diagnoses that must be the same. */
  diagnoses: 0.9,
} as const;

/** A tenth of the rows, at least one, by the seed and their names; the rows of a smaller file are among those of a larger one. */
export function tenth<Row extends { readonly key: string }>(rows: readonly Row[], seed: number): Row[] {
  const placed = rows.map((row) => ({ row, place: randomStream(seed, `check ${row.key}`).word() }));
  return placed.sort((a, b) => a.place - b.place).slice(0, Math.ceil(rows.length / 10)).map(({ row }) => row);
}

/** What was compared, and one line for each that lies too far from the stored one. */
export interface CheckReport {
  readonly answers: number;
  readonly sameAnswers: number;
  readonly pairs: number;
  readonly worstRelevance: number;
  readonly diagnoses: number;
  readonly sameDiagnoses: number;
  readonly gaps: readonly string[];
}

/** The files of a run. */
export interface StoredRun {
  readonly study: WildStudy;
  readonly answers: readonly StoredAnswer[];
  readonly results: readonly StoredResult[];
  /** Lines of culprit/1 by key. */
  readonly cases: ReadonlyMap<string, object>;
}

export async function readStoredRun(folder: string): Promise<StoredRun> {
  const bytes = (name: string) => readFile(join(folder, name));
  const { numbers } = JSON.parse(await readFile(join(folder, "numbers.json"), "utf8")) as {
    readonly numbers: { readonly study: WildStudy };
  };
  const lines = unpacked<{ readonly key: string }>(await bytes("cases.jsonl.gz"));
  return {
    study: numbers.study,
    answers: unpacked(await bytes("answers.jsonl.gz")),
    results: unpacked(await bytes("results.jsonl.gz")),
    cases: new Map(lines.map((line) => [line.key, line])),
  };
}

/** Throws InputError for a model that is not there. */
export async function checkRun(model: string, stored: StoredRun, note: (text: string) => void): Promise<CheckReport> {
  const { path } = await locateModel(model);
  const gaps: string[] = [];
  const opened = await openModelDirectory(path);
  opened.close();
  if (opened.hash !== stored.study.modelHash) {
    gaps.push(`the model is another one: hash ${opened.hash}, stored is ${stored.study.modelHash}`);
  }
  let engine: Engine | undefined;
  try {
    engine = await openVerbEngine();
    const loaded = await engine.loadModel(path);
    const answers = await checkAnswers(loaded, tenth(stored.answers, stored.study.seed), gaps);
    const pairs = await checkPairs(loaded, tenth(stored.results, stored.study.seed), gaps);
    engine.close();
    engine = undefined;
    const diagnosed = stored.results.filter(({ outcome, control }) => outcome !== null && !control);
    const diagnoses = await checkDiagnoses(path, stored, tenth(diagnosed, stored.study.seed), gaps, note);
    return { ...answers, ...pairs, ...diagnoses, gaps };
  } finally {
    engine?.close();
  }
}

async function checkAnswers(model: LoadedModel, drawn: readonly StoredAnswer[], gaps: string[]) {
  const results = await model.generate(
    drawn.map(({ promptIds, maxTokens }) => ({ inputIds: promptIds, maxTokens })),
  );
  const other = drawn.filter(({ completionIds }, index) => {
    const { ids, end } = results[index]!;
    const now = end === null ? ids : [...ids, end];
    return now.length !== completionIds.length || now.some((id, at) => id !== completionIds[at]);
  });
  const same = drawn.length - other.length;
  if (same < TOLERANCE.answers * drawn.length) {
    gaps.push(`${same} of ${drawn.length} answers are the same; others: ${other.map(({ key }) => key).join(", ")}`);
  }
  return { answers: drawn.length, sameAnswers: same };
}

async function checkPairs(model: LoadedModel, drawn: readonly StoredResult[], gaps: string[]) {
  let worst = 0;
  for (const { key, inputIds, target, contrast, logitDifference, relevance } of drawn) {
    const now = await model.attribute({ inputIds, target, contrast, rule: "attnlrp" });
    const scale = Math.max(...relevance.map(Math.abs));
    const error = Math.max(...relevance.map((value, at) => Math.abs(value - now.nodeRelevance[at]!))) / scale;
    worst = Math.max(worst, error);
    if (!(error <= TOLERANCE.relevance)) gaps.push(`${key}: relevance is ${error.toExponential(1)} off`);
    if (!(Math.abs(now.logitDifference - logitDifference) <= TOLERANCE.delta)) {
      gaps.push(`${key}: delta ${logitDifference} is stored, now ${now.logitDifference}`);
    }
  }
  return { pairs: drawn.length, worstRelevance: worst };
}

/** The diagnoses, by the verb that needs no database. */
async function checkDiagnoses(
  path: string,
  { cases }: StoredRun,
  drawn: readonly StoredResult[],
  gaps: string[],
  note: (text: string) => void,
) {
  if (drawn.length === 0) return { diagnoses: 0, sameDiagnoses: 0 };
  const folder = await mkdtemp(join(tmpdir(), "culprit-wild-check-"));
  try {
    const lines = drawn.map(({ key }) => cases.get(key) as { readonly item?: object });
    const write = async (name: string, rows: readonly object[]) => {
      await writeFile(join(folder, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
      return join(folder, name);
    };
    const items = lines.flatMap(({ item }) => item === undefined ? [] : [item]);
    const told = await readVerb([
      ...["diagnose", "--model", path, "--cases", await write("cases.jsonl", lines), "--json"],
      ...(items.length === 0 ? [] : ["--items", await write("items.jsonl", items)]),
    ], note);
    const found = new Map(
      told.filter(({ kind }) => kind === "diagnosis").map((line) => [line["key"], line]),
    );
    const other = drawn.filter(({ key, outcome, pattern }) => {
      const now = found.get(key);
      return now?.["outcome"] !== outcomeName(outcome!) || now?.["pattern"] !== patternName(pattern);
    });
    const same = drawn.length - other.length;
    if (same < TOLERANCE.diagnoses * drawn.length) {
      gaps.push(`${same} of ${drawn.length} diagnoses are the same; others: ${other.map(({ key }) => key).join(", ")}`);
    }
    return { diagnoses: drawn.length, sameDiagnoses: same };
  } finally {
    await rm(folder, { recursive: true });
  }
}
