/** Series as a JSON file: one, or a list of them, whose models are named or lie in folders beside the file. */
import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { InputError } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { findModel } from "../models/find_model.ts";
import { type SeriesRow, storeSeries } from "./series.ts";

const one = z.object({
  name: z.string().min(1),
  kind: z.enum(["scaling", "training"]),
  members: z.array(z.object({
    /** A folder beside the file, or the name of a model that was added. */
    model: z.string().min(1),
    label: z.string().min(1).optional(),
    position: z.number().optional(),
  })).min(2),
});
const file = z.union([one, z.object({ series: z.array(one).min(1) })]);

/** Stores the series of a file, adding the models that are not known yet. Throws InputError at `path`. */
export async function readSeriesFile(db: Database, path: string): Promise<SeriesRow[]> {
  const mend = 'give {"name", "kind": "scaling"|"training", "members": [{"model", "label", "position"}, ...]}';
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
      const beside = join(dirname(path), model);
      const isBeside = await stat(join(beside, "config.json")).then(() => true, () => false);
      found.push({ model: await findModel(db, isBeside ? beside : model, path), label, position });
    }
    stored.push(await storeSeries(db, { name, kind, members: found }, `${path}, series ${name}`));
  }
  return stored;
}
