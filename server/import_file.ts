/** Imports a culprit/1 file: streamed, in batches of one transaction each, going on where it was interrupted. */
import { open, stat } from "node:fs/promises";
import { and, eq } from "drizzle-orm";
import { InputError } from "../gpu/errors.ts";
import { loadTokenizer } from "../gpu/model/tokenizer.ts";
import type { Database } from "../schema/context.ts";
import { failureCases, models, tokenPairs } from "../schema/tables.ts";
import type { ImportFailure, ImportReport } from "../schema/values.ts";
import type { Transaction } from "./database.ts";
import { type ImportLine, type ImportModel, readImportLine } from "./import_line.ts";
import type { ImportState } from "./jobs.ts";
import { raiseDelta } from "./place_case.ts";
import { readLines, type TextLine } from "./text_lines.ts";

/** Lines of one transaction. */
const BATCH_LINES = 100;
/** Bytes of one transaction, unless a single line is longer. */
const BATCH_BYTES = 8 << 20;
/** Failures that a report keeps with their messages. */
const KEPT_FAILURES = 100;
/** Positions in files are stored as 32-bit numbers. */
const MAX_FILE_BYTES = 2 ** 31 - 1;

const EMPTY_REPORT: ImportReport = { lines: 0, inserted: 0, unchanged: 0, failedCount: 0, failed: [] };

export interface ImportOptions {
  readonly path: string;
  /** What people call the file, for messages. */
  readonly name: string;
  /** Where an interrupted import stands; the beginning when absent. */
  readonly from: ImportState | undefined;
  /**
   * Called inside each batch's transaction after its rows were written. What it throws undoes the batch and ends the
   * import.
   */
  readonly onBatch: (tx: Transaction, state: ImportState) => Promise<void>;
  /** Called with what became of each line, once its batch is stored. */
  readonly onLines?: (lines: readonly ImportedLine[]) => Promise<void>;
}

/** What became of a line that was not blank. */
export interface ImportedLine {
  /** The case's key; `file:line` where the line could not be read. */
  readonly id: string;
  readonly result: "inserted" | "unchanged" | "failed";
  /** Why it failed. */
  readonly message?: string;
}

/** Throws InputError when the file cannot be read; broken lines are reported, not thrown. */
export async function importFile(db: Database, options: ImportOptions): Promise<ImportState> {
  const { path, name, onBatch } = options;
  const total = await stat(path).then((info) => info.isFile() ? info.size : undefined, () => undefined);
  if (total === undefined) {
    throw new InputError("it cannot be read as a file", name, "give the path of a JSON Lines file");
  }
  if (total > MAX_FILE_BYTES) throw new InputError("it is larger than 2 GiB", name, "split it");
  const modelOf = modelFinder(db);
  const file = await open(path);
  let state = options.from ?? { done: 0, total, report: EMPTY_REPORT };
  try {
    for await (const batch of batches(readLines(file, state.done))) {
      const first = state.report.lines + 1;
      const read = await Promise.all(
        batch.map((line, index) => readOne(line.text, `${name}:${first + index}`, modelOf)),
      );
      let lines: readonly ImportedLine[] = [];
      state = await db.transaction(async (tx) => {
        const stored = await storeBatch(tx, read, state.report);
        lines = stored.lines;
        const after = { done: batch.at(-1)!.end, total, report: stored.report };
        await onBatch(tx, after);
        return after;
      });
      await options.onLines?.(lines);
    }
    return state;
  } finally {
    await file.close();
  }
}

