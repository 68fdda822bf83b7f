/** Records read, rendered, tokenised and checked: ready to store, or wrong with their place and mend. */
import { extname } from "node:path";
import { setImmediate } from "node:timers";
import { InputError } from "../../gpu/mod.ts";
import type { CheckItem, Verdict } from "../../schema/tables/values.ts";
import type { LoggedAnnotation } from "../cases/annotate.ts";
import type { Checkers } from "../checkers/check.ts";
import { checkFinalAnswer } from "../checkers/math.ts";
import type { ModelResponse } from "../cases/store_responses.ts";
import type { FileFacts, Format, Logged, LoggedLabel, LoggedResponse, SkipReason } from "./format.ts";
import type { ImportLine, ImportModel } from "./import_model.ts";
import type { FindItem } from "../benchmarks/known_items.ts";
import { parseText, withStorableText } from "./parse_record.ts";
import type { RecordFile, TextRecord } from "./records.ts";
import { completionText, renderPrompt } from "./render.ts";
import type { TextFault } from "../base/text_lines.ts";
import { decide } from "./verdict_policy.ts";

/** What a record gave; a record may give several. `ordinal` is the record's, counted from 1 over the whole import. */
export type Entry =
  & {
    readonly ordinal: number;
    readonly where: string;
    /** What was mended in the record, with how often; on the first entry of a record only. */
    readonly mended?: Readonly<Partial<Record<Mend, number>>>;
  }
  & (
    | { readonly kind: "blank" }
    | { readonly kind: "wrong"; readonly error: InputError; readonly unknownModel: boolean }
    | { readonly kind: "skipped"; readonly reason: SkipReason }
    | { readonly kind: "response"; readonly response: ModelResponse }
    | { readonly kind: "case"; readonly line: ImportLine }
    | {
      readonly kind: "annotation";
      readonly key: string;
      readonly annotation: LoggedAnnotation;
      /** The model of the case, where it was said. */
      readonly model: ImportModel | undefined;
    }
    | {
      readonly kind: "label";
      readonly key: string;
      readonly label: LoggedLabel;
      /** The model of the case, where it was said. */
      readonly model: ImportModel | undefined;
    }
  );

/** What is mended in a record rather than refused; counted in the report. */
export type Mend =
  /** The text was read as Latin-1. */
  | "latin1"
  /** Characters that cannot be stored: U+FFFD stands for them. */
  | "unstorable_characters";

export interface ReadParts {
  readonly format: Format;
  /** The model of a file's records, where they don't name it. */
  readonly modelOf: (file: RecordFile) => Promise<ImportModel | undefined>;
  /** The model that a record names. */
  readonly find: (name: string) => Promise<ImportModel | undefined>;
  readonly factsOf: (file: RecordFile) => Promise<FileFacts>;
  readonly checkers: Checkers;
  /** What checks another answer to a placed case that does not say it. */
  readonly findItem: FindItem;
}

/** Longest time that nobody else gets a turn, in milliseconds, unless a single record takes longer. */
const TURN_MS = 20;

class UnknownModel extends InputError {}

/** Reads a batch in order; `before` records came earlier. */
export async function readEntries(
  batch: readonly TextRecord[],
  before: number,
  parts: ReadParts,
): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  let since = performance.now();
  for (const [index, record] of batch.entries()) {
    // Tokenising keeps the thread busy: whoever else waits for the server gets a turn now and then.
    if (performance.now() - since > TURN_MS) {
      await new Promise((done) => setImmediate(done));
      since = performance.now();
    }
    const place = { ordinal: before + index + 1, where: record.where };
    try {
      if (record.text?.trim() === "") {
        entries.push({ kind: "blank", ...place });
        continue;
      }
      const { json, mended } = jsonOf(record, parts.format);
      const readings = parts.format.read(json, record.where, await parts.factsOf(record.file), place.ordinal);
      const first = entries.length;
      for (const reading of readings) {
        const counted = mended && entries.length === first ? { mended } : {};
        entries.push({ ...place, ...counted, ...await entryOf(reading, record, parts) });
      }
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      entries.push({ kind: "wrong", error, unknownModel: error instanceof UnknownModel, ...place });
    }
  }
  return entries;
}

const FAULTS: Readonly<Record<TextFault, readonly [what: string, mend: string]>> = {
  too_long: ["the record is too long to be read", "leave out what is not needed"],
  not_utf8: ["it is not UTF-8, though parts of it are", "save the file as UTF-8"],
};

