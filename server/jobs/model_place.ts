/** Whether a model's files are where work can be done; and where they come from, as far as that is known. */
import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { and, arrayContains, eq } from "drizzle-orm";
import { InputError, parseModelPath, parseReference } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { models } from "../../schema/tables/tables.ts";
import { workers } from "../../schema/tables/worker_tables.ts";
import type { ModelReader } from "../models/reading.ts";
import { ROOT } from "../base/settings.ts";
import { HUB_SNAPSHOT } from "../models/held_models.ts";
import { alive } from "./worker_registry.ts";

export interface StoredModel {
  readonly name: string;
  readonly directory: string;
  readonly hash: string;
}

/**
 * What a hub's model is fetched by, at the very commit where its place says that, else by the name that it was added
 * under; null where neither is a hub's, and where adapters are merged into it.
 */
export function hubReference({ name, directory }: Pick<StoredModel, "name" | "directory">): string | null {
  const { base, adapters } = parseModelPath(directory);
  if (adapters.length > 0) return null;
  const { folder, commit, file } = HUB_SNAPSHOT.exec(base)?.groups ?? {};
  const text = folder === undefined
    ? name
    : `${folder.replace("--", "/")}@${commit}${file ? `:${file.replaceAll("\\", "/")}` : ""}`;
  return parseReference(text) === undefined ? null : text;
}

/** Reads as `reader`; where a model's files cannot be read because they are nowhere, that is said, with the way to them. */
export function tellingAbsent(db: Database, reader: ModelReader): ModelReader {
  return {
    read: async (reading, directory, input) => {
      try {
        return await reader.read(reading, directory, input);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        const [model] = await db.select().from(models).where(eq(models.directory, directory)).limit(1);
        if (model === undefined || await isHere(db, model)) throw error;
        const hub = hubReference(model);
        throw new InputError(
          `the files of ${model.name} are not here`,
          directory,
          hub === null
            ? "put its folder into a folder of CULPRIT_MODELS, then run: npx culprit model add FOLDER --name " +
              model.name
            : `fetch ${hub} from the hub: fetchModel with the name ${model.name}`,
        );
      }
    },
  };
}

/** Whether a worker that lives holds it, or its files lie where it was added from. */
export async function isHere(db: Database, { directory, hash }: StoredModel): Promise<boolean> {
  const [holder] = await db.select({ id: workers.id }).from(workers)
    .where(and(alive, arrayContains(workers.models, [hash]))).limit(1);
  if (holder) return true;
  const { base } = parseModelPath(directory);
  if (base === "") return false;
  const place = resolve(ROOT, base);
  const sign = /\.gguf$/i.test(place) ? place : join(place, "config.json");
  return await stat(sign).then(() => true, () => false);
}
