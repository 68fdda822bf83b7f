/** A model by the name it was added under, or by its directory, which is added then. */
import { eq } from "drizzle-orm";
import { stat } from "node:fs/promises";
import { InputError } from "../../gpu/mod.ts";
import type { Database } from "../../schema/types/context.ts";
import { models } from "../../schema/tables/tables.ts";
import { addModel } from "./add_model.ts";

export type ModelRow = typeof models.$inferSelect;

/** Throws InputError at `where` when it is neither. `byName` looks at no directory. */
export async function findModel(
  db: Database,
  nameOrDirectory: string,
  where: string,
  { byName = false }: { readonly byName?: boolean } = {},
): Promise<ModelRow> {
  const [known] = await db.select().from(models).where(eq(models.name, nameOrDirectory));
  if (known) return known;
  const isFolder = !byName && await stat(nameOrDirectory).then((info) => info.isDirectory(), () => false);
  if (!isFolder) {
    throw new InputError(
      `there is no model ${JSON.stringify(nameOrDirectory)}${byName ? "" : ", nor such a folder"}`,
      where,
      "add it first: npx culprit model add DIR",
    );
  }
  const { id } = await addModel(db, nameOrDirectory, undefined);
  const [added] = await db.select().from(models).where(eq(models.id, id));
  return added!;
}