/** A record's JSON, or the text of a file of code; what cannot be stored in it is replaced, unless the format is exact. */
function jsonOf(
  { text, fault = "too_long", latin1, file, where }: TextRecord,
  format: Format,
): { readonly json: unknown; readonly mended?: NonNullable<Entry["mended"]> } {
  if (text === undefined) throw new InputError(FAULTS[fault][0], where, FAULTS[fault][1]);
  const json = extname(file.unpackedName) === ".py" ? text : parseText(text, where);
  const { value, replaced } = format.exact ? { value: json, replaced: 0 } : withStorableText(json);
  if (replaced === 0 && !latin1) return { json: value };
  return {
    json: value,
    mended: { ...(latin1 ? { latin1: 1 } : {}), ...(replaced > 0 ? { unstorable_characters: replaced } : {}) },
  };
}

type Entered = Entry extends infer One ? One extends Entry ? Omit<One, "ordinal" | "where" | "mended"> : never : never;

async function entryOf(reading: Logged, { file, where }: TextRecord, parts: ReadParts): Promise<Entered> {
  switch (reading.kind) {
    case "skipped":
      return reading;
    case "annotation":
    case "label":
      return { ...reading, model: await parts.modelOf(file) };
    case "case": {
      const model = await modelNamed(reading.model, file, where, parts);
      const line = reading.build(model);
      if (line.failureCase.item != null) return { kind: "case", line };
      const { benchmark, task, prompt, messages } = line.failureCase;
      const item = await parts.findItem({ benchmark, task, prompt, messages });
      return { kind: "case", line: { ...line, failureCase: { ...line.failureCase, item } } };
    }
    case "response": {
      const model = await modelNamed(reading.response.model, file, where, parts);
      return await responseEntry(reading.response, model, parts, await parts.factsOf(file), where);
    }
  }
}

async function modelNamed(
  name: string | undefined,
  file: RecordFile,
  where: string,
  parts: ReadParts,
): Promise<ImportModel> {
  const model = name === undefined ? await parts.modelOf(file) : await parts.find(name) ?? await parts.modelOf(file);
  if (model) return model;
  throw new UnknownModel(
    name === undefined ? "nothing names its model" : `there is no model "${name}"`,
    where,
    name === undefined
      ? "say which one that was added it is: --model NAME (model in GraphQL)"
      : "add it first: npx culprit model add DIR, or say which one it is: --model NAME (model in GraphQL)",
  );
}

async function responseEntry(
  logged: LoggedResponse,
  model: ImportModel,
  parts: ReadParts,
  facts: FileFacts,
  where: string,
): Promise<Entered> {
  const { prompt, model: _model, logged: own, completion: said, finalAnswer: _finalAnswer, ...identity } = logged;
  const tools = prompt.kind === "chat" ? prompt.tools : undefined;
  const rendered = renderPrompt(model, prompt, { plain: facts.plain, thinking: thinks(said) });
  const completion = completionText(model, said, rendered, tools);
  const ours = await check(logged, completion, parts.checkers, where);
  return {
    kind: "response",
    response: {
      ...identity,
      modelId: model.id,
      messages: rendered.messages,
      prompt: rendered.text,
      promptIds: model.tokenizer.encode(rendered.text),
      completion,
      completionIds: model.tokenizer.encode(completion, { continues: true }),
      ...decide(own, ours, logged.item),
      source: "imported",
      metadata: tools ? { ...logged.metadata, tools } : logged.metadata,
    },
  };
}

/** Whether an answer begins with thoughts. */
function thinks(said: LoggedResponse["completion"]): boolean {
  if (typeof said === "string") return said.trimStart().startsWith("<think>");
  return typeof said["reasoning_content"] === "string" || said.content.trimStart().startsWith("<think>");
}

/** Checkers that cost no more than reading the line. Code is run only where the log has no verdict. */
const CHEAP: ReadonlySet<CheckItem["kind"]> = new Set(["ifeval", "math", "gsm8k", "gaia2"]);

async function check(
  { item, logged, finalAnswer }: LoggedResponse,
  completion: string,
  checkers: Checkers,
  where: string,
): Promise<Verdict | null> {
  if (item === null || (!CHEAP.has(item.kind) && logged?.passed != null)) return null;
  if (item.kind === "math" && finalAnswer !== undefined) {
    if (finalAnswer !== null) return checkFinalAnswer(item, finalAnswer);
    return { passed: false, reason: "no final answer was found", detail: { gold: item.answer, prediction: null } };
  }
  try {
    return await checkers.check(item, completion);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { passed: null, reason: `${where}: ${error.what}` };
  }
}
