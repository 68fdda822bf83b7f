/** `culprit export preferences`: failures as preference pairs with a weight for each completion token. */
import { open, rm, stat } from "node:fs/promises";
import { InputError } from "../../gpu/mod.ts";
import { WEIGHT_FORMULAS } from "../../schema/tables/analysis_values.ts";
import { PREFERENCE_FORMATS } from "../preferences/rows.ts";
import { WEIGHT_CHOICES } from "../preferences/weights.ts";
import { SELECTION_OPTIONS, SELECTION_USAGE } from "./selection.ts";
import { optionText, requiredText, type Verb, type VerbContext } from "./verb.ts";

export const exportPreferences: Verb = {
  name: "export preferences",
  summary: "Writes failures as preference pairs for DPO, with a weight for each completion token",
  usage: `export preferences --out FILE [--format ${PREFERENCE_FORMATS.join("|")}] [--parquet] ` +
    `[--weights ${WEIGHT_CHOICES.join("|")}] [--formula NAME] [--seed N] ${SELECTION_USAGE} [--json]`,
  example: "npx culprit export preferences --format trl-weighted --model demo-1m --key @divergence --out pairs.jsonl",
  options: {
    out: { type: "string", value: "FILE", help: "the file to write" },
    format: { type: "string", value: "FORMAT", help: PREFERENCE_FORMATS.join(", "), default: "trl-weighted" },
    parquet: { type: "boolean", help: "write Parquet instead of JSON lines" },
    weights: {
      type: "string",
      value: "WHICH",
      help: "relevance, or one of the baselines uniform and shuffled",
      default: "relevance",
    },
    formula: { type: "string", value: "NAME", help: WEIGHT_FORMULAS.join(", "), default: WEIGHT_FORMULAS[0] },
    seed: { type: "string", value: "N", help: "seed of shuffled weights", default: "1" },
    ...SELECTION_OPTIONS,
  },
  run,
};

async function run(context: VerbContext): Promise<void> {
  const [{ optionCount, refusePositionals }, { followJob, withWorker }, { readSelection, selectedPairs }] =
    await Promise.all([import("./model_session.ts"), import("./with_worker.ts"), import("./selection.ts")]);
  refusePositionals(context, exportPreferences.name);
  const file = requiredText(context, exportPreferences, "out");
  await checkWritable(file);
  const formula = oneOf(context, "formula", WEIGHT_FORMULAS);
  const options = {
    format: oneOf(context, "format", PREFERENCE_FORMATS),
    weights: oneOf(context, "weights", WEIGHT_CHOICES),
    seed: optionCount(context, "seed", 0) ?? 1,
  };
  const selection = readSelection(context);
  await withWorker(context, async (session) => {
    const [{ createPreferenceJob }, { fileOf, readRows }, { ownReader }] = await Promise.all([
      import("../preferences/preference_job.ts"),
      import("../preferences/read.ts"),
      import("../models/reading.ts"),
    ]);
    const { db } = session.connection;
    const tokenPairIds = await selectedPairs(db, selection);
    const job = await createPreferenceJob(db, session.boss, { tokenPairIds, formula, idempotencyKey: undefined });
    // The lines of --json are about rows, written below.
    const { failed } = await followJob({ ...context, json: false }, session, job.id, "weights");
    const rows = await readRows(
      { db, reader: ownReader() },
      tokenPairIds,
      formula,
      options,
      async (id, key, result) => {
        if (!context.json) return;
        const status = typeof result === "string" ? "SKIPPED" : "COMPLETED";
        const reason = typeof result === "string" ? { reason: result } : {};
        const line = { id: btoa(`TokenPair:${id}`), kind: "preference", status, key, ...reason };
        await context.out(`${JSON.stringify(line)}\n`);
      },
    );
    await writeFile(file, fileOf(rows, options, context.values["parquet"] === true ? "parquet" : "jsonl"));
    const { pairs, leftOut } = rows;
    const totals = { total: pairs, rows: rows.rows.length, failed, leftOut, file, formula, ...options };
    await context.out(context.json ? `${JSON.stringify(totals)}\n` : describe(totals));
    if (failed > 0) throw new Error(`${failed} of ${pairs} token pairs failed`);
  });
}

function oneOf<Name extends string>(context: VerbContext, name: string, known: readonly Name[]): Name {
  const given = optionText(context, name);
  const found = known.find((one) => one === given);
  if (found) return found;
  throw new InputError(`${JSON.stringify(given)} is not known`, `--${name}`, `give one of: ${known.join(", ")}`);
}

const unwritable = (path: string, error: unknown) =>
  new InputError(
    `${path} cannot be written (${(error as { readonly code?: string }).code ?? (error as Error).message})`,
    "--out",
    "name a file in a folder that is there, with room",
  );

/** Tries before long work whether a file can be written, and leaves what it holds. Throws InputError naming `--out`. */
export async function checkWritable(path: string): Promise<void> {
  try {
    const there = await stat(path).then(() => true, () => false);
    await (await open(path, "a")).close();
    if (!there) await rm(path);
  } catch (error) {
    throw unwritable(path, error);
  }
}

/** Writes a file. Throws InputError naming `--out`. */
export async function writeFile(path: string, content: Uint8Array | string): Promise<void> {
  try {
    await (typeof content === "string" ? Deno.writeTextFile(path, content) : Deno.writeFile(path, content));
  } catch (error) {
    throw unwritable(path, error);
  }
}

function describe(
  totals: { readonly total: number; readonly rows: number; readonly leftOut: object; readonly file: string },
): string {
  const lines = [`${totals.rows} of ${totals.total} token pairs written to ${totals.file}`];
  for (const [reason, count] of Object.entries(totals.leftOut)) lines.push(`  ${count} left out: ${reason}`);
  return `${lines.join("\n")}\n`;
}
