/** Adds a model directory to the database. */
import { eq } from "drizzle-orm";
import { checkVocabulary, InputError, type ModelDirectory, openModelDirectory } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { models } from "../../schema/tables/tables.ts";
import { type ModelReader, ownReader, type Reading } from "./reading.ts";

export interface AddedModel {
  readonly id: number;
  readonly name: string;
  /** False when the same model was there already. */
  readonly created: boolean;
  /** What was decided for the user while the model was read: one plain line each. */
  readonly notes: readonly string[];
}

type ModelColumns = Omit<typeof models.$inferInsert, "id" | "name" | "createdAt">;

/** What a model's directory says of it. */
export interface DescribedModel {
  /** The directory's own name. */
  readonly name: string;
  readonly columns: ModelColumns;
  readonly notes: readonly string[];
}

/** Reads the headers of a model directory. Throws InputError for one that the engine cannot read. */
export const DESCRIBE_MODEL: Reading<null, DescribedModel> = {
  name: "model",
  read: async ({ directory, tokenizer }) => {
    const model = await openModelDirectory(directory);
    model.close();
    if (model.tokenizerHash === null) {
      throw new InputError("it has no tokenizer.json", directory, "put the model's tokenizer beside its weights");
    }
    return {
      name: model.name,
      notes: [...model.notes, ...checkVocabulary(await tokenizer(), model)],
      columns: {
        directory: model.directory,
        architecture: model.config.architecture,
        parameters: model.parameters,
        layers: model.config.layers,
        hidden: model.config.hidden,
        vocabulary: model.config.vocabulary,
        tokenizerHash: model.tokenizerHash,
        hash: model.hash,
        dtype: dtypesOf(model),
      },
    };
  },
};

/**
 * Stores a model directory under a name, the directory's own if none is given. The same model again changes nothing,
 * wherever it lies now. Throws InputError for a directory that the engine cannot read, and for a name that another model
 * has.
 */
export async function addModel(
  db: Database,
  directory: string,
  name: string | undefined,
  reader: ModelReader = ownReader(),
): Promise<AddedModel> {
  const { columns, notes, ...model } = await reader.read(DESCRIBE_MODEL, directory, null);
  const chosen = name?.trim() || model.name;
  const [row] = await db.insert(models).values({ ...columns, name: chosen })
    .onConflictDoNothing({ target: models.name }).returning({ id: models.id });
  if (row) return { id: row.id, name: chosen, created: true, notes };

  const [other] = await db.select().from(models).where(eq(models.name, chosen));
  if (!other) throw new Error("A model that was in the way cannot be read");
  const { hash, tokenizerHash, dtype } = columns;
  if (other.hash !== hash || other.tokenizerHash !== tokenizerHash) {
    throw new InputError(
      `another model is called ${chosen}: ${other.directory}`,
      directory,
      "give this one a name of its own",
    );
  }
  if (other.directory !== columns.directory || other.dtype === null) {
    await db.update(models).set({ directory: columns.directory, dtype }).where(eq(models.id, other.id));
  }
  return { id: other.id, name: chosen, created: false, notes };
}

/** Types of the weights, the most common first. */
function dtypesOf({ tensors }: ModelDirectory): string {
  const counts = new Map<string, number>();
  for (const { info } of tensors.values()) counts.set(info.dtype, (counts.get(info.dtype) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a).map(([dtype]) => dtype).join(", ");
}
