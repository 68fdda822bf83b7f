/** Reads the preference pairs of a selection, and counts those that are left out. */
import { and, eq, inArray } from "drizzle-orm";
import { loadTokenizer, type Tokenizer } from "../../gpu/mod.ts";
import { preferences } from "../../schema/tables/analysis_tables.ts";
import type { WeightFormula } from "../../schema/tables/analysis_values.ts";
import type { Database } from "../../schema/tables/database.ts";
import { failureCases, models, tokenPairs } from "../../schema/tables/tables.ts";
import { marksName } from "../marks/found_marks.ts";
import { parquetFile } from "./parquet.ts";
import { type LeftOut, preferencePair, standsAlone } from "./pair.ts";
import { COLUMNS, type Completion, type PreferenceRow, rowOf, type RowOptions, type StoredPreference } from "./rows.ts";

const PAIRS_AT_ONCE = 200;

export interface PreferenceRows {
  readonly rows: readonly PreferenceRow[];
  /** Token pairs asked for. */
  readonly pairs: number;
  readonly leftOut: Readonly<Record<string, number>>;
  readonly tokenizerHashes: readonly string[];
}

/** The rows of token pairs in their order, as far as their weights are stored. */
export async function readRows(
  db: Database,
  tokenPairIds: readonly number[],
  formula: WeightFormula,
  options: RowOptions,
  onRow?: (tokenPairId: number, key: string, result: PreferenceRow | string) => Promise<void>,
): Promise<PreferenceRows> {
  const rows: PreferenceRow[] = [];
  const leftOut: Record<string, number> = {};
  const hashes = new Set<string>();
  for await (const { tokenPairId, key, found } of readPairs(db, tokenPairIds, formula)) {
    const result = typeof found === "string" ? found : rowOf(found, options);
    if (typeof result === "string") leftOut[result] = (leftOut[result] ?? 0) + 1;
    else {
      rows.push(result);
      hashes.add((found as StoredPreference).tokenizerHash);
    }
    await onRow?.(tokenPairId, key, result);
  }
  return { rows, pairs: tokenPairIds.length, leftOut, tokenizerHashes: [...hashes] };
}

/** The rows as a file of one of the two kinds. */
export function fileOf({ rows, tokenizerHashes }: PreferenceRows, { format }: RowOptions, kind: "jsonl" | "parquet") {
  if (kind === "jsonl") return new TextEncoder().encode(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return parquetFile(COLUMNS[format], rows, { format: `culprit ${format}`, tokenizer_hash: tokenizerHashes.join(" ") });
}

async function* readPairs(
  db: Database,
  ids: readonly number[],
  formula: WeightFormula,
): AsyncGenerator<
  { readonly tokenPairId: number; readonly key: string; readonly found: StoredPreference | LeftOut }
> {
  const tokenizers = new Map<string, Promise<Tokenizer>>();
  const tokenizerOf = (directory: string) => {
    const loading = tokenizers.get(directory) ?? loadTokenizer(directory);
    tokenizers.set(directory, loading);
    return loading;
  };
  for (let from = 0; from < ids.length; from += PAIRS_AT_ONCE) {
    const page = await db.select({
      row: failureCases,
      pair: tokenPairs,
      model: {
        name: models.name,
        hash: models.hash,
        directory: models.directory,
        tokenizerHash: models.tokenizerHash,
      },
      weights: preferences,
    }).from(tokenPairs)
      .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
      .innerJoin(models, eq(models.id, failureCases.modelId))
      .leftJoin(preferences, and(eq(preferences.tokenPairId, tokenPairs.id), eq(preferences.formula, formula)))
      .where(inArray(tokenPairs.id, ids.slice(from, from + PAIRS_AT_ONCE))).orderBy(tokenPairs.id);
    for (const one of page) {
      const tokenizer = await tokenizerOf(one.model.directory);
      const place = { tokenPairId: one.pair.id, key: one.row.key };
      yield { ...place, found: storedPair(one, tokenizer) };
    }
  }
}

interface StoredRows {
  readonly row: typeof failureCases.$inferSelect;
  readonly pair: typeof tokenPairs.$inferSelect;
  readonly model: Pick<typeof models.$inferSelect, "name" | "hash" | "tokenizerHash">;
  readonly weights: typeof preferences.$inferSelect | null;
}

function storedPair({ row, pair, model, weights }: StoredRows, tokenizer: Tokenizer): StoredPreference | LeftOut {
  const ids = preferencePair({ ...row, ...pair }, tokenizer);
  if (typeof ids === "string") return ids;
  if (weights === null) return "not_computed";
  const completion = (open: readonly number[], all: readonly number[], own: readonly number[]): Completion => {
    // Stored ids are the completion's, and perhaps the token that ends it.
    const bare = all.length > 0 && tokenizer.isSpecial(all.at(-1)!) ? all.slice(0, -1) : open;
    return {
      text: tokenizer.decode(all, { continues: true }),
      ids: all,
      weights: own,
      open: {
        text: tokenizer.decode(bare, { continues: true }),
        tokens: bare.length,
        standsAlone: standsAlone(tokenizer, bare),
      },
    };
  };
  return {
    key: row.key,
    benchmark: row.benchmark,
    task: row.task,
    tokenPairId: pair.id,
    delta: pair.delta,
    model: model.name,
    modelHash: model.hash,
    tokenizerHash: model.tokenizerHash,
    formula: weights.formula,
    adapter: weights.adapter,
    marks: marksName(weights.marksOrigin, weights.marksVersion),
    prompt: tokenizer.decode(row.inputIds),
    promptIds: row.inputIds,
    chosen: completion(ids.chosenIds, weights.chosenIds, weights.chosenWeights),
    rejected: completion(ids.rejectedIds, weights.rejectedIds, weights.rejectedWeights),
  };
}
