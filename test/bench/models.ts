/** The models and cases that are measured. */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import type { ModelConfig } from "../../gpu/model/config.ts";
import { seededRandom } from "../random.ts";
import { plainFields } from "../model_folder.ts";
import { writeRandomModel } from "../random_model.ts";

const ROOT = join(import.meta.dirname as string, "..", "..");

export const DEMO_MODEL = join(ROOT, "models", "demo-1m");

export const configOf = (name: string): Readonly<Record<string, unknown>> => ({
  ...plainFields(JSON.parse(Deno.readTextFileSync(join(ROOT, "test", "data", "configs.json")))[name]),
  torch_dtype: "bfloat16",
});

/** Qwen3-0.6B's shape. */
export const FULL_CONFIG = configOf("Qwen/Qwen3-0.6B");

/** The same family, small enough for a test of the benchmark itself. */
export const QUICK_CONFIG: Readonly<Record<string, unknown>> = {
  ...FULL_CONFIG,
  vocab_size: 512,
  bos_token_id: 0,
  eos_token_id: 0,
  hidden_size: 64,
  intermediate_size: 160,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 32,
};

/**
 * The folder of a random bf16 model of this config, written on first use (1.2 GB for Qwen3-0.6B's shape, 8 GB for Qwen3-4B's) into
 * `bench/` of CULPRIT_HOME or of `.culprit/` in the project's root, and kept.
 */
export function randomModel(name: "qwen3-0.6b-random" | "qwen3-4b-random" | "quick-random"): string {
  const cache = join(resolve(Deno.env.get("CULPRIT_HOME") ?? join(ROOT, ".culprit")), "bench");
  const folder = join(cache, name);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const partial = `${folder}.${Deno.pid}`;
  const configs = {
    "quick-random": () => QUICK_CONFIG,
    "qwen3-0.6b-random": () => FULL_CONFIG,
    "qwen3-4b-random": () => configOf("Qwen/Qwen3-4B"),
  };
  writeRandomModel(partial, configs[name](), { dtype: "BF16", seed: 6 });
  try {
    renameSync(partial, folder);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    // Another process may have finished first.
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

export interface Case {
  readonly inputIds: readonly number[];
  readonly target: number;
  readonly contrast: number;
}

/** A case of random ids, the same for the same seed. */
export function randomCase({ vocabulary }: Pick<ModelConfig, "vocabulary">, tokens: number, seed = 54): Case {
  const random = seededRandom(seed);
  return {
    inputIds: Array.from({ length: tokens }, () => random.integer(0, vocabulary - 1)),
    target: 1,
    contrast: 2,
  };
}

/** The demo model's first failure case, or undefined where there is no demo model. */
export function demoCase(): Case | undefined {
  const path = join(DEMO_MODEL, "failure-cases.jsonl");
  if (!existsSync(path)) return undefined;
  const { inputIds, target, contrast } = JSON.parse(Deno.readTextFileSync(path).split("\n")[0] as string);
  return { inputIds, target: target.id, contrast: contrast.id };
}

/** Node layers in quarters, 0, 7, 14, 21, 28 of 28; in halves where a quarter would skip nothing. */
export function skipLayers(layers: number): number[] {
  const parts = layers >= 8 ? 4 : 2;
  return Array.from({ length: parts + 1 }, (_, part) => Math.round(part * layers / parts));
}
