/** Runs the stages through the command line's own verbs; what is stored is not computed again. */
import { join } from "node:path";
import { and, eq, sql } from "drizzle-orm";
import { InputError, loadTokenizer } from "../../gpu/mod.ts";
import { failureCases, models, responses, tokenPairs } from "../../schema/tables/tables.ts";
import { findBenchmark, isShipped } from "../benchmarks/benchmarks.ts";
import { CLEAN_DELTA } from "../cases/clean_delta.ts";
import { withDatabase } from "../cli/with_database.ts";
import { outcomeName } from "../diagnosis/labels.ts";
import { importLines } from "../import/import_lines.ts";
import { pairsOf } from "../jobs/pair_selection.ts";
import { findModel } from "../models/find_model.ts";
import { addTimed, type Note, openVerbEngine, runVerb, secondsOf } from "../paper/verbs.ts";
import { ABLATED_OUTCOMES } from "./ablation.ts";
import { controlLines } from "./control.ts";
import { controlName } from "../cases/controls.ts";
import {
  failureBenchmarks,
  type Limits,
  solvedBenchmarks,
  type Stage,
  wildBenchmark,
  type WildSettings,
  type WildStudy,
} from "./study.ts";

/** What the command line asks for. */
export interface WildRequest {
  /** A model's path, or a hub's name. */
  readonly model: string;
  /** Names of benchmarks, or paths of their files. */
  readonly benchmarks: readonly string[];
  readonly limits: Limits;
  readonly maxTokens: number | undefined;
  readonly settings: WildSettings;
}

/** Looks up model and benchmarks. Throws InputError for what is not there. */
export async function studyOf({ model, benchmarks, limits, maxTokens, settings }: WildRequest): Promise<WildStudy> {
  if (benchmarks.length === 0) throw new InputError("is missing", "--benchmarks", "give names or files of benchmarks");
  return await withDatabase(async ({ db }) => {
    const found = await findModel(db, model, "--model");
    const rows = [];
    for (const name of benchmarks) rows.push(await findBenchmark(db, name, "--benchmarks"));
    const names = rows.map(({ name }) => name);
    const unknown = [...limits.named.keys()].find((name) => !names.includes(name));
    if (unknown !== undefined) {
      throw new InputError(`${JSON.stringify(unknown)} is not asked`, "--limit", `give of: ${names.join(", ")}`);
    }
    return {
      ...settings,
      model: found.name,
      modelHash: found.hash,
      benchmarks: rows.map((row) => wildBenchmark(row, { limits, maxTokens }, isShipped(row.path))),
    };
  });
}

/** What a run goes on with: its home holds the times of its parts. */
interface Run {
  readonly request: WildRequest;
  readonly study: WildStudy;
  readonly home: string;
  readonly note: Note;
}

/** What is done for stages that stand side by side: one verb does several. */
interface Work {
  readonly stages: readonly Stage[];
  readonly run: (run: Run, stages: readonly Stage[]) => Promise<void>;
}

/** Throws what a verb said when it fails. */
export async function computeStages(run: Run, stages: readonly Stage[]): Promise<void> {
  for (const work of WORK) {
    const wanted = work.stages.filter((stage) => stages.includes(stage));
    if (wanted.length > 0) await work.run(run, wanted);
  }
}

const WORK: readonly Work[] = [
  { stages: ["collect"], run: collect },
  { stages: ["pairs"], run: searchPairs },
  { stages: ["reference"], run: addReferencePairs },
  { stages: ["control"], run: addControls },
  { stages: ["mark", "attribute"], run: (run, stages) => eachSelection(run, stages, run.study.pairsEach) },
  { stages: ["graph", "diagnose"], run: (run, stages) => eachSelection(run, stages, run.study.graphsEach) },
  { stages: ["mask"], run: maskPairs },
  { stages: ["ablate"], run: ablatePairs },
  { stages: ["weights"], run: exportWeights },
];

async function timed({ home, note }: Run, part: string, args: readonly string[]): Promise<void> {
  const seconds = await secondsOf(() => runVerb(args, note));
  await addTimed(home, { part, seconds });
  note(`${part}: ${seconds.toFixed(0)} s\n`);
}

/** In pieces of one batch each: a run that is killed loses no more than that, and any end of it is a sample. */
async function collect(run: Run): Promise<void> {
  const { request, study } = run;
  for (const [index, benchmark] of study.benchmarks.entries()) {
    const { name, limit, maxTokens, template } = benchmark;
    const stored = await countAnswers(study, name);
    const done = Math.floor(Math.min(stored, limit) / study.batch) * study.batch;
    for (let upTo = done + study.batch; upTo - study.batch < limit && stored < limit; upTo += study.batch) {
      await timed(run, `answers to ${name}`, [
        ...["collect", "--model", request.model, "--benchmark", request.benchmarks[index]!],
        ...["--seed", String(study.seed), "--limit", String(Math.min(upTo, limit))],
        ...["--max-tokens", String(maxTokens), "--batch", String(study.batch)],
        ...(template === null ? [] : ["--template", template]),
      ]);
    }
  }
}

async function countAnswers({ model }: WildStudy, benchmark: string): Promise<number> {
  return await withDatabase(async ({ db }) => {
    const [found] = await db.select({ id: models.id }).from(models).where(eq(models.name, model));
    const own = and(eq(responses.modelId, found?.id ?? -1), eq(responses.benchmark, benchmark));
    return await db.$count(responses, own);
  });
}

