/** Tokenizers that are kept: reading one takes a tenth of a second and more, which a person would wait for each time. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { loadTokenizer, parseModelPath, type Tokenizer } from "../../gpu/mod.ts";

export interface TokenizerCache {
  /** Loads a model's tokenizer, or takes the one that was loaded from the same files. Throws as loadTokenizer. */
  get(directory: string): Promise<Tokenizer>;
}

/** Tokenizers that are kept: a large one takes some hundred megabytes. */
const MOST_TOKENIZERS = 3;
const FILES = ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "chat_template.json"];

interface Kept {
  readonly stamp: string;
  readonly loading: Promise<Tokenizer>;
}

export function createTokenizerCache(): TokenizerCache {
  /** The one used last comes last. */
  const known = new Map<string, Kept>();
  return {
    get: async (directory) => {
      const stamp = await stampOf(directory);
      const before = known.get(directory);
      const kept = before?.stamp === stamp ? before : { stamp, loading: loadTokenizer(directory) };
      known.delete(directory);
      known.set(directory, kept);
      if (known.size > MOST_TOKENIZERS) known.delete(known.keys().next().value!);
      // One that could not be loaded is tried again.
      kept.loading.catch(() => known.get(directory) === kept && known.delete(directory));
      return await kept.loading;
    },
  };
}

/** Sizes and times of the files that a tokenizer is read from. */
async function stampOf(directory: string): Promise<string> {
  const { base } = parseModelPath(directory);
  const paths = [base, ...FILES.map((name) => join(base, name))];
  const stats = await Promise.all(paths.map((path) => stat(path).catch(() => undefined)));
  return stats.map((info) => `${info?.size} ${info?.mtimeMs}`).join("\n");
}
