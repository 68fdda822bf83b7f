/** Stored failures on which rankings of the prompt can be compared. */
import { and, eq } from "drizzle-orm";
import type { Tokenizer } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { failureCases, models, tokenPairs } from "../../schema/tables/tables.ts";
import { randomStream } from "../base/statistics/random.ts";
import type { FailureCaseRow } from "../cases/place_case.ts";
import { isControl } from "../cases/segments.ts";
import { pairsOf } from "../jobs/pair_selection.ts";
import type { PairSearchParts } from "../search/parts.ts";
import { storedCase } from "../search/stored_case.ts";
import { type AnswerError, answerError } from "./answer_error.ts";
import type { ProofCase } from "./proof.ts";

/** Where the error is: at the stored token pair, or at the final answer, against the right one. */
export const PROOF_ERRORS = ["pair", "answer"] as const;
export type ProofErrorPlace = (typeof PROOF_ERRORS)[number];

export interface ProvableSelection {
  readonly benchmark: string;
  readonly limit: number;
  readonly seed: number;
  readonly error: ProofErrorPlace;
}

type Parts = Pick<PairSearchParts, "checkers" | "tokenizer" | "model">;
type PairRow = typeof tokenPairs.$inferSelect;

/** Failures of a benchmark, one a response, drawn by the seed; those that nothing checks are left out. */
export async function provableCases(
  db: Database,
  selection: ProvableSelection,
  parts: Parts,
): Promise<ProofCase[]> {
  return await (selection.error === "pair" ? withPairs : withAnswers)(db, selection, parts);
}

/** Clean pairs. */
async function withPairs(db: Database, { benchmark, limit, seed }: ProvableSelection, parts: Parts) {
  const ids = await pairsOf(db, {
    selection: "clean",
    model: parts.model.name,
    benchmarks: [benchmark],
    key: null,
    limit: null,
    seed,
  });
  const found = new Map<number, ProofCase>();
  for (let from = 0; from < ids.length && found.size < limit; from += limit) {
    const part = ids.slice(from, from + limit);
    const rows = await db.query.tokenPairs.findMany({ where: { id: { in: part } }, with: { failureCase: true } });
    for (const id of part) {
      const row = rows.find((one) => one.id === id)!;
      const { failureCase } = row;
      if (found.has(failureCase.id) || found.size >= limit) continue;
      const at = row.position - failureCase.promptTokens;
      const one = proofCase(failureCase, { at, target: row.targetId, contrast: row.contrastId }, [row], parts);
      if (one !== undefined) found.set(failureCase.id, one);
    }
  }
  return [...found.values()];
}

/** Failed responses whose final answer is found, with or without a pair. */
async function withAnswers(db: Database, { benchmark, limit, seed }: ProvableSelection, parts: Parts) {
  const rows = await db.select({ row: failureCases }).from(failureCases)
    .innerJoin(models, eq(models.id, failureCases.modelId))
    .where(and(eq(models.name, parts.model.name), eq(failureCases.benchmark, benchmark)));
  const placed = rows.map(({ row }) => ({ row, place: randomStream(seed, `case ${row.key}`).word() }))
    .sort((a, b) => a.place - b.place || a.row.id - b.row.id);
  const found = new Map<string, ProofCase>();
  for (const { row } of placed) {
    if (found.size >= limit) break;
    // A case that was placed twice is one response.
    const response = [row.promptTokens, ...row.inputIds.slice(0, row.promptTokens), ...row.completionIds].join(",");
    if (row.item === null || found.has(response)) continue;
    const error = answerError(parts.tokenizer, row.item, row.completionIds);
    if (error === undefined) continue;
    const pairs = await db.select().from(tokenPairs).where(eq(tokenPairs.failureCaseId, row.id));
    const one = proofCase(row, error, pairs, parts);
    if (one === undefined) continue;
    const { check } = one.searchCase;
    if ((await check!(textOf(parts.tokenizer, one))).passed === false) found.set(response, one);
  }
  return [...found.values()];
}

const textOf = (tokenizer: Tokenizer, { inputIds, promptTokens }: ProofCase) =>
  tokenizer.decode(inputIds.slice(promptTokens), { continues: true });

/** Undefined where nothing checks the case, or its response ends before the error. */
function proofCase(
  row: FailureCaseRow,
  { at, target, contrast }: AnswerError,
  pairs: readonly PairRow[],
  parts: Parts,
): ProofCase | undefined {
  const { tokenizer, model: { loaded } } = parts;
  const { promptTokens, completionIds } = row;
  const searchCase = storedCase(row, parts.checkers, parts);
  const ended = loaded.config.eosIds.includes(completionIds.at(-1) ?? -1);
  const inputIds = [...row.inputIds.slice(0, promptTokens), ...ended ? completionIds.slice(0, -1) : completionIds];
  if (searchCase.check === undefined || promptTokens + at > inputIds.length) return undefined;
  const segments = row.editedSegments ?? row.segments;
  const recovering = pairs.filter(({ contrastId, candidates }) =>
    candidates.some(({ id, passed }) => id === contrastId && passed === true)
  );
  return {
    key: row.key,
    inputIds,
    promptTokens,
    special: inputIds.map((id, position) =>
      position < promptTokens ? segments[position] === "S" : isControl(tokenizer, position, id)
    ),
    // What stands before the place of a reference pair is the solution's.
    given: row.metadata["reference"] === undefined ? 0 : row.tokenCount - promptTokens,
    error: { at: promptTokens + at, target, contrast },
    recovers: recovering.length === 0 ? null : Math.max(...recovering.map(({ position }) => position)),
    searchCase,
  };
}
