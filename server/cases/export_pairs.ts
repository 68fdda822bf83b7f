/** Clean token pairs as lines of culprit/1, the format that `import --from culprit` reads. */
import { and, asc, eq, inArray } from "drizzle-orm";
import type { Database } from "../../schema/tables/database.ts";
import { failureCases, models, tokenPairs } from "../../schema/tables/tables.ts";

/** Cases of one page: their candidates may hold long completions. */
const PAGE = 200;

/** Lines without their ends, in the order of the cases. */
export async function* culpritLines(
  db: Database,
  { modelId, benchmarks }: { readonly modelId: number; readonly benchmarks: readonly string[] | null },
): AsyncGenerator<string> {
  const rows = await db.select({ id: tokenPairs.id }).from(tokenPairs)
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .where(and(
      eq(failureCases.modelId, modelId),
      eq(failureCases.status, "clean"),
      benchmarks ? inArray(failureCases.benchmark, [...benchmarks]) : undefined,
    )).orderBy(asc(failureCases.id), asc(tokenPairs.id));
  for await (const { line } of pairLines(db, rows.map(({ id }) => id))) yield line;
}

/** A line for each of these token pairs, by case. */
export async function* pairLines(
  db: Database,
  tokenPairIds: readonly number[],
): AsyncGenerator<{ readonly tokenPairId: number; readonly key: string; readonly line: string }> {
  for (let from = 0; from < tokenPairIds.length; from += PAGE) {
    const page = await db.select({ row: failureCases, pair: tokenPairs, model: models.name }).from(tokenPairs)
      .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
      .innerJoin(models, eq(models.id, failureCases.modelId))
      .where(inArray(tokenPairs.id, tokenPairIds.slice(from, from + PAGE)))
      .orderBy(asc(failureCases.id), asc(tokenPairs.id));
    for (const { row, pair, model } of page) {
      yield { tokenPairId: pair.id, key: row.key, line: JSON.stringify(culpritLine(row, pair, model)) };
    }
  }
}

function culpritLine(
  row: typeof failureCases.$inferSelect,
  pair: typeof tokenPairs.$inferSelect,
  model: string,
) {
  const { key, benchmark, task, messages, prompt, prefix, inputIds, promptTokens, completion, completionIds } = row;
  return {
    format: "culprit/1",
    key,
    benchmark,
    task,
    model,
    messages,
    prompt,
    prefix,
    inputIds,
    promptTokens,
    completion,
    completionIds,
    target: { id: pair.targetId, text: pair.targetText, logit: pair.targetLogit },
    contrast: { id: pair.contrastId, text: pair.contrastText, logit: pair.contrastLogit, rank: pair.contrastRank },
    delta: pair.delta,
    instructionPhrases: row.instructionPhrases,
    ...(row.marksOrigin === null || row.marksOrigin === "file"
      ? {}
      : { marks: { origin: row.marksOrigin, version: row.marksVersion, instructions: row.phraseInstructions } }),
    candidates: pair.candidates,
    ...(row.item === null ? {} : { item: row.item }),
    ...(row.verdict === null ? {} : { verdict: row.verdict }),
    metadata: row.metadata,
  };
}
