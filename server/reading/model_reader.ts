/** Reads models' files in a process of its own, which is killed where that takes too long or too much memory. */
import { join } from "node:path";
import { InputError } from "../../gpu/mod.ts";
import { askProcess } from "../base/asked_process.ts";
import { READER_FLAGS } from "../deno_binary.mjs";
import type { ModelReader, Reading } from "../models/reading.ts";

/** What the process is asked. */
export interface ReadQuestion {
  /** The reading's name. */
  readonly reading: string;
  readonly directory: string;
  readonly input: unknown;
  /** The reading's own. */
  readonly mend?: string;
}

export interface ReaderProcess extends ModelReader {
  stop(): Promise<void>;
}

/** How long the process is kept without a question, in milliseconds. */
const IDLE_MS = 600_000;
/**
 * How long one reading may take, in milliseconds. Patterns and templates end themselves after seconds; this is for
 * whatever else a file makes endless.
 */
const ANSWER_MS = 60_000;
/** Readings that wait at most. */
const MOST_WAITING = 200;

export function createModelReader({ answerMs = ANSWER_MS }: { readonly answerMs?: number } = {}): ReaderProcess {
  const ofModels = "take another model, or correct its tokenizer and chat template";
  const asked = askProcess<ReadQuestion, unknown>({
    file: join("reading", "reader_process.ts"),
    flags: READER_FLAGS,
    idleMs: IDLE_MS,
    answerMs,
    mostWaiting: MOST_WAITING,
    busy: () => new InputError("too many files are read at once", "model", "ask again in a few seconds"),
    late: ({ directory, mend = ofModels }) =>
      new InputError(`reading its files took longer than ${answerMs / 1000} s`, directory, mend),
    ended: ({ directory, mend = ofModels }) =>
      new InputError("reading its files ended the process that read them", directory, mend),
  });
  return {
    read: async <Input, Output>(
      { name: reading, mend }: Pick<Reading<Input, Output>, "name" | "mend">,
      directory: string,
      input: Input,
    ) => await asked.ask({ reading, directory, input, ...(mend === undefined ? {} : { mend }) }) as Output,
    stop: asked.stop,
  };
}
