/**
 * Stores responses of a model to items of benchmarks, imported or collected: all of them, and each one
 * that failed as an open failure case besides. The same response twice changes nothing.
 */
import { and, eq, inArray, isNull, notExists } from "drizzle-orm";
import type { Tokenizer } from "../../gpu/mod.ts";
import { failureCases, responses, tokenPairs } from "../../schema/tables/tables.ts";
import {
  type ChatMessage,
  type CheckItem,
  type Thought,
  type Verdict,
  VERDICT_BASES,
} from "../../schema/tables/values.ts";
import { textHash } from "../base/canonical_hash.ts";
import type { Transaction } from "../database/database.ts";
import { tokenTextsOf } from "./place_case.ts";
import { foundMarks, instructionsOf, originOf } from "../marks/found_marks.ts";
import { spellMarks } from "./segments.ts";

/** What makes a response the same response when it comes again; the model counts too. */
export interface ResponseIdentity {
  readonly benchmark: string;
  /** The item's name within its benchmark. */
  readonly task: string;
  /** SHA-256 of the benchmark's item. */
  readonly docHash: string;
  /** SHA-256 of the prompt before it was rendered, or as a log gives it. */
  readonly promptHash: string;
  /** "none" for raw output. */
  readonly filter: string;
  /** Tells several responses to one prompt apart; left out where there is one. */
  readonly sample?: string;
  /** Stands for the task in the key, where the task's name may only be learnt later. */
  readonly label?: string;
}

