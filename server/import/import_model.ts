/** The models that an import's answers are of. */
import { eq } from "drizzle-orm";
import { loadTokenizer, type Tokenizer } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { type failureCases, models, type tokenPairs } from "../../schema/tables/tables.ts";

/** What an import knows of a model. */
export interface ImportModel {
  readonly id: number;
  readonly name: string;
  readonly vocabulary: number;
  readonly tokenizer: Tokenizer;
}

/** A case and its pair as they are stored. */
export interface ImportLine {
  readonly failureCase: Omit<typeof failureCases.$inferInsert, "id">;
  readonly tokenPair: Omit<typeof tokenPairs.$inferInsert, "id" | "failureCaseId">;
}

export interface ModelFinder {
  /**
   * The model that was added under a name, as a log writes it: whole, or without the organisation before its last
   * slash. Undefined when there is none.
   */
  readonly find: (name: string) => Promise<ImportModel | undefined>;
  readonly tokenizerOf: (modelId: number) => Tokenizer;
}

/** Finds models by name, each with its tokenizer loaded once. */
export function modelFinder(db: Database): ModelFinder {
  const known = new Map<string, Promise<ImportModel | undefined>>();
  const byId = new Map<number, Tokenizer>();
  const load = async (name: string): Promise<ImportModel | undefined> => {
    const short = name.slice(name.replace(/\/+$/, "").lastIndexOf("/") + 1).replace(/\/+$/, "");
    for (const one of new Set([name, short])) {
      const [row] = await db.select().from(models).where(eq(models.name, one));
      if (!row) continue;
      const tokenizer = await loadTokenizer(row.directory);
      byId.set(row.id, tokenizer);
      return { id: row.id, name: row.name, vocabulary: row.vocabulary, tokenizer };
    }
    return undefined;
  };
  return {
    find: (name) => {
      const found = known.get(name) ?? load(name);
      known.set(name, found);
      return found;
    },
    tokenizerOf: (modelId) => {
      const tokenizer = byId.get(modelId);
      if (!tokenizer) throw new Error(`The tokenizer of model ${modelId} was not loaded`);
      return tokenizer;
    },
  };
}
