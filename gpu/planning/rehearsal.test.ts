/** Counted memory against a real device's, and how it grows: shapes of real models at 12,374 tokens, nothing computed. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeRandomModel } from "../../test/random_model.ts";
import { FAMILY_CONFIGS } from "../../test/real_shapes.ts";
import type { Device } from "../device/device.ts";
import { openDevice } from "../device/dawn.ts";
import { type LoadedModel, type PlannedRun, RULES, type SeedRequest } from "../engine.ts";
import { attentionTiling } from "../kernels/attention.ts";
import { loadModel } from "../loaded_model.ts";
import { parseConfig } from "../model/config.ts";
import { type ModelDirectory, openModelDirectory } from "../model/directory.ts";
import { requiredTensors } from "../model/layout.ts";
import { countingDevice, rehearse } from "./rehearsal.ts";

const KEEP_BYTES = 2 ** 30;
let device: Device;
const folders: string[] = [];
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => {
  device?.close();
  folders.forEach((folder) => rmSync(folder, { recursive: true }));
});

const ids = (length: number) => Array.from({ length }, (_, index) => (index * 7) % 50);
const request = (length: number, rule: (typeof RULES)[number] = "attnlrp") => ({
  inputIds: ids(length),
  target: 3,
  contrast: 4,
  rule,
});
/** Every third position against the mean, every fifth alone. */
const seeds = (length: number): SeedRequest => ({
  inputIds: ids(length),
  seed: ids(length).flatMap((target, position) =>
    position % 3 === 0 || position % 5 === 0
      ? [{ position, target, contrast: position % 3 === 0 ? "mean" as const : null, factor: 0.5 }]
      : []
  ),
  rule: "attnlrp",
});

async function perform(model: LoadedModel, run: PlannedRun): Promise<void> {
  if (run.kind === "graph") {
    await ("seed" in run.request ? model.graphOfSeed(run.request) : model.graph(run.request));
    return;
  }
  const ofSeeds = run.requests.flatMap((request) => "seed" in request ? [request] : []);
  const ofPairs = run.requests.flatMap((request) => "seed" in request ? [] : [request]);
  if (ofSeeds.length > 0) await model.attributeSeeds(ofSeeds);
  if (ofPairs.length > 0) await model.attributeMany(ofPairs);
}

const CONFIG = {
  hidden_size: 32,
  intermediate_size: 70,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 16,
  vocab_size: 64,
  max_position_embeddings: 4096,
  rope_theta: 10_000,
};

const SHAPES = {
  qwen3: CONFIG,
  olmo3: CONFIG,
  gpt2: { n_embd: 64, n_layer: 3, n_head: 4, n_inner: 70, n_positions: 4096, vocab_size: 64 },
};

describe.each(["qwen3", "olmo3", "gpt2"] as const)("%s: what is counted is what a device allocates", (architecture) => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "culprit-rehearsal-"));
    folders.push(directory);
    writeRandomModel(directory, { ...SHAPES[architecture], model_type: architecture }, { dtype: "F32", seed: 1 });
  });

  const byHead: PlannedRun = { kind: "graph", request: { ...request(300), heads: true } };
  const runs: readonly (readonly [string, PlannedRun])[] = [
    ...RULES.map((rule) => [rule, { kind: "attribute", requests: [request(100, rule)] }] as const),
    ["without a target", {
      kind: "attribute",
      requests: [{ inputIds: ids(33), contrast: 0, rule: "attnlrp" }, {
        inputIds: ids(70),
        contrast: 5,
        rule: "cplrp",
      }],
    }],
    ["several prompts and pairs", {
      kind: "attribute",
      requests: [request(90), request(40), { ...request(90), target: 8 }, { ...request(20), inputIds: [9, 9, 9] }],
    }],
    ["seeds that share a pass", { kind: "attribute", requests: [300, 300, 170].map(seeds) }],
    ["one seed", { kind: "attribute", requests: [seeds(100)] }],
    ["graph", { kind: "graph", request: request(300) }],
    ["graph by head", byHead],
    ["graph of a seed", { kind: "graph", request: seeds(90) }],
    ["graph over skipped blocks", { kind: "graph", request: { ...request(60), transitions: [0, 3], minRelevance: 0 } }],
    ["graph of gradients", { kind: "graph", request: { ...request(40, "gradient"), minRelevance: 0 } }],
  ];
  async function check(run: PlannedRun, on: Device): Promise<void> {
    let peak = 0;
    const labels: string[] = [];
    const counting: Device = {
      ...on,
      allocate(bytes, label, lasting) {
        const buffer = device.allocate(bytes, label, lasting);
        peak = Math.max(peak, device.allocatedBytes());
        labels.push(label);
        return buffer;
      },
    };
    const before = device.allocatedBytes();
    const model = await openModelDirectory(directory);
    const counted = await rehearse({ on, model, keepBytes: KEEP_BYTES }, run);
    expect(device.allocatedBytes(), "nothing is allocated").toBe(before);
    const loaded = await loadModel(counting, directory);
    await perform(loaded, run);
    expect(counted.bufferBytes).toBe(peak - before);
    const ofScores = /^(gradients of )?attention (scores|probabilities)/;
    expect(labels.some((label) => ofScores.test(label))).toBe(attentionTiling(on, 16) === null);
    loaded.dispose();
    model.close();
  }

  test.each(runs)("%s", (_, run) => check(run, device));

  test("graph by head on an adapter without tiles of attention", () => check(byHead, { ...device, workgroupBytes: 0 }));
});

