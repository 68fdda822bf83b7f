/** The numbers of a run, read from its home and its database: what the document is written from. */
import { availableParallelism } from "node:os";
import { desc, eq } from "drizzle-orm";
import type { Database } from "../../schema/tables/database.ts";
import { attributions, models } from "../../schema/tables/tables.ts";
import { bootstrapInterval, type Interval } from "../base/statistics/bootstrap.ts";
import { svgFiles } from "../paper/figures.ts";
import { readTimed, type Timed } from "../paper/verbs.ts";
import { readReport } from "../report/read_report.ts";
import { membersDrawing, scatterDrawing, segmentsDrawing } from "../report/study_figures.tsx";
import type { StudySummary } from "../studies/summary.ts";
import type { Accuracies } from "./answers.ts";
import { heldPairsFile, readLines, weightFile } from "./files.ts";
import type { WeightedRow } from "./pairs.ts";
import { type Loop, type PairCounts, readAnswers, readBest, seriesName } from "./run.ts";
import type { Arm, LoopSettings, TrainingRun } from "./settings.ts";
import type { TrainingResult } from "./train.ts";

export const NUMBERS_FORMAT = "culprit-loop/1";

/** How far an arm's weights lie from all being 1. */
export interface WeightRow {
  readonly arm: Arm;
  readonly pairs: number;
  /** Pairs all of whose tokens weigh the same. */
  readonly flat: number;
}

/** Deltas of held-out pairs, mean over the seeds of an arm. */
export interface HeldDeltaRow {
  readonly arm: Arm;
  readonly seeds: number;
  readonly before: Interval;
  readonly after: Interval;
  readonly change: Interval;
}

export interface LoopNumbers {
  readonly format: typeof NUMBERS_FORMAT;
  readonly settings: LoopSettings;
  readonly model: string;
  readonly modelHash: string;
  /** Names of the benchmarks of training and held-out prompts. */
  readonly training: string;
  readonly held: string;
  readonly pairs: PairCounts;
  readonly weights: readonly WeightRow[];
  readonly heldPairs: number;
  readonly runs: readonly (TrainingRun & { readonly result: Omit<TrainingResult, "held"> })[];
  readonly heldDeltas: readonly HeldDeltaRow[];
  readonly accuracies: Accuracies | null;
  readonly series: { readonly run: TrainingRun; readonly summary: StudySummary } | null;
  readonly timed: readonly Timed[];
  readonly adapter: string;
  readonly cores: number;
  /** Figure files in the folder beside the document. */
  readonly figures: readonly string[];
  readonly folder: string;
}

/** What a run's home and database hold, and its figures by file name. `folder`: of the figures, beside the document. */
export async function readNumbers(db: Database, loop: Loop, pairs: PairCounts, folder: string) {
  const { home, settings, row, trained: training, held } = loop;
  const { trained, accuracies } = await readAnswers(db, loop);
  const { series, figures } = await readSeries(db, loop);
  const [newest] = await db.select({ adapter: attributions.adapter }).from(attributions)
    .innerJoin(models, eq(models.id, attributions.modelId)).orderBy(desc(attributions.id)).limit(1);
  const numbers: LoopNumbers = {
    format: NUMBERS_FORMAT,
    settings,
    model: row.name,
    modelHash: row.hash,
    training,
    held,
    pairs,
    weights: await readWeights(home, settings),
    heldPairs: (await readLines(heldPairsFile(home))).length,
    runs: trained.map(({ arm, seed, result: { held: _each, ...result } }) => ({ arm, seed, result })),
    heldDeltas: heldDeltasOf(trained, settings.seed),
    accuracies,
    series,
    timed: await readTimed(home),
    adapter: newest?.adapter ?? "none",
    cores: availableParallelism(),
    figures: [...figures.keys()],
    folder,
  };
  return { numbers, figures };
}

async function readSeries(db: Database, { home, row, settings: { seed } }: Loop) {
  const run = await readBest(home);
  if (run === null) return { series: null, figures: new Map<string, string>() };
  const { studyPart } = await readReport(db, {
    selection: { selection: "clean", model: row.name, benchmarks: null, key: null, limit: null },
    rule: "attnlrp",
    study: seriesName(run),
    seed,
  });
  if (studyPart === null) return { series: null, figures: new Map<string, string>() };
  const figures = svgFiles(
    new Map([
      ["scatter", scatterDrawing(studyPart)],
      ["segments", segmentsDrawing(studyPart)],
      ["members", membersDrawing(studyPart, seed)],
    ]),
  );
  return { series: { run, summary: studyPart.summary }, figures };
}

async function readWeights(home: string, { arms }: LoopSettings): Promise<WeightRow[]> {
  const rows: WeightRow[] = [];
  for (const arm of arms) {
    const lines = await readLines<WeightedRow>(weightFile(home, arm));
    if (lines.length === 0) continue;
    const flat = lines.filter((line) =>
      [...line.chosen_weights, ...line.rejected_weights].every((weight) => Math.abs(weight - 1) < 1e-9)
    );
    rows.push({ arm, pairs: lines.length, flat: flat.length });
  }
  return rows;
}

/** Per pair the mean over an arm's seeds; intervals over pairs. */
export function heldDeltasOf(
  trained: readonly (TrainingRun & { readonly result: TrainingResult })[],
  seed: number,
): HeldDeltaRow[] {
  const arms = Map.groupBy(trained.filter(({ result }) => result.held.before.length > 0), ({ arm }) => arm);
  return [...arms].map(([arm, own]): HeldDeltaRow => {
    const average = (side: "before" | "after") =>
      own[0]!.result.held[side].map((_, at) =>
        own.reduce((sum, { result }) => sum + result.held[side][at]!, 0) / own.length
      );
    const [before, after] = [average("before"), average("after")];
    const interval = (name: string, values: readonly number[]) =>
      bootstrapInterval(values, { seed, name: `loop ${arm} ${name}` });
    return {
      arm,
      seeds: own.length,
      before: interval("before", before),
      after: interval("after", after),
      change: interval("change", after.map((value, at) => value - before[at]!)),
    };
  });
}
