/** What a stored failure case says of its relevant tokens. */
import { eq } from "drizzle-orm";
import { InputError, type Tokenizer } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { benchmarks, failureCases, tokenPairs } from "../../schema/tables/tables.ts";
import type { CheckItem, Detail } from "../../schema/tables/values.ts";
import type { Checkers } from "../checkers/check.ts";
import { checkItemOf, type Items, readItems } from "../benchmarks/items.ts";
import { countingMarks } from "../marks/found_marks.ts";
import { relevantTokens } from "./relevant_tokens.ts";

export interface CaseMarks extends ReturnType<typeof countingMarks> {
  /** Segments as they count: a person's, where somebody changed them. */
  readonly segments: string;
  readonly relevant: readonly boolean[] | null;
}

/** Files of benchmarks by path and hash, so that a job of many cases reads each once. */
const files = new Map<string, Promise<Items | undefined>>();

/** Reads what is marked in a pair's case, and which of its constraints the answer breaks. */
export async function readMarks(
  db: Database,
  tokenPairId: number,
  tokenizer: Tokenizer,
  checkers: Checkers,
): Promise<CaseMarks> {
  const [row] = await db.select({
    benchmark: failureCases.benchmark,
    messages: failureCases.messages,
    completion: failureCases.completion,
    instructionPhrases: failureCases.instructionPhrases,
    phraseInstructions: failureCases.phraseInstructions,
    marksOrigin: failureCases.marksOrigin,
    marksVersion: failureCases.marksVersion,
    inputIds: failureCases.inputIds,
    promptTokens: failureCases.promptTokens,
    segments: failureCases.segments,
    editedSegments: failureCases.editedSegments,
    item: failureCases.item,
    verdict: failureCases.verdict,
  }).from(failureCases).innerJoin(tokenPairs, eq(tokenPairs.failureCaseId, failureCases.id))
    .where(eq(tokenPairs.id, tokenPairId));
  if (!row) throw new InputError(`there is no token pair ${tokenPairId}`, "tokenPairIds", "ask for one that is there");
  const { editedSegments, segments: found, ...failureCase } = row;
  const segments = editedSegments ?? found;
  const edited = editedSegments !== null;
  const detail = edited || row.instructionPhrases.length < 2 ? undefined : await detailOf(db, row, checkers);
  return {
    ...countingMarks(row),
    segments,
    relevant: relevantTokens(tokenizer, { ...failureCase, segments, edited }, detail),
  };
}

interface CheckedCase {
  readonly benchmark: string;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly completion: string;
  readonly item: CheckItem | null;
  readonly verdict: { readonly detail?: Detail } | null;
}

/** The verdict on each instruction: the stored one, or that of the benchmark's item, where one is known. */
async function detailOf(
  db: Database,
  { benchmark, messages, completion, item, verdict }: CheckedCase,
  checkers: Checkers,
): Promise<Detail | undefined> {
  if (verdict?.detail?.["strict"] !== undefined) return verdict.detail;
  const known = item ?? await itemOf(db, benchmark, messages.findLast(({ role }) => role === "user")?.content);
  return known?.kind === "ifeval" ? (await checkers.check(known, completion)).detail : undefined;
}

async function itemOf(db: Database, benchmark: string, prompt: string | undefined): Promise<CheckItem | null> {
  if (prompt === undefined) return null;
  const [row] = await db.select({ path: benchmarks.path, hash: benchmarks.hash }).from(benchmarks)
    .where(eq(benchmarks.name, benchmark));
  if (!row) return null;
  const name = `${row.hash} ${row.path}`;
  // A file that is gone says nothing about its cases; diagnosis goes on without it.
  const reading = files.get(name) ?? readItems(row.path, row.path).catch(() => undefined);
  files.set(name, reading);
  const found = (await reading)?.find(prompt);
  return found === undefined ? null : checkItemOf(found);
}
