/** Stores a batch of entries in one transaction, and counts what became of them. */
import { and, eq, inArray } from "drizzle-orm";
import { InputError } from "../../gpu/mod.ts";
import { labels } from "../../schema/tables/analysis_tables.ts";
import { failureCases, models, pairLine, tokenPairs } from "../../schema/tables/tables.ts";
import type { ImportReport } from "../../schema/tables/values.ts";
import { annotate, choiceOf, type ChosenToken } from "../cases/annotate.ts";
import type { Transaction } from "../database/database.ts";
import { raiseDelta } from "../cases/place_case.ts";
import { type StoredResponse, storeResponses } from "../cases/store_responses.ts";
import type { ImportLine, ImportModel, ModelFinder } from "./import_model.ts";
import type { Entry } from "./read_entries.ts";
import {
  type CountedVerdict,
  countFailure,
  type Counting,
  counting,
  countMended,
  countSkipped,
  countVerdict,
  uncountVerdict,
} from "./report.ts";

/** What became of a record that was not blank. */
export interface ImportedLine {
  /** The key of case or response; the record's place where it could not be read. */
  readonly id: string;
  readonly kind: "failureCase" | "response" | "annotation" | "label" | "record";
  readonly result: "inserted" | "unchanged" | "failed" | "skipped";
  /** Whether a response passed; null when nobody could decide. */
  readonly passed?: boolean | null;
  /** Log and checker judge it differently. */
  readonly disagrees?: true;
  /** Why it failed or was left out. */
  readonly message?: string;
}

export interface StoredBatch {
  readonly report: ImportReport;
  readonly lines: readonly ImportedLine[];
  /** How the batch's responses were counted: to be kept once it is stored. */
  readonly counted: Counted;
}

/** How each response of an import was counted, by its id. */
export type Counted = Map<number, CountedVerdict>;

export async function storeBatch(
  tx: Transaction,
  entries: readonly Entry[],
  before: ImportReport,
  { finder, counted }: { readonly finder: ModelFinder; readonly counted: Counted },
): Promise<StoredBatch> {
  const report = counting(before);
  const own: Counted = new Map();
  const both: CountedHere = { get: (id) => own.get(id) ?? counted.get(id), set: (id, verdict) => own.set(id, verdict) };
  const lines: ImportedLine[] = [];
  const responses = entries.flatMap((entry) => entry.kind === "response" ? [entry.response] : []);
  const stored = (await storeResponses(tx, responses, finder.tokenizerOf)).values();
  for (const entry of entries) {
    report.lines = Math.max(report.lines, entry.ordinal);
    if (entry.mended) countMended(report, entry.mended);
    const line = entry.kind === "blank"
      ? undefined
      : await storeEntry(tx, entry, { report, stored, finder, counted: both });
    if (line === undefined) continue;
    lines.push(line);
    if (line.result === "inserted") report.inserted++;
    else if (line.result === "unchanged") report.unchanged++;
    else if (line.result === "failed") countFailure(report, entry.ordinal, line.message ?? "");
  }
  return { report, lines, counted: own };
}

interface CountedHere {
  readonly get: (id: number) => CountedVerdict | undefined;
  readonly set: (id: number, verdict: CountedVerdict) => void;
}

interface Storing {
  readonly report: Counting;
  /** What became of the responses, in order. */
  readonly stored: Iterator<StoredResponse>;
  readonly finder: ModelFinder;
  readonly counted: CountedHere;
}

async function storeEntry(
  tx: Transaction,
  entry: Exclude<Entry, { kind: "blank" }>,
  { report, stored, finder, counted }: Storing,
): Promise<ImportedLine> {
  switch (entry.kind) {
    case "wrong":
      return { id: entry.where, kind: "record", result: "failed", message: entry.error.message };
    case "skipped":
      countSkipped(report, entry.reason);
      return { id: entry.where, kind: "record", result: "skipped", message: entry.reason };
    case "response":
      return responseLine(entry, stored.next().value, { report, counted });
    case "case":
      return await storeLine(tx, entry.line, entry.where);
    case "annotation":
      return await storeAnnotation(tx, entry, finder);
    case "label":
      return await storeLabel(tx, entry);
  }
}

