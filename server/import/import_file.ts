/** Imports a file or a folder: streamed, in batches of one transaction each, going on where it was interrupted. */
import { basename } from "node:path";
import { InputError } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import type { ImportChoices, ImportFormat } from "../../schema/tables/values.ts";
import { type Checkers, openCheckers } from "../checkers/check.ts";
import type { Transaction } from "../database/database.ts";
import type { ImportState } from "../jobs/jobs.ts";
import { faultOf, type PlaceKeeper, takeCare } from "./careful.ts";
import { chooseFormat } from "./choose_format.ts";
import type { FileFacts, Format } from "./format.ts";
import { FORMATS } from "./formats.ts";
import { type ImportModel, type ModelFinder, modelFinder } from "./import_model.ts";
import { type Items, readItems } from "../benchmarks/items.ts";
import { itemFinder } from "../benchmarks/known_items.ts";
import { type Entry, readEntries, type ReadParts } from "./read_entries.ts";
import { listFiles, readRecords, type RecordFile, type TextRecord } from "./records.ts";
import { EMPTY_REPORT } from "./report.ts";
import { type Counted, type ImportedLine, storeBatch } from "./store_batch.ts";

/** Records of one transaction. */
const BATCH_RECORDS = 100;
/** Characters of one transaction, unless a single record is longer. */
const BATCH_CHARACTERS = 4 << 20;
/** Characters read between two collections of garbage: V8 by itself would let an import of 1 GB take 700 MB. */
const COLLECT_CHARACTERS = 4_000_000;
/** There where the process was started for it (SERVER_FLAGS). */
const collectGarbage = (globalThis as { readonly gc?: () => void }).gc;

export interface ImportOptions extends ImportChoices {
  readonly path: string;
  /** What people call the file, for messages. */
  readonly name: string;
  /** Where an interrupted import stands; the beginning when absent. */
  readonly at: ImportState | undefined;
  /**
   * Called inside each batch's transaction after its rows were written, with how its responses were counted. What it
   * throws undoes the batch and ends the import.
   */
  readonly onBatch: (tx: Transaction, state: ImportState, counted: Counted) => Promise<void>;
  /** How responses were counted before the import was interrupted; it is added to. */
  readonly counted?: Counted;
  /** What is known of attempts before this one; none when left out. */
  readonly places?: PlaceKeeper;
  /** Checkers that others use too; the import opens and closes its own when they are left out. */
  readonly checkers?: Checkers;
  /** Called once with the format, before anything is stored. */
  readonly onFormat?: (format: ImportFormat) => void;
  /** Called with what became of each record, once its batch is stored. */
  readonly onLines?: (lines: readonly ImportedLine[]) => Promise<void>;
}

/**
 * Throws InputError before anything is stored when the file cannot be read, or its model is not known; records that are
 * broken are reported, not thrown.
 */
export async function importFile(db: Database, options: ImportOptions): Promise<ImportState> {
  const { path, name, onBatch } = options;
  const from = await chooseFormat(options);
  options.onFormat?.(from);
  const format = FORMATS[from];
  const files = await listFiles(path, name, format.accepts, format.choose ?? ((names) => names));
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const finder = modelFinder(db);
  const items = await itemsOf(options, from, format);
  const modelOf = await modelChooser(files, options, format, finder);
  const checkers = options.checkers ?? openCheckers({ oneSource: true });
  const parts: ReadParts = {
    format,
    modelOf,
    checkers,
    findItem: itemFinder(db, items),
    find: options.model === undefined ? finder.find : () => modelOf(files[0]!),
    factsOf: factsFinder(options, from, items),
  };
  let state: ImportState = options.at ?? { done: 0, total, report: EMPTY_REPORT };
  const counted: Counted = options.counted ?? new Map();
  const collect = collector();
  const care = await takeCare(options.places, state.done);
  const land = async (batch: readonly TextRecord[], refused?: InputError): Promise<void> => {
    const entries = refused
      ? [wrongEntry(batch[0]!, state, refused)]
      : await readEntries(batch, state.report.lines, parts);
    const unknown = state.report.lines === 0 ? unknownModel(entries) : undefined;
    if (unknown) throw unknown;
    let lines: readonly ImportedLine[] = [];
    state = await db.transaction(async (tx) => {
      const stored = await storeBatch(tx, entries, state.report, { finder, counted });
      lines = stored.lines;
      const after = { done: batch.at(-1)!.end, total, report: stored.report };
      await onBatch(tx, after, stored.counted);
      for (const [id, verdict] of stored.counted) counted.set(id, verdict);
      return after;
    });
    await options.onLines?.(lines);
    collect(batch);
  };
  /** A record that fails for a reason of its own is a line of the report, and takes no other with it. */
  const landAll = async (batch: readonly TextRecord[], refused?: InputError): Promise<void> => {
    try {
      await land(batch, refused);
    } catch (error) {
      const fault = faultOf(error, batch[0]!.where);
      if (fault === undefined) throw error;
      if (batch.length === 1) await land(batch, fault);
      else for (const record of batch) await landAll([record]);
    }
  };
  try {
    const records = readRecords(files, state.done, format);
    for await (const batch of batches(records, () => care.alone() ? 1 : BATCH_RECORDS)) {
      await landAll(batch, await care.begin(batch, state.done));
    }
    // Spaces after the last record are no records.
    return { ...state, done: total };
  } finally {
    if (options.checkers === undefined) await checkers.close();
  }
}

