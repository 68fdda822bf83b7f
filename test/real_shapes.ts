/** Models with random weights at real shapes, made from seeds: the same here and where their golden values are computed. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { plainFields } from "./model_folder.ts";
import { writeRandomModel } from "./random_model.ts";

const file = JSON.parse(readFileSync(join(import.meta.dirname as string, "data", "configs.json"), "utf8")) as Record<
  string,
  Record<string, unknown>
>;
/** Configs as published, but for Phi-4-mini's long factors, which are made up. */
const families = JSON.parse(
  readFileSync(join(import.meta.dirname as string, "data", "family_configs.json"), "utf8"),
) as Record<string, Record<string, unknown>>;
export const FAMILY_CONFIGS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = families;
const configs = Object.fromEntries(Object.entries(file).map(([name, config]) => [name, plainFields(config)]));

/** One block, and a small vocabulary: the embedding of the real one would be most of the model. */
const oneBlock = (name: string, change: Record<string, unknown> = {}) => ({
  ...(configs[name] ?? families[name]),
  num_hidden_layers: 1,
  vocab_size: 2000,
  eos_token_id: null,
  pad_token_id: null,
  ...change,
});

/** By name: config.json. Weights in bf16, from the seed. */
export const REAL_SHAPES = {
  "qwen3-0.6b": { config: configs["Qwen/Qwen3-0.6B"] as Record<string, unknown>, seed: 6 },
  "qwen3-4b-block": { config: oneBlock("Qwen/Qwen3-4B"), seed: 40 },
  "llama3.1-8b-block": { config: oneBlock("meta-llama/Llama-3.1-8B"), seed: 81 },
  "qwen2.5-7b-block": { config: oneBlock("Qwen/Qwen2.5-7B"), seed: 72 },
  // A full-attention block, the kind whose positions are stretched.
  "gemma3-4b-block": { config: oneBlock("google/gemma-3-4b", { layer_types: ["full_attention"] }), seed: 43 },
  "phi4-mini-block": { config: oneBlock("microsoft/Phi-4-mini"), seed: 44 },
  "qwen3-30b-a3b-block": { config: oneBlock("Qwen/Qwen3-30B-A3B"), seed: 303 },
  "pythia-1b-block": { config: oneBlock("EleutherAI/pythia-1b"), seed: 11 },
  "olmo3-7b-block": {
    // A full-attention block, the kind with YaRN.
    config: oneBlock("allenai/Olmo-3-7B-Think", { layer_types: ["full_attention"], tie_word_embeddings: false }),
    seed: 70,
  },
} as const;
export type RealShape = keyof typeof REAL_SHAPES;

/** Tokens of the requests that golden values are for: the paper's, and a few, which take a third of the time. */
export const LONG = 54;
export const SHORT = 14;
/** The vocabulary is at least 2000. */
export const requestFor = (vocabulary: number, tokens: number) => ({
  inputIds: Array.from({ length: tokens }, (_, index) => (index * 7919 + 13) % vocabulary),
  target: 101,
  contrast: 1202,
});

/** Writes the model; returns the bytes of its weights. */
export function writeRealShape(directory: string, name: RealShape): number {
  const { config, seed } = REAL_SHAPES[name];
  return writeRandomModel(directory, config, { dtype: "BF16", seed });
}

if (import.meta.main) {
  // For test/reference/real_shapes.py: a folder with a model, and its requests, for each name (or those that are named).
  const [folder = ".", ...chosen] = Deno.args;
  for (const name of Object.keys(REAL_SHAPES) as RealShape[]) {
    if (chosen.length > 0 && !chosen.includes(name)) continue;
    const directory = join(folder, name);
    writeRealShape(directory, name);
    const vocabulary = REAL_SHAPES[name].config["vocab_size"] as number;
    const requests = [LONG, SHORT].map((tokens) => requestFor(vocabulary, tokens));
    Deno.writeTextFileSync(join(directory, "requests.json"), JSON.stringify(requests));
  }
}