function responseLine(
  { response, where }: Extract<Entry, { kind: "response" }>,
  stored: StoredResponse,
  { report, counted }: Pick<Storing, "report" | "counted">,
): ImportedLine {
  const { key } = stored;
  if (stored.kind === "conflict" || stored.kind === "verdict_conflict") {
    const message = stored.kind === "conflict"
      ? conflict(`another response is stored as "${key}"`, where)
      : new InputError(
        `the same response is stored as "${key}" and ${stored.stored ? "passed" : "failed"} there, here it ${
          stored.given ? "passed" : "failed"
        }`,
        where,
        "leave out the verdict that does not count",
      ).message;
    return { id: key, kind: "response", result: "failed", message };
  }
  const { kind, responseId, passed, disagrees } = stored;
  // A response that comes again in the same import is one response: what is stored of it counts.
  const before = counted.get(responseId);
  if (before !== undefined) uncountVerdict(report, before);
  counted.set(responseId, countVerdict(report, passed, disagrees));
  if (before === undefined && passed === false && response.promptIds.length === 0) countSkipped(report, "no_prompt");
  const result = kind === "inserted" || (kind === "updated" && before === undefined) ? "inserted" : "unchanged";
  return { id: key, kind: "response", result, passed, ...(disagrees ? { disagrees } : {}) };
}

function conflict(what: string, where: string): string {
  return new InputError(what, where, "give it a key of its own, or leave it as it was").message;
}

/** Stores a line's case and pair, unless they are there word for word. */
async function storeLine(tx: Transaction, line: ImportLine, where: string): Promise<ImportedLine> {
  const { failureCase, tokenPair } = line;
  const result = (result: ImportedLine["result"], what?: string): ImportedLine => ({
    id: failureCase.key,
    kind: "failureCase",
    result,
    ...(what === undefined ? {} : { message: conflict(what, where) }),
  });
  const key = and(eq(failureCases.modelId, failureCase.modelId), eq(failureCases.key, failureCase.key));
  const [added] = await tx.insert(failureCases).values({ ...failureCase, pairTokens: pairLine(tokenPair) })
    .onConflictDoNothing({ target: [failureCases.modelId, failureCases.key] }).returning({ id: failureCases.id });
  let failureCaseId = added?.id;
  if (failureCaseId === undefined) {
    const [other] = await tx.select({
      id: failureCases.id,
      hash: failureCases.contentHash,
      item: failureCases.item,
    }).from(failureCases).where(key);
    if (!other) throw new Error("A failure case that was in the way cannot be read");
    if (other.hash !== failureCase.contentHash) {
      return result("failed", `the key "${failureCase.key}" is stored with other content`);
    }
    failureCaseId = other.id;
    // Cases of before their benchmark was known.
    const { item } = failureCase;
    if (other.item === null && item != null) {
      await tx.update(failureCases).set({ item }).where(eq(failureCases.id, failureCaseId));
    }
  }

  const [pair] = await tx.insert(tokenPairs).values({ ...tokenPair, failureCaseId })
    .onConflictDoNothing({ target: [tokenPairs.failureCaseId, tokenPairs.targetId, tokenPairs.contrastId] })
    .returning({ id: tokenPairs.id });
  if (!pair) {
    const [other] = await tx.select({ hash: tokenPairs.contentHash }).from(tokenPairs).where(and(
      eq(tokenPairs.failureCaseId, failureCaseId),
      eq(tokenPairs.targetId, tokenPair.targetId),
      eq(tokenPairs.contrastId, tokenPair.contrastId),
    ));
    if (other?.hash === tokenPair.contentHash) return result("unchanged");
    return result("failed", `the token pair of "${failureCase.key}" is stored with other numbers`);
  }
  if (!added) await raiseDelta(tx, failureCaseId, tokenPair.delta);
  return result("inserted");
}