/** A response with its tokens and verdict. */
export interface ModelResponse extends ResponseIdentity {
  readonly modelId: number;
  /** The chat that the prompt was rendered from; empty for a plain prompt. */
  readonly messages: readonly ChatMessage[];
  /** The prompt as the model read it; empty when it is not known, so that no failure case can be made. */
  readonly prompt: string;
  readonly promptIds: readonly number[];
  readonly completion: string;
  readonly completionIds: readonly number[];
  /** Where the model was asked to think: the part of the completion that is its thought. */
  readonly thought?: Thought | null;
  /** Constraint phrases; those that the prompt does not spell are left out. */
  readonly instructionPhrases: readonly string[];
  readonly item: CheckItem | null;
  readonly verdict: Verdict | null;
  /** Whether log and checker both decided, and otherwise from each other. */
  readonly disagrees?: boolean;
  /** Which template the question was asked with, where we asked it. */
  readonly promptTemplate?: string;
  readonly source: "imported" | "collected";
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** The key of a response and of its failure case, unique for a model. */
export function responseKey(identity: ResponseIdentity): string {
  const { benchmark, task, docHash, promptHash, filter, sample, label = task } = identity;
  const hash = textHash(`${docHash}\n${promptHash}`).slice(0, 12);
  const ending = `${filter === "none" ? "" : `/${filter}`}${sample === undefined ? "" : `#${sample}`}`;
  return `${benchmark}/${label}/${hash}${ending}`;
}

/** What became of a response. */
export type StoredResponse =
  /**
   * `updated`: the same response was stored with another verdict, which had a weaker basis, or with none. `passed` and
   * `disagrees` are what is stored now.
   */
  | {
    readonly kind: "inserted" | "unchanged" | "updated";
    readonly key: string;
    readonly responseId: number;
    readonly passed: boolean | null;
    readonly disagrees: boolean;
  }
  /** Another response is stored under its key. */
  | { readonly kind: "conflict"; readonly key: string }
  /** The same response is stored with the other verdict, and nothing says which counts. */
  | { readonly kind: "verdict_conflict"; readonly key: string; readonly stored: boolean; readonly given: boolean };

type ResponseRow = Omit<typeof responses.$inferInsert, "id">;
type CaseRow = Omit<typeof failureCases.$inferInsert, "id" | "responseId">;

interface Rows {
  readonly response: ResponseRow;
  /** Undefined unless the response failed. */
  readonly failureCase: CaseRow | undefined;
}

/** Responses that one statement stores: it has a parameter for each column of each, 65,535 at most. */
const RESPONSES_AT_ONCE = 500;

/**
 * Stores responses, few statements for many. The result has an entry for each response, in order. `tokenizerOf` gives the
 * tokenizer of a response's model.
 */
export async function storeResponses(
  tx: Transaction,
  given: readonly ModelResponse[],
  tokenizerOf: (modelId: number) => Tokenizer,
): Promise<StoredResponse[]> {
  const results: StoredResponse[] = [];
  for (let from = 0; from < given.length; from += RESPONSES_AT_ONCE) {
    results.push(...await storeSome(tx, given.slice(from, from + RESPONSES_AT_ONCE), tokenizerOf));
  }
  return results;
}

async function storeSome(
  tx: Transaction,
  given: readonly ModelResponse[],
  tokenizerOf: (modelId: number) => Tokenizer,
): Promise<StoredResponse[]> {
  const rows = given.map((one) => rowsOf(one, tokenizerOf(one.modelId)));
  const added = await tx.insert(responses).values(rows.map(({ response }) => response))
    .onConflictDoNothing({ target: [responses.modelId, responses.key] })
    .returning({ id: responses.id, modelId: responses.modelId, key: responses.key });
  const place = (row: { readonly modelId: number; readonly key: string }) => `${row.modelId} ${row.key}`;
  const addedIds = new Map(added.map((row) => [place(row), row.id]));
  const stored = await storedResponses(tx, rows.map(({ response }) => response), addedIds.size === rows.length);

  const results: StoredResponse[] = [];
  const cases: (typeof failureCases.$inferInsert)[] = [];
  for (const row of rows) {
    const { response, failureCase } = row;
    const addedId = addedIds.get(place(response));
    if (addedId !== undefined) {
      // A later response of the same file with the same key meets the one that was just added.
      addedIds.delete(place(response));
      if (failureCase) cases.push({ ...failureCase, responseId: addedId });
      results.push(storedAs("inserted", addedId, response));
      continue;
    }
    const other = stored.get(place(response));
    if (other === undefined) throw new Error("A response that was in the way cannot be read");
    const result = compareResponses(other, response);
    if (result.kind === "updated") {
      const { passed, verdict, item, task, disagrees } = response;
      await tx.update(responses).set({ passed, verdict, item, task, disagrees } as ResponseRow)
        .where(eq(responses.id, other.id));
      stored.set(place(response), {
        ...other,
        passed: passed ?? null,
        basis: basisOf(verdict),
        disagrees: result.disagrees,
      });
      if (failureCase) cases.push({ ...failureCase, responseId: other.id });
      // What was taken for a failure, and nobody has worked on yet, is none.
      else if (other.passed === false) await dropOpenCase(tx, other.id, cases);
    }
    results.push(result);
  }
  if (cases.length > 0) {
    // A case that was imported with its pair before keeps what it has.
    await tx.insert(failureCases).values(cases)
      .onConflictDoNothing({ target: [failureCases.modelId, failureCases.key] });
  }
  return results;
}

function storedAs(
  kind: "inserted" | "unchanged" | "updated",
  responseId: number,
  { key, passed = null, disagrees = false }: Pick<ResponseRow, "key" | "passed" | "disagrees">,
): Extract<StoredResponse, { responseId: number }> {
  return { kind, key, responseId, passed, disagrees };
}

/** What a response is beside the one that is stored under its key. */
function compareResponses(other: KeptResponse, response: ResponseRow): StoredResponse {
  const { key } = response;
  const given = response.passed ?? null;
  if (other.contentHash !== response.contentHash) return { kind: "conflict", key };
  if (given === null || given === other.passed) return storedAs("unchanged", other.id, { ...other, key });
  const stronger = basisOf(response.verdict) - other.basis;
  if (other.passed === null || stronger > 0) return storedAs("updated", other.id, response);
  return stronger < 0
    ? storedAs("unchanged", other.id, { ...other, key })
    : { kind: "verdict_conflict", key, stored: other.passed, given };
}

/** The rank of what a verdict rests on; verdicts without a basis give way to those that have one. */
function basisOf(verdict: Verdict | null | undefined): number {
  return verdict?.basis === undefined ? -1 : VERDICT_BASES.indexOf(verdict.basis);
}

/** Removes the failure case of a response that passes after all, unless its pair was found, or somebody decided on it. */
async function dropOpenCase(
  tx: Transaction,
  responseId: number,
  waiting: (typeof failureCases.$inferInsert)[],
): Promise<void> {
  const at = waiting.findIndex((one) => one.responseId === responseId);
  if (at >= 0) waiting.splice(at, 1);
  const pairs = tx.select({ id: tokenPairs.id }).from(tokenPairs).where(eq(tokenPairs.failureCaseId, failureCases.id));
  await tx.delete(failureCases).where(and(
    eq(failureCases.responseId, responseId),
    eq(failureCases.status, "open"),
    isNull(failureCases.reviewer),
    notExists(pairs),
  ));
}

interface KeptResponse {
  readonly id: number;
  readonly contentHash: string;
  readonly passed: boolean | null;
  /** Rank of what its verdict rests on. */
  readonly basis: number;
  readonly disagrees: boolean;
}

/** The responses that are stored under the keys, by model and key; read only when some were in the way. */
async function storedResponses(
  tx: Transaction,
  rows: readonly ResponseRow[],
  allNew: boolean,
): Promise<Map<string, KeptResponse>> {
  if (allNew) return new Map();
  const found = await tx.select({
    id: responses.id,
    modelId: responses.modelId,
    key: responses.key,
    contentHash: responses.contentHash,
    passed: responses.passed,
    verdict: responses.verdict,
    disagrees: responses.disagrees,
  }).from(responses).where(and(
    inArray(responses.modelId, [...new Set(rows.map(({ modelId }) => modelId))]),
    inArray(responses.key, rows.map(({ key }) => key)),
  ));
  return new Map(
    found.map(({ modelId, key, verdict, ...row }) => [`${modelId} ${key}`, { ...row, basis: basisOf(verdict) }]),
  );
}

function rowsOf(given: ModelResponse, tokenizer: Tokenizer): Rows {
  const { modelId, benchmark, task, filter, docHash, promptHash, prompt, completion, item, verdict, source } = given;
  const key = responseKey(given);
  const promptIds = [...given.promptIds];
  const completionIds = [...given.completionIds];
  const passed = verdict?.passed ?? null;
  const contentHash = textHash(JSON.stringify([prompt, completion]));
  const response: ResponseRow = {
    modelId,
    benchmark,
    task,
    key,
    filter,
    docHash,
    promptHash,
    prompt,
    promptIds,
    completion,
    completionIds,
    thought: given.thought ?? null,
    passed,
    verdict,
    item,
    disagrees: given.disagrees ?? false,
    promptTemplate: given.promptTemplate ?? null,
    source,
    contentHash,
  };
  if (passed !== false || promptIds.length === 0) return { response, failureCase: undefined };
  const empty = completionIds.length === 0;
  const found = foundMarks(given.instructionPhrases, item);
  const { marks, segments } = spellMarks(tokenizer, promptIds, promptIds.length, found?.marks ?? []);
  return {
    response,
    failureCase: {
      modelId,
      key,
      benchmark,
      task,
      messages: given.messages,
      prompt,
      prefix: "",
      completion,
      completionIds,
      instructionPhrases: marks.map(({ phrase }) => phrase),
      phraseInstructions: instructionsOf(marks),
      ...originOf(marks.length > 0 ? found : null),
      metadata: given.thought ? { ...given.metadata, thought: given.thought } : given.metadata,
      inputIds: promptIds,
      tokenTexts: tokenTextsOf(tokenizer, promptIds),
      segments,
      tokenCount: promptIds.length,
      promptTokens: promptIds.length,
      delta: null,
      status: empty ? "excluded" : "open",
      exclusion: empty ? "no_completion" : null,
      source,
      item,
      verdict,
      filter,
      contentHash,
    },
  };
}
