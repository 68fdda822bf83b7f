/**
 * The golden models that come with the project, with relevance that other programs computed: LXT on transformers, in
 * float32. `olmo3-a` is small and random; `demo-1m` is the trained demo model, whose failures are real.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Rule, RULES } from "../engine.ts";
import { openSafetensors } from "../model/safetensors.ts";

export interface GoldenCase {
  readonly inputIds: readonly number[];
  readonly target: number;
  readonly contrast: number;
  /** [layers + 1, tokens] */
  readonly nodeRelevance: Readonly<Record<Rule, ArrayLike<number>>>;
}

export interface GoldenModel {
  readonly name: string;
  readonly directory: string;
  readonly cases: readonly GoldenCase[];
}

const HERE = import.meta.dirname as string;

/** The trained model, whose weights are bf16. */
export function trainedModel(): GoldenModel {
  const directory = join(HERE, "..", "..", "models", "demo-1m");
  const { cases } = readJson(join(directory, "golden.json")) as {
    readonly cases: readonly (Omit<GoldenCase, "nodeRelevance"> & {
      readonly nodeRelevance: Readonly<Record<Rule, readonly (readonly number[])[]>>;
    })[];
  };
  const flat = (rows: readonly (readonly number[])[]) => rows.flat();
  return {
    name: "demo-1m",
    directory,
    cases: cases.map(({ inputIds, target, contrast, nodeRelevance }) => ({
      inputIds,
      target,
      contrast,
      nodeRelevance: byRule((rule) => flat(nodeRelevance[rule])),
    })),
  };
}

/** A model of another family, in float32: sliding windows, norms behind attention and MLP. */
export function randomModel(): GoldenModel {
  const directory = join(HERE, "golden", "olmo3-a");
  const { input_ids: inputIds, target, contrast } = readJson(join(directory, "golden.json")) as {
    readonly input_ids: readonly number[];
    readonly target: number;
    readonly contrast: number;
  };
  const file = openSafetensors(join(directory, "golden.safetensors"));
  try {
    const values = (tensor: string) => {
      const bytes = new Uint8Array(file.tensors.get(tensor)!.bytes);
      file.readInto(tensor, 0, bytes);
      return new Float32Array(bytes.buffer);
    };
    const nodeRelevance = byRule((rule) => values(`${rule}.node_relevance`));
    return { name: "olmo3-a", directory, cases: [{ inputIds, target, contrast, nodeRelevance }] };
  } finally {
    file.close();
  }
}

function byRule(values: (rule: Rule) => ArrayLike<number>): Readonly<Record<Rule, ArrayLike<number>>> {
  return Object.fromEntries(RULES.map((rule) => [rule, values(rule)])) as Record<Rule, ArrayLike<number>>;
}

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));
