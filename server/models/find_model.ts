/** A model by the name it was added under, or by where it is: a folder, a file, a hub's id. It is added then. */
import { eq } from "drizzle-orm";
import { stat } from "node:fs/promises";
import { InputError, type LocatedModel, locateModel, parseModelPath } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { models } from "../../schema/tables/tables.ts";
import { addModel } from "./add_model.ts";

export type ModelRow = typeof models.$inferSelect;

export interface FindOptions {
  /** Only models that were added: nothing else is looked for. */
  readonly byName?: boolean;
  /** Finds what was not added; default: locateModel. */
  readonly locate?: (text: string) => Promise<LocatedModel>;
}

/** A model that was added, by its name: over the network, directories are added by `addModel`, which confines them. */
export async function modelByName(db: Database, name: string, where: string): Promise<ModelRow> {
  return await findModel(db, name, where, { byName: true });
}

/** Throws InputError at `where` when there is no such model, and as locateModel. */
export async function findModel(
  db: Database,
  nameOrModel: string,
  where: string,
  { byName = false, locate = locateModel }: FindOptions = {},
): Promise<ModelRow> {
  const [known] = await db.select().from(models).where(eq(models.name, nameOrModel));
  if (known) return known;
  const located = byName ? undefined : await locate(nameOrModel);
  if (!located || !await stat(parseModelPath(located.path).base).then(() => true, () => false)) {
    throw new InputError(
      `there is no model ${JSON.stringify(nameOrModel)}${byName ? "" : ", nor such a folder"}`,
      where,
      "add it first: npx culprit model add MODEL",
    );
  }
  const { id } = await addModel(db, located.path, located.name);
  const [added] = await db.select().from(models).where(eq(models.id, id));
  return added!;
}
