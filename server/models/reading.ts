/**
 * What is read of a model's files. They are somebody else's: patterns, templates and tables in them may take for ever or
 * all memory. So a reading is plain data in and out, and is done here, or by a process that can be ended
 * (`reading/model_reader.ts`), as whoever asks can bear.
 */
import { loadTokenizer, type Tokenizer } from "../../gpu/mod.ts";

/** A model whose files are read. */
export interface ReadModel {
  readonly directory: string;
  /** Throws InputError when it cannot be read. */
  tokenizer(): Promise<Tokenizer>;
}

/** A kind of reading; input and output are values of JSON. */
export interface Reading<Input, Output> {
  /** No other reading has it. */
  readonly name: string;
  /** Throws InputError for what people can mend. */
  readonly read: (model: ReadModel, input: Input) => Promise<Output>;
}

export interface ModelReader {
  /** Throws as the reading. */
  read<Input, Output>(reading: Reading<Input, Output>, directory: string, input: Input): Promise<Output>;
}

/** Tokenizers that are kept: a large one takes some hundred megabytes. */
const MOST_TOKENIZERS = 3;

/** Reads in this process. A tokenizer that could not be loaded is tried again. */
export function ownReader(): ModelReader {
  /** The one used last comes last. */
  const known = new Map<string, Promise<Tokenizer>>();
  const tokenizerOf = (directory: string): Promise<Tokenizer> => {
    const loading = known.get(directory) ?? loadTokenizer(directory);
    known.delete(directory);
    known.set(directory, loading);
    loading.catch(() => known.delete(directory));
    if (known.size > MOST_TOKENIZERS) known.delete(known.keys().next().value!);
    return loading;
  };
  return {
    read: (reading, directory, input) => reading.read({ directory, tokenizer: () => tokenizerOf(directory) }, input),
  };
}
