/** How the base model and the trained ones answer held-out prompts: accuracies and lengths, with paired intervals. */
import { and, eq } from "drizzle-orm";
import type { Database } from "../../schema/tables/database.ts";
import { responses } from "../../schema/tables/tables.ts";
import { bootstrapInterval, type Interval, mean } from "../base/statistics/bootstrap.ts";
import type { IfevalDetail } from "../checkers/ifeval/check.ts";
import type { Arm, TrainingRun } from "./settings.ts";

/** One model's answer to one held-out prompt. */
export interface HeldAnswer {
  readonly key: string;
  /** Instructions, and how many of them are followed. */
  readonly instructions: number;
  readonly strict: number;
  readonly loose: number;
  readonly tokens: number;
}

/** A model's answers of at most so many tokens to a benchmark's prompts, those that could be judged, by key. */
export async function heldAnswers(
  db: Database,
  modelId: number,
  { benchmark, maxTokens }: { readonly benchmark: string; readonly maxTokens: number },
): Promise<ReadonlyMap<string, HeldAnswer>> {
  const rows = await db.select({
    key: responses.key,
    verdict: responses.verdict,
    completionIds: responses.completionIds,
  }).from(responses).where(and(
    eq(responses.modelId, modelId),
    eq(responses.benchmark, benchmark),
    eq(responses.filter, `greedy-${maxTokens}`),
  ));
  return new Map(rows.flatMap(({ key, verdict, completionIds }) => {
    const detail = verdict?.detail as IfevalDetail | undefined;
    if (detail === undefined || detail.strict.all === null) return [];
    const count = (each: readonly (boolean | null)[]) => each.filter((one) => one === true).length;
    return [[key, {
      key,
      instructions: detail.strict.each.length,
      strict: count(detail.strict.each),
      loose: count(detail.loose.each),
      tokens: completionIds.length,
    }]];
  }));
}

export const MEASURES = ["strict", "loose", "promptStrict", "promptLoose", "tokens"] as const;
export type Measure = (typeof MEASURES)[number];

/** Shares, and the tokens of an answer, each with its interval over prompts. */
export type Measures = Readonly<Record<Measure, Interval>>;

/** An arm's answers, mean over its seeds, or the base model's. */
export interface AccuracyRow {
  /** Null for the base model. */
  readonly arm: Arm | null;
  readonly seeds: readonly number[];
  readonly measures: Measures;
  /** Strict accuracy over instructions of each seed by itself. */
  readonly bySeed: readonly number[];
  /** Less the base model's, and less the arm `plain`'s, by the same prompts; null of themselves, and where that is not there. */
  readonly lessBase: Measures | null;
  readonly lessPlain: Measures | null;
}

/** A model's values by prompt, in one order of prompts, [prompts]. */
type Values = Readonly<Record<Measure, readonly number[]>>;

/**
 * Per prompt, so that the mean over prompts is what IFEval calls accuracy over instructions (followed by all instructions)
 * and over prompts. How many instructions a prompt has counts as fixed.
 */
function valuesOf(answers: readonly HeldAnswer[]): Values {
  const each = mean(answers.map(({ instructions }) => instructions));
  return {
    strict: answers.map(({ strict }) => strict / each),
    loose: answers.map(({ loose }) => loose / each),
    promptStrict: answers.map(({ strict, instructions }) => Number(strict === instructions)),
    promptLoose: answers.map(({ loose, instructions }) => Number(loose === instructions)),
    tokens: answers.map(({ tokens }) => tokens),
  };
}

const average = (all: readonly Values[]): Values =>
  perMeasure((measure) => all[0]![measure].map((_, at) => mean(all.map((one) => one[measure][at]!))));

const difference = (one: Values, other: Values): Values =>
  perMeasure((measure) => one[measure].map((value, at) => value - other[measure][at]!));

function perMeasure<Value>(of: (measure: Measure) => Value): Readonly<Record<Measure, Value>> {
  return Object.fromEntries(MEASURES.map((measure) => [measure, of(measure)])) as Record<Measure, Value>;
}

export interface RunAnswers extends TrainingRun {
  readonly answers: ReadonlyMap<string, HeldAnswer>;
}

export interface Accuracies {
  /** Prompts that the base model and every run answered: only these count. */
  readonly prompts: number;
  readonly instructions: number;
  readonly rows: readonly AccuracyRow[];
}

/** Null where there is no prompt that all answered. */
export function accuraciesOf(
  base: ReadonlyMap<string, HeldAnswer>,
  runs: readonly RunAnswers[],
  seed: number,
): Accuracies | null {
  const keys = [...base.keys()].filter((key) => runs.every(({ answers }) => answers.has(key))).sort();
  if (keys.length === 0) return null;
  const values = (answers: ReadonlyMap<string, HeldAnswer>) => valuesOf(keys.map((key) => answers.get(key)!));
  const arms = [...Map.groupBy(runs, ({ arm }) => arm)].map(([arm, own]) => ({
    arm,
    seeds: own.map((run) => run.seed),
    each: own.map(({ answers }) => values(answers)),
  }));
  const plain = arms.find(({ arm }) => arm === "plain");
  const baseValues = values(base);
  const interval = (of: Values, name: string): Measures =>
    perMeasure((measure) => bootstrapInterval(of[measure], { seed, name: `loop ${name} ${measure}` }));
  const rows = arms.map(({ arm, seeds, each }): AccuracyRow => {
    const own = average(each);
    return {
      arm,
      seeds,
      measures: interval(own, arm),
      bySeed: each.map(({ strict }) => mean(strict)),
      lessBase: interval(difference(own, baseValues), `${arm} less base`),
      lessPlain: plain === undefined || arm === "plain"
        ? null
        : interval(difference(own, average(plain.each)), `${arm} less plain`),
    };
  });
  const first: AccuracyRow = {
    arm: null,
    seeds: [],
    measures: interval(baseValues, "base"),
    bySeed: [],
    lessBase: null,
    lessPlain: null,
  };
  return {
    prompts: keys.length,
    instructions: keys.reduce((sum, key) => sum + base.get(key)!.instructions, 0),
    rows: [first, ...rows],
  };
}

/** The run with the most instructions followed; the first of equal ones. Undefined without runs. */
export function bestRun({ rows }: Accuracies): TrainingRun | undefined {
  let best: (TrainingRun & { readonly strict: number }) | undefined;
  for (const { arm, seeds, bySeed } of rows) {
    bySeed.forEach((strict, at) => {
      if (arm !== null && (best === undefined || strict > best.strict)) best = { arm, seed: seeds[at]!, strict };
    });
  }
  return best && { arm: best.arm, seed: best.seed };
}
