/** What reads each kind of file, and what must hold of it for any input that its grammar makes. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { parseConfig } from "../gpu/model/config.ts";
import { renderChatTemplate } from "../gpu/model/chat.ts";
import { readNumbers } from "../gpu/model/derived_tensor.ts";
import { openModelDirectory } from "../gpu/model/directory.ts";
import { openGguf } from "../gpu/model/gguf/file.ts";
import { ggufTokenizerJson } from "../gpu/model/gguf/tokenizer.ts";
import type { JsonObject } from "../gpu/model/json.ts";
import { eachRequiredTensor } from "../gpu/model/layout.ts";
import { openSafetensors } from "../gpu/model/safetensors.ts";
import { makeTokenizer } from "../gpu/model/tokenizer.ts";
import { InputError } from "../gpu/mod.ts";
import { IMPORT_FORMATS, type ImportFormat } from "../schema/tables/values.ts";
import { FORMATS } from "../server/import/formats.ts";
import { parseText } from "../server/import/parse_record.ts";
import { listFiles, readRecords } from "../server/import/records.ts";
import { changedGgufs } from "./grammar_gguf.ts";
import { configs, ggufs, safetensors, templates, tokenizers } from "./grammar_models.ts";
import { RECORDS } from "./grammar_records.ts";

interface Grammar<Input = unknown> {
  readonly inputs: fc.Arbitrary<Input>;
  /** Reads one; throws InputError for what cannot be read. */
  readonly read: (input: Input, folder: string) => void | Promise<void>;
}

const grammar = <Input>(inputs: fc.Arbitrary<Input>, read: Grammar<Input>["read"]): Grammar =>
  ({ inputs, read }) as Grammar as Grammar;

/** A file that was not there before: one that is emptied to be written again waits for the disk to have it. */
function writeAnew(path: string, content: string | Uint8Array): void {
  rmSync(path, { force: true });
  writeFileSync(path, content);
}

/** What is read of the tensors that a config asks for. */
const MOST_TENSORS = 2000;
const CONVERSATION = [{ role: "user", content: "a" }, { role: "assistant", content: "b" }];

/** The names of files that formats know theirs by. */
const NAMES: Partial<Record<ImportFormat, string>> = {
  helm: "scenario_state.json",
  inspect: "a.json",
  opencompass: "a.json",
};

const importers = Object.fromEntries(IMPORT_FORMATS.map((from) => [
  `import ${from}`,
  grammar(RECORDS[from], async (record, folder) => {
    const name = NAMES[from] ?? "a.jsonl";
    const path = join(folder, name);
    writeAnew(path, JSON.stringify(record) ?? "null");
    const format = FORMATS[from];
    const columns = { prompt: "prompt", answer: "answer", passed: "passed", id: "id", model: "model" };
    const facts = { name, benchmark: "b", items: undefined, plain: false, annotator: "c", columns };
    let ordinal = 0;
    for await (const { text, where } of readRecords(await listFiles(path, name, () => true, (all) => all), 0, format)) {
      if (text !== undefined) format.read(parseText(text, where), where, facts, ++ordinal);
    }
  }),
]));

/** Something more that may be refused. */
function attempt(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!isOneLine(error)) throw error;
  }
}

export const GRAMMARS: Readonly<Record<string, Grammar>> = {
  ...importers,
  "config.json": grammar(configs, (json) => {
    const config = parseConfig(json, "config.json");
    // A config may claim any number of layers; whoever loads it stops at the first tensor that is missing.
    let tensors = 0;
    for (const _ of eachRequiredTensor(config)) if (++tensors === MOST_TENSORS) break;
  }),
  "tokenizer.json": grammar(tokenizers, ({ json, config, text }) => {
    const tokenizer = makeTokenizer({
      json,
      path: "tokenizer.json",
      config: config as JsonObject,
      configPath: "tokenizer_config.json",
      templates: new Map(),
      hash: "0",
    });
    tokenizer.decode(tokenizer.encode(text));
  }),
  "chat template": grammar(templates, (text) => {
    renderChatTemplate({ text, where: "chat_template.jinja" }, {
      messages: CONVERSATION,
      tools: null,
      bos_token: "<s>",
      add_generation_prompt: true,
    });
  }),
  "safetensors": grammar(safetensors, (bytes, folder) => {
    const path = join(folder, "model.safetensors");
    writeAnew(path, bytes);
    const file = openSafetensors(path);
    file.close();
  }),
  "GGUF": grammar(ggufs, (bytes, folder) => {
    const path = join(folder, "model.gguf");
    writeAnew(path, bytes);
    const file = openGguf(path);
    file.close();
    attempt(() => ggufTokenizerJson(file));
  }),
  "GGUF model": grammar(changedGgufs, async (bytes, folder) => {
    const path = join(folder, "model.gguf");
    writeAnew(path, bytes);
    const model = await openModelDirectory(path);
    try {
      for (const tensor of model.tensors.values()) readNumbers(tensor);
    } finally {
      model.close();
    }
  }),
};

export interface Tried {
  /** The smallest input that does not hold, and what came of it. */
  readonly fault: string | undefined;
  readonly read: number;
  readonly refused: number;
}

/** A line that says where, what and how to mend it. */
function isOneLine(error: unknown): boolean {
  return error instanceof InputError && error.where !== "" && error.mend !== "" && !/[\n\r]/.test(error.message) &&
    error.message.length < 10_000;
}

export interface Trial {
  readonly seed: number;
  readonly runs: number;
  /** Begins with this input of the seed's, counted from 0. */
  readonly from?: number;
  /** Called before each input is read, with its number: reading may never end. */
  readonly begins?: (number: number) => void;
}

/** Tries a grammar's inputs; shrinks what does not hold. */
export async function tryGrammar(name: string, { seed, runs, from = 0, begins }: Trial): Promise<Tried> {
  const { inputs, read } = GRAMMARS[name]!;
  const folder = mkdtempSync(join(tmpdir(), "culprit-grammar-"));
  let [good, refused, number] = [0, 0, from];
  try {
    const details = await fc.check(
      fc.asyncProperty(inputs, async (input) => {
        begins?.(number++);
        try {
          await read(input, folder);
          good++;
        } catch (error) {
          if (!isOneLine(error)) throw error;
          refused++;
        }
      }),
      { seed, numRuns: runs, endOnFailure: false, ...(from > 0 ? { path: String(from) } : {}) },
    );
    const fault = details.failed ? fc.defaultReportMessage(details) : undefined;
    return { fault, read: good, refused };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