/** A model directory of this shape without files. */
function shapeOnly(config: Readonly<Record<string, unknown>>): ModelDirectory {
  const parsed = parseConfig(config, "config.json");
  const tensors = new Map(
    requiredTensors(parsed).map(({ name, shape }) => {
      const bytes = shape.reduce((product, size) => product * size, 2);
      return [name, { path: "shape", info: { name, dtype: "BF16", shape, bytes }, readInto: () => {} }];
    }),
  );
  return {
    directory: "shape",
    config: parsed,
    tensors,
    tensor: (name: string) => tensors.get(name),
    readInto: () => {},
    close: () => {},
  } as unknown as ModelDirectory;
}

const QWEN3_4B = {
  model_type: "qwen3",
  hidden_size: 2560,
  intermediate_size: 9728,
  num_hidden_layers: 36,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  head_dim: 128,
  vocab_size: 151_936,
  tie_word_embeddings: true,
  max_position_embeddings: 40_960,
  rope_theta: 1_000_000,
};

/** Parameters as their makers give them; Gemma's are those of its text part. */
const PARAMETERS: Readonly<Record<string, number>> = {
  "meta-llama/Llama-3.1-8B": 8_030_261_248,
  "Qwen/Qwen2.5-7B": 7_615_616_512,
  "google/gemma-3-4b": 3_880_263_168,
  "microsoft/Phi-4-mini": 3_836_021_760,
  "Qwen/Qwen3-30B-A3B": 30_532_122_624,
  "EleutherAI/pythia-1b": 1_011_781_632,
};

describe.each(Object.keys(PARAMETERS))("%s, counted whole", (name) => {
  const json = FAMILY_CONFIGS[name] as Record<string, unknown>;
  const model = shapeOnly(json);
  const parameters = requiredTensors(model.config)
    .reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);

  test("has the parameters that its makers count", () => {
    expect(parameters).toBe(PARAMETERS[name]);
  });

  test("an attribution of 54 tokens takes its weights and no tenth more", async () => {
    const on: Device = {
      ...device,
      info: { ...device.info, kind: "hardware", lanes: 32, bindingBytes: 2 ** 31 - 4 },
    };
    const run: PlannedRun = { kind: "attribute", requests: [request(54)] };
    const { bufferBytes } = await rehearse({ on, model, keepBytes: KEEP_BYTES }, run);
    const { tiedEmbeddings, vocabulary, hidden } = model.config;
    // An embedding that is not tied stays in its file.
    const onDevice = 2 * (parameters - (tiedEmbeddings ? 0 : vocabulary * hidden));
    expect(bufferBytes / onDevice).toBeGreaterThan(1);
    expect(bufferBytes / onDevice).toBeLessThan(1.1);
  });
});

describe("Qwen3-4B's shape on a hardware adapter, counted", () => {
  const model = shapeOnly(QWEN3_4B);
  const on = (): Device => ({
    ...device,
    info: { ...device.info, kind: "hardware", lanes: 32, bindingBytes: 2 ** 31 - 4 },
  });
  const count = (run: PlannedRun) => rehearse({ on: on(), model, keepBytes: KEEP_BYTES }, run);

  /** The steps of a trace that its model wrote at the end of a context: each a seed of all its tokens. */
  const steps = (tokens: number, count: number, length: number): SeedRequest[] =>
    Array.from({ length: count }, (_, step) => ({
      inputIds: ids(tokens),
      seed: Array.from({ length }, (_, at) => ({
        position: tokens - 1 - (count - step) * length + at,
        target: 3,
        contrast: 4,
        factor: 1,
      })),
      rule: "attnlrp",
    }));

  test(
    "12,374 tokens: attribution, whole graph and 8 steps of 50 tokens each take less than 24 GB; no buffer holds a head's whole scores",
    async () => {
      const tokens = 12_374;
      for (
        const run of [
          { kind: "attribute", requests: [request(tokens)] },
          { kind: "graph", request: request(tokens) },
          { kind: "attribute", requests: steps(tokens, 8, 50) },
        ] as const
      ) {
        const { bufferBytes, largest } = await count(run);
        expect(bufferBytes, run.kind).toBeLessThan(24e9);
        // Matrices of activations are larger than this, but none grows with the square of the tokens.
        expect(largest.label).not.toMatch(/score|probabilit|edge/);
        expect(largest.bytes).toBeLessThan(2 ** 31);
      }
    },
    300_000,
  );

  test("memory beyond the weights grows with the tokens, not with their square", async () => {
    const weights = countingDevice(on());
    const { layOutWeights } = await import("../pass/weights.ts");
    await layOutWeights(weights, model);
    const sizes: number[] = [];
    for (const tokens of [4096, 8192, 16_384]) {
      const { bufferBytes } = await count({ kind: "graph", request: request(tokens) });
      sizes.push(bufferBytes - weights.allocatedBytes());
    }
    expect((sizes[1] as number) / (sizes[0] as number)).toBeLessThan(2.05);
    expect((sizes[2] as number) / (sizes[1] as number)).toBeLessThan(2.05);
  });
});
