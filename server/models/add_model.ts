/** Adds a model directory to the database. */
import { eq } from "drizzle-orm";
import { checkVocabulary, InputError, loadTokenizer, type ModelDirectory, openModelDirectory } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { models } from "../../schema/tables/tables.ts";

export interface AddedModel {
  readonly id: number;
  readonly name: string;
  /** False when the same model was there already. */
  readonly created: boolean;
  /** What was decided for the user while the model was read: one plain line each. */
  readonly notes: readonly string[];
}

/**
 * Reads the headers of a model directory and stores it under a name, the directory's own if none is given. The same
 * model again changes nothing, wherever it lies now. Throws InputError for a directory that the engine cannot read, and
 * for a name that another model has.
 */
export async function addModel(db: Database, directory: string, name: string | undefined): Promise<AddedModel> {
  const model = await openModelDirectory(directory);
  model.close();
  if (model.tokenizerHash === null) {
    throw new InputError("it has no tokenizer.json", directory, "put the model's tokenizer beside its weights");
  }
  const notes = [...model.notes, ...checkVocabulary(await loadTokenizer(directory), model)];
  const chosen = name?.trim() || model.name;
  const [row] = await db.insert(models).values({
    name: chosen,
    directory: model.directory,
    architecture: model.config.architecture,
    parameters: model.parameters,
    layers: model.config.layers,
    hidden: model.config.hidden,
    vocabulary: model.config.vocabulary,
    tokenizerHash: model.tokenizerHash,
    hash: model.hash,
    dtype: dtypesOf(model),
  }).onConflictDoNothing({ target: models.name }).returning({ id: models.id });
  if (row) return { id: row.id, name: chosen, created: true, notes };

  const [other] = await db.select().from(models).where(eq(models.name, chosen));
  if (!other) throw new Error("A model that was in the way cannot be read");
  if (other.hash !== model.hash || other.tokenizerHash !== model.tokenizerHash) {
    throw new InputError(
      `another model is called ${chosen}: ${other.directory}`,
      directory,
      "give this one a name of its own",
    );
  }
  if (other.directory !== model.directory || other.dtype === null) {
    await db.update(models).set({ directory: model.directory, dtype: dtypesOf(model) }).where(eq(models.id, other.id));
  }
  return { id: other.id, name: chosen, created: false, notes };
}

/** Types of the weights, the most common first. */
function dtypesOf({ tensors }: ModelDirectory): string {
  const counts = new Map<string, number>();
  for (const { info } of tensors.values()) counts.set(info.dtype, (counts.get(info.dtype) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a).map(([dtype]) => dtype).join(", ");
}
