/** Reads the preference pairs of a selection, and counts those that are left out. */
import { and, eq, inArray } from "drizzle-orm";
import type { Tokenizer } from "../../gpu/mod.ts";
import { preferences } from "../../schema/tables/analysis_tables.ts";
import type { WeightFormula } from "../../schema/tables/analysis_values.ts";
import type { Database } from "../../schema/tables/database.ts";
import { failureCases, models, tokenPairs } from "../../schema/tables/tables.ts";
import type { ModelReader, Reading } from "../models/reading.ts";
import { marksName } from "../marks/found_marks.ts";
import { parquetFile } from "./parquet.ts";
import { type LeftOut, preferencePair, type PreferenceSource, standsAlone } from "./pair.ts";
import { COLUMNS, type Completion, type PreferenceRow, rowOf, type RowOptions, type StoredPreference } from "./rows.ts";

const PAIRS_AT_ONCE = 200;
/** Pairs that are tokenised in one go: others who ask wait for it. */
const READ_AT_ONCE = 20;

export interface PreferenceRows {
  readonly rows: readonly PreferenceRow[];
  /** Token pairs asked for. */
  readonly pairs: number;
  readonly leftOut: Readonly<Record<string, number>>;
  readonly tokenizerHashes: readonly string[];
}

/** Where the rows are, and what reads their models' files. */
export interface RowSource {
  readonly db: Database;
  readonly reader: ModelReader;
}

/** The rows of token pairs in their order, as far as their weights are stored. */
export async function readRows(
  source: RowSource,
  tokenPairIds: readonly number[],
  formula: WeightFormula,
  options: RowOptions,
  onRow?: (tokenPairId: number, key: string, result: PreferenceRow | string) => Promise<void>,
): Promise<PreferenceRows> {
  const rows: PreferenceRow[] = [];
  const leftOut: Record<string, number> = {};
  const hashes = new Set<string>();
  for await (const { tokenPairId, key, found } of readPairs(source, tokenPairIds, formula)) {
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
  { db, reader }: RowSource,
  ids: readonly number[],
  formula: WeightFormula,
): AsyncGenerator<
  { readonly tokenPairId: number; readonly key: string; readonly found: StoredPreference | LeftOut }
> {
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
    const read = await readTexts(reader, page);
    for (const [index, one] of page.entries()) {
      const place = { tokenPairId: one.pair.id, key: one.row.key };
      yield { ...place, found: storedPair(one, read[index]!) };
    }
  }
}

/** Both completions of each pair, or why it is left out, in order. */
async function readTexts(reader: ModelReader, rows: readonly StoredRows[]): Promise<(PairTexts | LeftOut)[]> {
  const read: (PairTexts | LeftOut)[] = [];
  for (const [directory, all] of Map.groupBy(rows.entries(), ([, { model }]) => model.directory)) {
    for (let from = 0; from < all.length; from += READ_AT_ONCE) {
      const some = all.slice(from, from + READ_AT_ONCE);
      const sources = some.map(([, { row, pair, weights }]) => ({
        inputIds: row.inputIds,
        promptTokens: row.promptTokens,
        prompt: row.prompt,
        completionIds: row.completionIds,
        targetId: pair.targetId,
        contrastId: pair.contrastId,
        candidates: pair.candidates,
        weighed: weights && { chosen: weights.chosenIds, rejected: weights.rejectedIds },
      }));
      const texts = await reader.read(READ_PAIRS, directory, sources);
      for (const [index, [place]] of some.entries()) read[place] = texts[index]!;
    }
  }
  return read;
}

interface StoredRows {
  readonly row: typeof failureCases.$inferSelect;
  readonly pair: typeof tokenPairs.$inferSelect;
  readonly model: Pick<typeof models.$inferSelect, "name" | "hash" | "directory" | "tokenizerHash">;
  readonly weights: typeof preferences.$inferSelect | null;
}

/** A pair whose completions are read; `weighed` has their tokens as they were weighed, null where they were not. */
interface ReadSource extends PreferenceSource {
  readonly weighed: { readonly chosen: readonly number[]; readonly rejected: readonly number[] } | null;
}

type CompletionText = Omit<Completion, "weights">;

interface PairTexts {
  readonly prompt: string;
  readonly chosen: CompletionText;
  readonly rejected: CompletionText;
}

/** Texts of pairs and whether they come back from them as the same ids. */
export const READ_PAIRS: Reading<readonly ReadSource[], readonly (PairTexts | LeftOut)[]> = {
  name: "preference pairs",
  read: async (model, sources) => {
    const tokenizer = await model.tokenizer();
    return sources.map((source) => textsOf(source, tokenizer));
  },
};

function textsOf(source: ReadSource, tokenizer: Tokenizer): PairTexts | LeftOut {
  const ids = preferencePair(source, tokenizer);
  if (typeof ids === "string") return ids;
  if (source.weighed === null) return "not_computed";
  const completion = (open: readonly number[], all: readonly number[]): CompletionText => {
    // Stored ids are the completion's, and perhaps the token that ends it.
    const bare = all.length > 0 && tokenizer.isSpecial(all.at(-1)!) ? all.slice(0, -1) : open;
    return {
      text: tokenizer.decode(all, { continues: true }),
      ids: all,
      open: {
        text: tokenizer.decode(bare, { continues: true }),
        tokens: bare.length,
        standsAlone: standsAlone(tokenizer, bare),
      },
    };
  };
  return {
    prompt: tokenizer.decode(source.inputIds),
    chosen: completion(ids.chosenIds, source.weighed.chosen),
    rejected: completion(ids.rejectedIds, source.weighed.rejected),
  };
}

function storedPair({ row, pair, model, weights }: StoredRows, read: PairTexts | LeftOut): StoredPreference | LeftOut {
  if (typeof read === "string") return read;
  return {
    key: row.key,
    benchmark: row.benchmark,
    task: row.task,
    tokenPairId: pair.id,
    delta: pair.delta,
    model: model.name,
    modelHash: model.hash,
    tokenizerHash: model.tokenizerHash,
    formula: weights!.formula,
    adapter: weights!.adapter,
    marks: marksName(weights!.marksOrigin, weights!.marksVersion),
    prompt: read.prompt,
    promptIds: row.inputIds,
    chosen: { ...read.chosen, weights: weights!.chosenWeights },
    rejected: { ...read.rejected, weights: weights!.rejectedWeights },
  };
}
