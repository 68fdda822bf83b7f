/** Models with random weights at real shapes, made from seeds: the same here and where their golden values are computed. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { plainFields } from "./model_folder.ts";
import { writeRandomModel } from "./random_model.ts";

const file = JSON.parse(readFileSync(join(import.meta.dirname as string, "data", "configs.json"), "utf8")) as Record<
  string,
  Record<string, unknown>
>;
const configs = Object.fromEntries(Object.entries(file).map(([name, config]) => [name, plainFields(config)]));

/** One block, and a small vocabulary: the embedding of the real one would be most of the model. */
const oneBlock = (name: string, change: Record<string, unknown> = {}) => ({
  ...configs[name],
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
  "olmo3-7b-block": {
    // A full-attention block, the kind with YaRN.
    config: oneBlock("allenai/Olmo-3-7B-Think", { layer_types: ["full_attention"], tie_word_embeddings: false }),
    seed: 70,
  },
} as const;
export type RealShape = keyof typeof REAL_SHAPES;

/** Tokens of the request that golden values are for; the vocabulary is at least 2000. */
export const TOKENS = 54;
export const requestFor = (vocabulary: number) => ({
  inputIds: Array.from({ length: TOKENS }, (_, index) => (index * 7919 + 13) % vocabulary),
  target: 101,
  contrast: 1202,
});

/** Writes the model; returns the bytes of its weights. */
export function writeRealShape(directory: string, name: RealShape): number {
  const { config, seed } = REAL_SHAPES[name];
  return writeRandomModel(directory, config, { dtype: "BF16", seed });
}

if (import.meta.main) {
  // For test/reference/real_shapes.py: a folder with a model, and its request, for each name.
  const [folder = "."] = Deno.args;
  for (const name of Object.keys(REAL_SHAPES) as RealShape[]) {
    const directory = join(folder, name);
    writeRealShape(directory, name);
    const vocabulary = REAL_SHAPES[name].config["vocab_size"] as number;
    Deno.writeTextFileSync(join(directory, "request.json"), JSON.stringify(requestFor(vocabulary)));
  }
}