/** Stores a vote about the case of a key. */
async function storeAnnotation(
  tx: Transaction,
  { key, annotation, model, where }: Extract<Entry, { kind: "annotation" }>,
  { find }: ModelFinder,
): Promise<ImportedLine> {
  try {
    const one = await caseOf(tx, key, model, where);
    const known = await find(one.model);
    if (!known) throw new Error(`Model ${one.model} cannot be read`);
    const choose = (chosen: ChosenToken) => Promise.resolve(choiceOf(known.tokenizer, known.vocabulary, chosen));
    const { kind } = await annotate(tx, one.id, annotation, { choose, where });
    return { id: key, kind: "annotation", result: kind };
  } catch (error) {
    // Nothing was written: the others of the batch are stored.
    if (error instanceof InputError) return { id: key, kind: "annotation", result: "failed", message: error.message };
    throw error;
  }
}

/** Stores what a reader says of the pair of a case. What the same reader said before stays as it is. */
async function storeLabel(
  tx: Transaction,
  { key, label, model, where }: Extract<Entry, { kind: "label" }>,
): Promise<ImportedLine> {
  try {
    const { id } = await caseOf(tx, key, model, where);
    const tokenPairId = await pairOf(tx, id, key, label.contrast, where);
    const said = { outcome: label.outcome, pattern: label.pattern, note: label.note === "" ? null : label.note };
    const [added] = await tx.insert(labels).values({ tokenPairId, reader: label.reader, ...said })
      .onConflictDoNothing({ target: [labels.tokenPairId, labels.reader] }).returning({ id: labels.id });
    if (added) return { id: key, kind: "label", result: "inserted" };
    const [before] = await tx.select({ outcome: labels.outcome, pattern: labels.pattern, note: labels.note })
      .from(labels).where(and(eq(labels.tokenPairId, tokenPairId), eq(labels.reader, label.reader)));
    if (
      before?.outcome === said.outcome && before.pattern === said.pattern && (before.note || null) === said.note
    ) return { id: key, kind: "label", result: "unchanged" };
    throw new InputError(
      `${label.reader} has labelled "${key}" otherwise`,
      where,
      "leave it as it was, change it on the page (labelTokenPair in GraphQL), or give the second reading its own name",
    );
  } catch (error) {
    if (error instanceof InputError) return { id: key, kind: "label", result: "failed", message: error.message };
    throw error;
  }
}

/** The token pair that a label is about: the case's only one, or that with the contrast. */
async function pairOf(
  tx: Transaction,
  failureCaseId: number,
  key: string,
  contrast: string | undefined,
  where: string,
): Promise<number> {
  const pairs = await tx.select({ id: tokenPairs.id, contrast: tokenPairs.contrastText }).from(tokenPairs)
    .where(eq(tokenPairs.failureCaseId, failureCaseId)).orderBy(tokenPairs.id);
  const meant = contrast === undefined ? pairs : pairs.filter((pair) => pair.contrast.trim() === contrast.trim());
  const [one] = meant;
  if (one !== undefined && meant.length === 1) return one.id;
  const contrasts = pairs.map((pair) => JSON.stringify(pair.contrast)).join(", ");
  throw pairs.length === 0
    ? new InputError(`"${key}" has no token pair yet`, where, "search or annotate its pair first, then import again")
    : new InputError(
      one === undefined ? `"${key}" has no pair with this contrast` : `"${key}" has ${meant.length} token pairs`,
      where,
      `say which: "contrast" is one of ${contrasts}`,
    );
}

/** The failure case of a key; keys are unique for a model only, so it may have to be said which. */
async function caseOf(
  tx: Transaction,
  key: string,
  model: ImportModel | undefined,
  where: string,
): Promise<{ readonly id: number; readonly model: string }> {
  const found = await tx.select({ id: failureCases.id, model: models.name })
    .from(failureCases).innerJoin(models, eq(models.id, failureCases.modelId))
    .where(
      and(
        eq(failureCases.key, key),
        inArray(failureCases.modelId, model ? [model.id] : tx.select({ id: models.id }).from(models)),
      ),
    );
  const [one] = found;
  if (one !== undefined && found.length === 1) return one;
  throw one === undefined
    ? new InputError(`there is no failure case "${key}"`, where, "give the key that it was stored under")
    : new InputError(`"${key}" is a case of ${found.length} models`, where, "say which: --model NAME");
}
