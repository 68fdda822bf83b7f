/**
 * What is read of models' files, and of other files that are named by their path. They are somebody else's: patterns,
 * templates and tables in them may take for ever or all memory. So a reading is plain data in and out, and is done here, or
 * by a process that can be ended (`reading/model_reader.ts`), as whoever asks can bear.
 */
import type { Tokenizer } from "../../gpu/mod.ts";
import { createTokenizerCache } from "./tokenizer_cache.ts";

/** A model whose files are read. */
export interface ReadModel {
  /** Its folder, or the path of a file that is no model. */
  readonly directory: string;
  /** Throws InputError when it cannot be read. */
  tokenizer(): Promise<Tokenizer>;
}

/** A kind of reading; input and output are values of JSON. */
export interface Reading<Input, Output> {
  /** No other reading has it. */
  readonly name: string;
  /** How to mend a file that takes too long or too much memory; said of models when it is left out. */
  readonly mend?: string;
  /** Throws InputError for what people can mend. */
  readonly read: (model: ReadModel, input: Input) => Promise<Output>;
}

export interface ModelReader {
  /** Throws as the reading. */
  read<Input, Output>(reading: Reading<Input, Output>, directory: string, input: Input): Promise<Output>;
}

/** Reads in this process. */
export function ownReader(): ModelReader {
  const tokenizers = createTokenizerCache();
  return {
    read: (reading, directory, input) => reading.read({ directory, tokenizer: () => tokenizers.get(directory) }, input),
  };
}