/** One benchmark after another, so that a run that is killed leaves whole ones. */
async function searchPairs(run: Run): Promise<void> {
  const { request, study } = run;
  for (const { name } of study.benchmarks) {
    await timed(run, `token pairs of ${name}`, [
      ...["pairs", "--model", request.model, "--benchmark", name, "--batch", String(study.batch)],
      ...["--alternatives", String(study.alternatives)],
      ...(study.positions === null ? [] : ["--positions", String(study.positions)]),
    ]);
  }
}

/** Pairs from the solutions that benchmarks bring. */
async function addReferencePairs(run: Run): Promise<void> {
  const { request, study } = run;
  for (const { name, maxTokens, template } of solvedBenchmarks(study)) {
    await timed(run, `pairs of ${name}'s solutions`, [
      ...["pairs", "--model", request.model, "--reference", name, "--seed", String(study.seed)],
      ...["--limit", String(study.referenceItems), "--max-tokens", String(maxTokens), "--batch", String(study.batch)],
      ...(template === null ? [] : ["--template", template]),
    ]);
  }
}

/** Draws pairs of passed answers and imports them as cases of a benchmark of their own. */
async function addControls(run: Run): Promise<void> {
  const { request, study, home, note } = run;
  const started = performance.now();
  for (const { name } of study.benchmarks) {
    const lines = await drawControls(request.model, study, name);
    await withDatabase(({ db }) => importLines(db, controlName(name), lines));
    if (lines.length > 0) note(`${controlName(name)}: ${lines.length} pairs\n`);
  }
  await addTimed(home, { part: "controls", seconds: (performance.now() - started) / 1000 });
}

async function drawControls(path: string, study: WildStudy, benchmark: string): Promise<string[]> {
  return await withDatabase(async ({ db }) => {
    const stored = await db.$count(failureCases, eq(failureCases.benchmark, controlName(benchmark)));
    if (stored >= study.controlsEach) return [];
    const model = await findModel(db, path, "--model");
    const engine = await openVerbEngine();
    try {
      const loaded = await engine.loadModel(model.directory);
      const wanted = { name: model.name, benchmark, count: study.controlsEach, seed: study.seed };
      return await controlLines(db, loaded, await loadTokenizer(model.directory), wanted);
    } finally {
      engine.close();
    }
  });
}

/** Of these benchmarks those whose cases have a clean token pair: a verb has nothing to do with the others. */
async function withCleanPairs(model: string, names: readonly string[]): Promise<string[]> {
  return await withDatabase(async ({ db }) => {
    const rows = await db.selectDistinct({ name: failureCases.benchmark }).from(failureCases)
      .innerJoin(models, eq(models.id, failureCases.modelId))
      .innerJoin(tokenPairs, eq(tokenPairs.failureCaseId, failureCases.id))
      .where(and(eq(models.name, model), sql`${tokenPairs.delta} > ${CLEAN_DELTA}`));
    return names.filter((name) => rows.some((row) => row.name === name));
  });
}

/** Stages of `culprit run` over the pairs that the seed draws, failures first, then controls. */
async function eachSelection(
  run: Run,
  stages: readonly Stage[],
  limit: number,
  settings: readonly string[] = [],
  names: readonly string[] = [
    ...failureBenchmarks(run.study),
    ...run.study.benchmarks.map(({ name }) => controlName(name)),
  ],
): Promise<void> {
  const { model, seed, controlsEach } = run.study;
  for (const name of await withCleanPairs(model, names)) {
    const most = failureBenchmarks(run.study).includes(name) ? limit : Math.min(limit, controlsEach);
    await timed(run, `${stages.join(", ")}: ${name}`, [
      ...["run", "--stages", stages.join(","), "--model", model, "--benchmark", name],
      ...["--limit", String(most), "--sample", String(seed), ...settings],
    ]);
  }
}

async function maskPairs(run: Run): Promise<void> {
  const { budget, maskTokens, replacements, maskedEach } = run.study;
  await eachSelection(run, ["mask"], maskedEach, [
    ...["--budget", String(budget), "--max-tokens", String(maskTokens), "--replacements", replacements.join(",")],
  ], failureBenchmarks(run.study));
}

/** Heads and neurons of as many explained pairs as unexplained ones, where there are so many. */
async function ablatePairs(run: Run): Promise<void> {
  const { model, seed, ablatedEach } = run.study;
  const benchmarks = failureBenchmarks(run.study);
  for (const outcome of ablatedEach === 0 ? [] : ABLATED_OUTCOMES) {
    const selection = { selection: "clean", model, benchmarks, key: null, limit: 1, outcomes: [outcome] } as const;
    if ((await withDatabase(({ db }) => pairsOf(db, selection))).length === 0) continue;
    await timed(run, `ablate: ${outcomeName(outcome)}`, [
      ...["run", "--stages", "ablate", "--model", model, "--benchmark", benchmarks.join(",")],
      ...["--outcome", outcomeName(outcome), "--limit", String(ablatedEach), "--sample", String(seed)],
      ...["--rankings", "attnlrp,random,lowest"],
    ]);
  }
}

/** The file of a benchmark's preference pairs in a home. */
export const preferenceFile = (home: string, benchmark: string): string => join(home, `preferences-${benchmark}.jsonl`);

/** A preference pair of each failure, with a weight for each token by the share of its relevance on marked words. */
async function exportWeights(run: Run): Promise<void> {
  const { study: { model, seed, weightedEach }, home } = run;
  for (const name of await withCleanPairs(model, failureBenchmarks(run.study))) {
    await timed(run, `weights: ${name}`, [
      ...["export", "preferences", "--out", preferenceFile(home, name), "--model", model, "--benchmark", name],
      ...["--limit", String(weightedEach), "--sample", String(seed)],
    ]);
  }
}
