/** One run of the loop: stages that go on where they were stopped, each by the command line's own verbs. */
import { mkdir, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { and, eq } from "drizzle-orm";
import { InputError } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { failureCases, responses, tokenPairs } from "../../schema/tables/tables.ts";
import { findBenchmark } from "../benchmarks/benchmarks.ts";
import { promptsOf } from "../benchmarks/items.ts";
import { MOST_OVERLAP, openHeldOut } from "../benchmarks/training_prompts/held_out.ts";
import { withDatabase } from "../cli/with_database.ts";
import { findModel, type ModelRow } from "../models/find_model.ts";
import { addTimed, type Note, runVerb, secondsOf } from "../paper/verbs.ts";
import { accuraciesOf, bestRun, heldAnswers, type RunAnswers } from "./answers.ts";
import { adapterFolder, doneWith, keepDone, promptFile, seriesFile, weightFile, withAdapter } from "./files.ts";
import { exportArguments, splitPairs } from "./pairs.ts";
import { type LoopSettings, runsOf, type Stage, type TrainingRun } from "./settings.ts";
import { readTrained, trainRun } from "./train.ts";

export interface LoopRequest {
  /** A model's folder, which the trainer reads too. */
  readonly model: string;
  /** File of the held-out benchmark: items in IFEval's form. */
  readonly heldOut: string;
  /** File of training prompts in that form; null: they are made. */
  readonly training: string | null;
  readonly settings: LoopSettings;
  /** Folder of the database, pairs, adapters and times. */
  readonly home: string;
  readonly note: Note;
}

/** A request whose model and benchmarks are known. */
export interface Loop extends LoopRequest {
  readonly row: ModelRow;
  /** File of the training prompts, whether they are made or brought. */
  readonly promptFile: string;
  /** Names of the benchmarks of training and of held-out prompts. */
  readonly trained: string;
  readonly held: string;
}

/** Throws InputError for what is not there. */
export async function openLoop(request: LoopRequest): Promise<Loop> {
  const { home, model, heldOut, settings } = request;
  if (settings.arms.length === 0) throw new InputError("is empty", "--arms", "name one at least");
  if (!await stat(join(model, "config.json")).then(() => true, () => false)) {
    throw new InputError("is no model's folder", model, "give one with config.json: the trainer reads no other form");
  }
  await mkdir(home, { recursive: true });
  const { row, held } = await withDatabase(async ({ db }) => ({
    row: await findModel(db, model, "--model"),
    held: (await findBenchmark(db, heldOut, "--held-out")).name,
  }));
  const path = request.training ?? promptFile(home, settings.seed);
  return { ...request, row, held, promptFile: path, trained: basename(path).replace(/\.jsonl?(\.gz)?$/, "") };
}

/** Runs the stages but the report. Throws what a verb or the trainer said when it fails. */
export async function runStages(loop: Loop, stages: readonly Stage[]): Promise<void> {
  const work: Readonly<Record<Exclude<Stage, "report">, (loop: Loop) => Promise<void>>> = {
    prompts: makePrompts,
    collect: collectPairs,
    weights: exportWeights,
    train,
    evaluate,
    series,
  };
  for (const [stage, run] of Object.entries(work)) {
    if (stages.includes(stage as Stage)) await run(loop);
  }
}

async function timed({ home, note }: Loop, part: string, args: readonly string[]): Promise<void> {
  const seconds = await secondsOf(() => runVerb(args, note));
  await addTimed(home, { part, seconds });
  note(`${part}: ${seconds.toFixed(0)} s\n`);
}

/** Makes prompts, or looks whether those that were brought are apart from the held-out ones. Throws InputError. */
async function makePrompts(loop: Loop): Promise<void> {
  const { promptFile: path, training, heldOut, settings: { prompts, seed }, note } = loop;
  if (training === null) {
    const sizes = ["--count", String(prompts), "--seed", String(seed)];
    return await runVerb(["prompts", "--out", path, ...sizes, "--held-out", heldOut], note);
  }
  const { overlap } = openHeldOut(await promptsOf(heldOut));
  for (const [index, prompt] of (await promptsOf(training)).entries()) {
    if (overlap(prompt) < MOST_OVERLAP) continue;
    throw new InputError(
      `${JSON.stringify(prompt.slice(0, 60))} is a held-out prompt, or nearly one`,
      `${training}: item ${index + 1}`,
      `take out what stands in ${heldOut}`,
    );
  }
}

/** Piece by piece until there are as many pairs as are wanted, or no more prompts. */
async function collectPairs(loop: Loop): Promise<void> {
  const { model, trained, promptFile: path, settings } = loop;
  const { prompts, pairs, batch, maxTokens, alternatives, positions } = settings;
  for (let upTo = batch; upTo - batch < prompts; upTo += batch) {
    if ((await countPairs(loop)).pairs >= pairs) return;
    const limit = Math.min(upTo, prompts);
    const { answers } = await countPairs(loop);
    if (answers < limit) {
      await timed(loop, "answers to training prompts", [
        ...["collect", "--model", model, "--benchmark", path, "--limit", String(limit)],
        ...["--max-tokens", String(maxTokens), "--batch", String(batch)],
      ]);
    }
    // The file has no more.
    if (answers > 0 && (await countPairs(loop)).answers === answers && answers < limit) return;
    await timed(loop, "token pairs", [
      ...["pairs", "--model", model, "--benchmark", trained, "--batch", String(batch)],
      ...["--alternatives", String(alternatives), "--positions", String(positions)],
    ]);
  }
}

/** What came of the training prompts so far. */
export interface PairCounts {
  readonly answers: number;
  readonly failures: number;
  /** Failures whose search ended, and those of them that have a token pair. */
  readonly searched: number;
  readonly pairs: number;
}

export async function countPairs({ row, trained }: Loop): Promise<PairCounts> {
  return await withDatabase(async ({ db }) => {
    const own = and(eq(failureCases.modelId, row.id), eq(failureCases.benchmark, trained));
    const failures = await db.$count(failureCases, own);
    const open = await db.$count(failureCases, and(own, eq(failureCases.status, "open")));
    const paired = await db.selectDistinct({ id: failureCases.id }).from(tokenPairs)
      .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId)).where(own);
    const answers = await db.$count(responses, and(eq(responses.modelId, row.id), eq(responses.benchmark, trained)));
    return { answers, failures, searched: failures - open, pairs: paired.length };
  });
}