async function* batches(lines: AsyncIterable<TextLine>): AsyncGenerator<readonly TextLine[]> {
  let batch: TextLine[] = [];
  let bytes = 0;
  for await (const line of lines) {
    batch.push(line);
    bytes += line.text?.length ?? 0;
    if (batch.length < BATCH_LINES && bytes < BATCH_BYTES) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}

/** A line that was read: blank, wrong, or ready to store. */
type Read =
  | { readonly kind: "blank" }
  | { readonly kind: "wrong"; readonly where: string; readonly message: string }
  | { readonly kind: "line"; readonly where: string; readonly line: ImportLine };

type ModelFinder = (name: string) => Promise<ImportModel | undefined>;

async function readOne(text: string | undefined, where: string, modelOf: ModelFinder): Promise<Read> {
  try {
    if (text === undefined) {
      throw new InputError("the line is longer than 32 MiB", where, "leave out what is not needed");
    }
    if (text.trim() === "") return { kind: "blank" };
    return { kind: "line", where, line: await readImportLine(text, where, modelOf) };
  } catch (error) {
    if (error instanceof InputError) return { kind: "wrong", where, message: error.message };
    throw error;
  }
}

async function storeBatch(
  tx: Transaction,
  read: readonly Read[],
  before: ImportReport,
): Promise<{ readonly report: ImportReport; readonly lines: readonly ImportedLine[] }> {
  const lines: ImportedLine[] = [];
  let { inserted, unchanged, failedCount } = before;
  const failed: ImportFailure[] = [...before.failed];
  for (const [index, one] of read.entries()) {
    if (one.kind === "blank") continue;
    const result = one.kind === "line" ? await storeLine(tx, one.line, one.where) : one;
    const id = one.kind === "line" ? one.line.failureCase.key : one.where;
    lines.push(
      result.kind === "wrong" ? { id, result: "failed", message: result.message } : { id, result: result.kind },
    );
    if (result.kind === "inserted") inserted++;
    else if (result.kind === "unchanged") unchanged++;
    else if (result.kind === "wrong") {
      failedCount++;
      if (failed.length < KEPT_FAILURES) failed.push({ line: before.lines + index + 1, message: result.message });
    }
  }
  return { report: { lines: before.lines + read.length, inserted, unchanged, failedCount, failed }, lines };
}

type Stored = { readonly kind: "inserted" | "unchanged" } | { readonly kind: "wrong"; readonly message: string };

/** Stores a line's case and pair, unless they are there word for word. */
async function storeLine(tx: Transaction, line: ImportLine, where: string): Promise<Stored> {
  const conflict = (what: string): Stored => ({
    kind: "wrong",
    message: new InputError(what, where, "give it a key of its own, or leave it as it was").message,
  });
  const { failureCase, tokenPair } = line;
  const key = and(eq(failureCases.modelId, failureCase.modelId), eq(failureCases.key, failureCase.key));
  const [added] = await tx.insert(failureCases).values(failureCase)
    .onConflictDoNothing({ target: [failureCases.modelId, failureCases.key] }).returning({ id: failureCases.id });
  let failureCaseId = added?.id;
  if (failureCaseId === undefined) {
    const [other] = await tx.select({ id: failureCases.id, hash: failureCases.contentHash }).from(failureCases).where(
      key,
    );
    if (!other) throw new Error("A failure case that was in the way cannot be read");
    if (other.hash !== failureCase.contentHash) {
      return conflict(`the key "${failureCase.key}" is stored with other content`);
    }
    failureCaseId = other.id;
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
    if (other?.hash === tokenPair.contentHash) return { kind: "unchanged" };
    return conflict(`the token pair of "${failureCase.key}" is stored with other numbers`);
  }
  if (!added) {
    await raiseDelta(tx, failureCaseId, tokenPair.delta);
  }
  return { kind: "inserted" };
}

/** Finds models by name, each with its tokenizer loaded once. */
function modelFinder(db: Database): ModelFinder {
  const known = new Map<string, Promise<ImportModel | undefined>>();
  const find = async (name: string): Promise<ImportModel | undefined> => {
    const [row] = await db.select().from(models).where(eq(models.name, name));
    if (!row) return undefined;
    return { id: row.id, name, vocabulary: row.vocabulary, tokenizer: await loadTokenizer(row.directory) };
  };
  return (name) => {
    const found = known.get(name) ?? find(name);
    known.set(name, found);
    return found;
  };
}
