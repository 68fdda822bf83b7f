/** Series as a JSON file: one, or a list of them, whose models are named or lie in folders beside the file. */
import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { InputError, modelPath, parseModelPath } from "../../gpu/mod.ts";
import { SERIES_KINDS } from "../../schema/tables/analysis_values.ts";
import type { Database } from "../../schema/tables/database.ts";
import { findModel } from "../models/find_model.ts";
import { type SeriesRow, storeSeries } from "./series.ts";

const one = z.object({
  name: z.string().min(1),
  kind: z.enum(SERIES_KINDS),
  members: z.array(z.object({
    /** A folder or .gguf file beside the file, `FOLDER --lora DIR` with adapters, or the name of a model that was added. */
    model: z.string().min(1),
    label: z.string().min(1).optional(),
    position: z.number().optional(),
  })).min(2),
});
const file = z.union([one, z.object({ series: z.array(one).min(1) })]);

/** A model whose parts lie beside the file, by their paths; else the text as it is. */
async function besideFile(folder: string, text: string): Promise<string> {
  const { base, adapters } = parseModelPath(text);
  const [first, ...others] = await Promise.all([
    besideOr(folder, base, (beside) => /\.gguf$/i.test(beside) ? beside : join(beside, "config.json")),
    ...adapters.map((adapter) => besideOr(folder, adapter, (beside) => join(beside, "adapter_config.json"))),
  ]);
  return modelPath({ base: first as string, adapters: others });
}

async function besideOr(folder: string, path: string, sign: (beside: string) => string): Promise<string> {
  const beside = join(folder, path);
  return await stat(sign(beside)).then(() => true, () => false) ? beside : path;
}

/** Stores the series of a file, adding the models that are not known yet. Throws InputError at `path`. */
export async function readSeriesFile(db: Database, path: string): Promise<SeriesRow[]> {
  const mend =
    'give {"name", "kind": "scaling"|"training"|"quantisation", "members": [{"model", "label", "position"}, ...]}';
  const text = await readFile(path, "utf8").catch((error: { code?: string }) => {
    throw new InputError(`cannot be read (${error.code})`, path, "check the path");
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new InputError("is no JSON", path, mend);
  }
  const read = file.safeParse(json);
  if (!read.success) throw new InputError(`${read.error.issues[0]!.message} in a series`, path, mend);
  const all = "series" in read.data ? read.data.series : [read.data];
  const stored: SeriesRow[] = [];
  for (const { name, kind, members } of all) {
    const found = [];
    for (const { model, label, position } of members) {
      found.push({ model: await findModel(db, await besideFile(dirname(path), model), path), label, position });
    }
    stored.push(await storeSeries(db, { name, kind, members: found }, `${path}, series ${name}`));
  }
  return stored;
}