/** Collects garbage after so many characters of records. */
function collector(): (batch: readonly TextRecord[]) => void {
  let since = 0;
  return (batch) => {
    since += batch.reduce((sum, { text }) => sum + (text?.length ?? 0), 0);
    if (since < COLLECT_CHARACTERS) return;
    collectGarbage?.();
    since = 0;
  };
}

function wrongEntry({ where }: TextRecord, { report }: ImportState, error: InputError): Entry {
  return { kind: "wrong", error, unknownModel: false, ordinal: report.lines + 1, where };
}

/** The first record decides: when nobody knows its model, none of the others' either. */
function unknownModel([first]: readonly Entry[]): InputError | undefined {
  return first?.kind === "wrong" && first.unknownModel ? first.error : undefined;
}

async function itemsOf({ items, name }: ImportOptions, from: ImportFormat, format: Format): Promise<Items | undefined> {
  if (items !== undefined) return await readItems(items, basename(items));
  if (!format.needsItems) return undefined;
  throw new InputError(
    `${from} names tasks only, their prompts and tests are in the benchmark's file`,
    name,
    "give that file too: --items FILE (items in GraphQL)",
  );
}

/** The facts of a file: what lies beside it is read once, when its first record is. */
function factsFinder(
  options: ImportOptions,
  from: ImportFormat,
  items: Items | undefined,
): (file: RecordFile) => Promise<FileFacts> {
  let last: { readonly path: string; readonly facts: FileFacts } | undefined;
  return async (file) => {
    if (last?.path !== file.path) {
      const facts = factsOf(file, options, from, items);
      const beside = await FORMATS[from].beside?.(file.path, items);
      last = { path: file.path, facts: beside === undefined ? facts : { ...facts, beside } };
    }
    return last.facts;
  };
}

function factsOf(file: RecordFile, options: ImportOptions, from: ImportFormat, items: Items | undefined): FileFacts {
  return {
    name: file.unpackedName,
    benchmark: options.benchmark ?? FORMATS[from].benchmark?.(file.unpackedName, options.model) ??
      BENCHMARK_NAMES[from] ?? from,
    items,
    plain: options.plain ?? false,
    annotator: options.annotator,
    columns: options.columns,
  };
}

/** Benchmarks whose name is not that of their format. */
const BENCHMARK_NAMES: Partial<Record<ImportFormat, string>> = { evalplus: "humaneval" };

/** Which model a file's records are of, where they don't say it themselves. */
async function modelChooser(
  files: readonly RecordFile[],
  options: ImportOptions,
  format: Format,
  { find }: ModelFinder,
): Promise<(file: RecordFile) => Promise<ImportModel | undefined>> {
  if (options.model !== undefined) {
    const model = await find(options.model);
    if (!model) {
      throw new InputError(
        `there is no model "${options.model}"`,
        "--model",
        "add it first: npx culprit model add DIR",
      );
    }
    return () => Promise.resolve(model);
  }
  const chosen = new Map<string, Promise<ImportModel | undefined>>();
  const choose = async (file: RecordFile): Promise<ImportModel | undefined> => {
    const names = await format.modelNames?.(file.path, file.unpackedName) ?? [];
    for (const one of names) {
      const model = await find(one);
      if (model) return model;
    }
    if (format.recordsNameModels) return undefined;
    const said = names.find((one) => one !== "" && one !== ".");
    throw new InputError(
      said === undefined ? "nothing names its model" : `there is no model "${said}"`,
      file.name,
      "say which model that was added it is: --model NAME (model in GraphQL), or add it: npx culprit model add DIR",
    );
  };
  const modelOf = (file: RecordFile) => {
    const known = chosen.get(file.path) ?? choose(file);
    chosen.set(file.path, known);
    return known;
  };
  for (const file of files) await modelOf(file);
  return modelOf;
}

async function* batches(
  records: AsyncIterable<TextRecord>,
  most: () => number,
): AsyncGenerator<readonly TextRecord[]> {
  let batch: TextRecord[] = [];
  let characters = 0;
  for await (const record of records) {
    batch.push(record);
    characters += record.text?.length ?? 0;
    if (batch.length < most() && characters < BATCH_CHARACTERS) continue;
    yield batch;
    batch = [];
    characters = 0;
  }
  if (batch.length > 0) yield batch;
}
