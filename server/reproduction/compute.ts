/** Runs the study through the command line's own verbs, into a database of its own. */
import { basename, join } from "node:path";
import { and, eq } from "drizzle-orm";
import { failureCases, models } from "../../schema/tables/tables.ts";
import { withDatabase } from "../cli/with_database.ts";
import { DEMO, FILES } from "../demo.ts";
import { ROOT } from "../base/settings.ts";
import { type Note, runVerb, secondsOf, type Timed } from "../paper/verbs.ts";
import type { Items, ReproductionStudy } from "./study.ts";

/** Throws what a verb said when it fails. What is stored already is not computed again. */
export async function computeStudy(study: ReproductionStudy, note: Note): Promise<Timed[]> {
  const timed: Timed[] = [];
  const step = async (part: string, ...commands: readonly (readonly string[])[]) => {
    const seconds = await secondsOf(async () => {
      for (const args of commands) await runVerb(args, note);
    });
    timed.push({ part, seconds });
    note(`${part}: ${seconds.toFixed(0)} s\n`);
  };
  const { model, maxTokens } = study;
  await step(`answers of ${model}`, ...collecting(model, study.items, maxTokens));
  await step(`token pairs of ${model}`, searching(model));
  const benchmarks = await withCleanPairs(model, Object.keys(study.items));
  for (const [stage, more] of STAGES) {
    const settings = more(study);
    await step(
      `${stage} of ${model}`,
      ...benchmarks.map((name) => [
        ...["run", "--stages", stage, "--model", model, "--benchmark", name, "--limit", String(study.pairsEach)],
        ...settings,
      ]),
    );
  }
  for (const { series, cases } of study.series) {
    if (cases !== model) {
      await step(`answers of ${cases}`, ...collecting(cases, study.seriesItems, maxTokens));
      await step(`token pairs of ${cases}`, searching(cases));
    }
    const file = join(ROOT, "models", `series.json#${series}`);
    await step(`study of ${series}`, ["study", "--series", file, "--name", series, "--model", cases]);
  }
  return timed;
}

/** The failures that `npm start` shows first, imported, attributed and diagnosed: they are part of the snapshot. */
export async function computeDemo(note: Note): Promise<void> {
  await runVerb(["model", "add", DEMO], note);
  for (const file of FILES) await runVerb(["import", "--from", "culprit", join(DEMO, file)], note);
  await runVerb(["run", "--stages", "attribute,diagnose", "--model", basename(DEMO)], note);
}

const STAGES: readonly (readonly [string, (study: ReproductionStudy) => readonly string[]])[] = [
  ["attribute", () => []],
  ["graph", () => []],
  ["diagnose", () => []],
  ["mask", ({ budget, maxTokens, replacements }) => [
    ...["--budget", String(budget), "--max-tokens", String(maxTokens), "--replacements", replacements.join(",")],
  ]],
];

/** Of these benchmarks those whose failures have a clean token pair: a verb has nothing to do with the others. */
async function withCleanPairs(model: string, benchmarks: readonly string[]): Promise<string[]> {
  return await withDatabase(async ({ db }) => {
    const rows = await db.selectDistinct({ name: failureCases.benchmark }).from(failureCases)
      .innerJoin(models, eq(models.id, failureCases.modelId))
      .where(and(eq(models.name, model), eq(failureCases.status, "clean")));
    return benchmarks.filter((name) => rows.some((row) => row.name === name));
  });
}

const folder = (model: string) => join(ROOT, "models", model);

const collecting = (model: string, items: Items, maxTokens: number) =>
  Object.entries(items).map(([name, limit]) => [
    ...["collect", "--model", folder(model), "--benchmark", name, "--limit", String(limit)],
    ...["--max-tokens", String(maxTokens)],
  ]);

const searching = (model: string) => ["pairs", "--model", folder(model)];