/** Weights are stored: an arm that needs no others costs nothing. */
async function exportWeights(loop: Loop): Promise<void> {
  const { home, row, trained, settings } = loop;
  await mkdir(join(home, "weights"), { recursive: true });
  for (const arm of settings.arms) {
    await timed(loop, "weights", exportArguments(home, arm, { model: row.name, benchmark: trained, settings }));
  }
  await splitPairs(home, settings);
}

async function train(loop: Loop): Promise<void> {
  const { home, model, row, settings, note } = loop;
  if (!await stat(weightFile(home, settings.arms[0]!)).then(() => true, () => false)) {
    throw new InputError("there are no pairs to train on", home, "run the stages collect and weights first");
  }
  for (const run of runsOf(settings)) await trainRun({ home, model, modelHash: row.hash, settings, note }, run);
}

/** The base model and each trained one. */
async function evaluate(loop: Loop): Promise<void> {
  const { home, model, settings, row } = loop;
  const trained = await readTrained(home, runsOf(settings), settings, row.hash);
  for (const asked of [model, ...trained.map((run) => withAdapter(model, adapterFolder(home, run)))]) {
    await timed(loop, "answers to held-out prompts", [
      ...["collect", "--model", asked, "--benchmark", loop.heldOut, "--limit", String(settings.evaluated)],
      ...[
        "--seed",
        String(settings.seed),
        "--max-tokens",
        String(settings.maxTokens),
        "--batch",
        String(settings.batch),
      ],
    ]);
  }
}

/** Answers of the base model and of the runs, as far as they are there. */
export async function readAnswers(db: Database, loop: Loop) {
  const { home, model, settings, row, held } = loop;
  const asked = { benchmark: held, maxTokens: settings.maxTokens };
  const trained = await readTrained(home, runsOf(settings), settings, row.hash);
  const runs: RunAnswers[] = [];
  for (const { arm, seed } of trained) {
    const own = await findModel(db, withAdapter(model, adapterFolder(home, { arm, seed })), "--home");
    runs.push({ arm, seed, answers: await heldAnswers(db, own.id, asked) });
  }
  const answered = runs.filter(({ answers }) => answers.size > 0);
  return { trained, accuracies: accuraciesOf(await heldAnswers(db, row.id, asked), answered, settings.seed) };
}

/** Name of the series of a run's checkpoints. */
export const seriesName = ({ arm, seed }: TrainingRun): string => `checkpoints of ${arm}, seed ${seed}`;

/** The checkpoints of the best run as a training series, over the base model's clean pairs of training prompts. */
async function series(loop: Loop): Promise<void> {
  const { home, model, row, trained, settings } = loop;
  const { accuracies } = await withDatabase(({ db }) => readAnswers(db, loop));
  const best = accuracies && bestRun(accuracies);
  if (!best) throw new InputError("no trained model has answered held-out prompts", home, "run stage evaluate first");
  const steps = checkpointSteps(settings);
  const folder = adapterFolder(home, best);
  await writeFile(
    seriesFile(home),
    JSON.stringify({
      name: seriesName(best),
      kind: "training",
      members: [
        { model, label: "base", position: 0 },
        ...steps.map((step) => ({
          model: withAdapter(model, join(folder, `checkpoint-${step}`)),
          label: `${step} steps`,
          position: step,
        })),
      ],
    }),
  );
  await timed(loop, "attributions of checkpoints", [
    ...["study", "--series", seriesFile(home), "--name", seriesName(best), "--model", row.name],
    ...["--benchmark", trained],
  ]);
  await keepDone(join(home, "best.json"), {}, best);
}

/** Where the trainer keeps a state: at every so many steps, and at the end. */
export function checkpointSteps({ steps, saveEvery }: LoopSettings): number[] {
  const kept = Array.from({ length: Math.floor(steps / saveEvery) }, (_, index) => (index + 1) * saveEvery);
  return kept.at(-1) === steps ? kept : [...kept, steps];
}

/** The run whose checkpoints were attributed; null where none were. */
export const readBest = async (home: string): Promise<TrainingRun | null> =>
  await doneWith<TrainingRun>(join(home, "best.json"), {});
