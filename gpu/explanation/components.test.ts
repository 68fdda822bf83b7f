/** Heads and neurons: the identities of docs/method.md section 4, and edges into them against edges into their nodes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { relativeError } from "../../test/compare.ts";
import { seededRandom } from "../../test/random.ts";
import { writeRandomModel } from "../../test/random_model.ts";
import type { Device } from "../device/device.ts";
import { sharedDevice } from "../../test/shared_device.ts";
import { type ComponentTarget, type LoadedModel, type NodeComponents, RULES } from "../engine.ts";
import { loadModel } from "../loaded_model.ts";

let device: Device;
const folders: string[] = [];
beforeAll(async () => {
  device = await sharedDevice();
});
afterAll(() => {
  folders.forEach((folder) => rmSync(folder, { recursive: true }));
});

interface Shape {
  readonly architecture: string;
  readonly hidden: number;
  /** Of the MLP, or of one expert. */
  readonly intermediate: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly head: number;
  /** Other fields of config.json, or all of them where a family names them in its own way. */
  readonly more?: Readonly<Record<string, unknown>>;
  readonly all?: Readonly<Record<string, unknown>>;
  /** Norms of what blocks write, through which a plain gradient is not linear. */
  readonly normsOutputs?: true;
  /** Biases of what blocks write are relevance of no head or neuron. */
  readonly biases?: true;
  /** Experts of a token, in every block. */
  readonly experts?: number;
}

const SHAPES: readonly Shape[] = [
  { architecture: "qwen3", hidden: 20, intermediate: 27, layers: 3, heads: 3, keyHeads: 1, head: 8 },
  { architecture: "qwen3", hidden: 32, intermediate: 40, layers: 2, heads: 4, keyHeads: 2, head: 16 },
  {
    architecture: "olmo3",
    hidden: 28,
    intermediate: 37,
    layers: 4,
    heads: 4,
    keyHeads: 4,
    head: 16,
    more: { sliding_window: 9 },
    normsOutputs: true,
  },
  {
    architecture: "qwen3_moe",
    hidden: 24,
    intermediate: 13,
    layers: 2,
    heads: 2,
    keyHeads: 1,
    head: 10,
    more: { num_experts: 5, num_experts_per_tok: 2, moe_intermediate_size: 13, norm_topk_prob: true },
    experts: 2,
  },
  {
    architecture: "gemma2",
    hidden: 22,
    intermediate: 26,
    layers: 2,
    heads: 2,
    keyHeads: 1,
    head: 12,
    more: { query_pre_attn_scalar: 14, attn_logit_softcapping: 3, final_logit_softcapping: 5, sliding_window: 6 },
    normsOutputs: true,
    biases: true,
  },
  {
    architecture: "gpt2",
    hidden: 24,
    intermediate: 31,
    layers: 2,
    heads: 3,
    keyHeads: 3,
    head: 8,
    all: { n_embd: 24, n_head: 3, n_layer: 2, n_inner: 31, n_positions: 64, vocab_size: 30 },
    biases: true,
  },
  {
    architecture: "gpt_neox",
    hidden: 32,
    intermediate: 29,
    layers: 2,
    heads: 2,
    keyHeads: 2,
    head: 16,
    all: {
      hidden_size: 32,
      intermediate_size: 29,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      vocab_size: 30,
      rotary_pct: 0.5,
      max_position_embeddings: 64,
    },
    biases: true,
  },
];

describe.each(SHAPES)("$architecture, $hidden x $intermediate, $heads/$keyHeads heads of $head", (shape) => {
  const random = seededRandom(shape.hidden);
  const inputIds = Array.from({ length: 37 }, () => random.integer(0, 29));
  const tokens = inputIds.length;
  const request = { inputIds, target: 3, contrast: 4 };
  const nodes = Array.from({ length: shape.layers }, (_, block) =>
    [0, 11, 20, 36].map((token) => ({
      layer: block + 1,
      token,
    }))).flat();
  const everything = shape.intermediate * (shape.experts ?? 1);
  let directory: string;
  let model: LoadedModel;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "culprit-components-"));
    folders.push(directory);
    const fields = shape.all ?? {
      hidden_size: shape.hidden,
      intermediate_size: shape.intermediate,
      num_hidden_layers: shape.layers,
      num_attention_heads: shape.heads,
      num_key_value_heads: shape.keyHeads,
      head_dim: shape.head,
      vocab_size: 30,
      tie_word_embeddings: false,
      max_position_embeddings: 64,
      rms_norm_eps: 1e-6,
      rope_theta: 10_000,
      ...shape.more,
    };
    const config = { model_type: shape.architecture, ...fields };
    writeRandomModel(directory, config, { dtype: "F32", seed: shape.hidden });
    model = await loadModel(device, directory);
  });

  test.each(RULES)("totals are the sums of all heads and all neurons over all tokens, %s", async (rule) => {
    const all = nodes.filter(({ token }) => token === 0).flatMap(({ layer }) =>
      inputIds.map((_, token) => ({ layer, token }))
    );
    const split = await model.components({ ...request, rule, nodes: all, top: everything });
    const totals = await model.componentTotals({ ...request, rule });
    expect(totals.nodeRelevance).toEqual(split.nodeRelevance);
    const width = shape.intermediate;
    for (let layer = 1; layer <= shape.layers; layer++) {
      const heads = new Float64Array(shape.heads);
      const neurons = new Float64Array(totals.neurons[layer - 1]!.length);
      for (const node of split.nodes.filter((one) => one.layer === layer)) {
        node.heads.forEach(({ index, relevance }) => heads[index]! += relevance);
        node.neurons.forEach(({ index, expert = 0, relevance }) => neurons[expert * width + index]! += relevance);
      }
      expect(relativeError(totals.heads[layer - 1]!, heads)).toBeLessThan(1e-6);
      expect(relativeError(totals.neurons[layer - 1]!, neurons)).toBeLessThan(1e-6);
    }
  });

  test.each(RULES)("relevance is attribute's; neurons and what passes them by sum to the node's, %s", async (rule) => {
    const result = await model.components({ ...request, rule, nodes, top: everything });
    expect(result.nodeRelevance).toEqual((await model.attribute({ ...request, rule })).nodeRelevance);
    expect(result.nodes.map(({ layer, token }) => ({ layer, token }))).toEqual(nodes);
    const scale = Math.max(...result.nodeRelevance.map(Math.abs));
    for (const node of result.nodes) {
      expect(node.relevance).toBe(result.nodeRelevance[node.layer * tokens + node.token]);
      expect([node.heads.length, node.neurons.length]).toEqual([shape.heads, everything]);
      const sums = [node.heads, node.neurons].map((list) => list.reduce((sum, { relevance }) => sum + relevance, 0));
      expect(Math.abs(sums[0]! - node.attention)).toBeLessThan(1e-6 * scale);
      expect(Math.abs(sums[1]! - node.mlp)).toBeLessThan(1e-6 * scale);
      // h = middle + MLP's output; the exact gradient of a norm behind the MLP is not linear in what it reads.
      const isLinear = rule !== "gradient" || !shape.normsOutputs;
      if (isLinear && !shape.biases) {
        expect(Math.abs(node.mlp + node.aroundMlp - node.relevance)).toBeLessThan(1e-5 * scale);
      }
    }
  });

  test.each(RULES)("the largest come first, no more than asked for, %s", async (rule) => {
    const all = await model.components({ ...request, rule, nodes, top: everything });
    const some = await model.components({ ...request, rule, nodes, top: 2 });
    const first = (list: NodeComponents["heads"]) => {
      const sizes = list.map(({ relevance }) => Math.abs(relevance));
      expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
      return list.slice(0, 2);
    };
    some.nodes.forEach(({ heads, neurons }, index) => {
      const whole = all.nodes[index] as NodeComponents;
      expect([heads, neurons]).toEqual([first(whole.heads), first(whole.neurons)]);
    });
  });

  test.skipIf(shape.biases)(
    "CP-LRP: attention and what passes it by sum to the middle's relevance, which the blocks conserve",
    async () => {
      const ends = Array.from(
        { length: shape.layers },
        (_, block) => Array.from({ length: tokens }, (_, token) => ({ layer: block + 1, token })),
      ).flat();
      const result = await model.components({ ...request, rule: "cplrp", nodes: ends, top: 0 });
      for (let layer = 1; layer <= shape.layers; layer++) {
        const ofLayer = result.nodes.filter((node) => node.layer === layer);
        const total = ofLayer.reduce((sum, { attention, aroundAttention }) => sum + attention + aroundAttention, 0);
        const scale = Math.max(
          ...ofLayer.map(({ relevance }) => Math.abs(relevance)),
          Math.abs(result.logitDifference),
        );
        expect(Math.abs(total - result.logitDifference)).toBeLessThan(1e-4 * scale);
      }
    },
  );

  test.each(RULES)("edges into all neurons, or all heads, and past them sum to the node's edges, %s", async (rule) => {
    const [layer, token] = [shape.layers - 1, 29];
    const split = await model.components({ ...request, rule, nodes: [{ layer, token }], top: everything });
    const node = split.nodes[0] as NodeComponents;
    const neurons: ComponentTarget[] = [
      ...node.neurons.map(({ relevance: _, ...one }) => ({ layer, token, kind: "neuron" as const, ...one })),
      { layer, token, kind: "around-mlp" },
    ];
    const heads: ComponentTarget[] = [
      ...node.heads.map(({ index }) => ({ layer, token, kind: "head" as const, index })),
      { layer, token, kind: "around-attention" },
    ];
    const sources = layer > 1 ? [0, layer - 1] : [0];
    const { components } = await model.componentEdges({ ...request, rule, targets: [...neurons, ...heads], sources });
    expect(components.map(({ target }) => target)).toEqual([...neurons, ...heads]);
    for (const [index, source] of sources.entries()) {
      const graph = await model.graph({
        ...request,
        rule,
        transitions: [source, layer],
        mass: 1,
        minRelevance: 0,
        reach: "all",
      });
      const { edges } = graph.transitions[0]!;
      const expected = new Float32Array(token + 1);
      edges.targets.forEach((target, edge) => {
        if (target === token) expected[edges.sources[edge] as number] = edges.weights[edge] as number;
      });
      for (const list of [components.slice(0, neurons.length), components.slice(neurons.length)]) {
        const sum = new Float64Array(token + 1);
        for (const { sources: rows } of list) {
          expect(rows.map((row) => row.layer)).toEqual(sources);
          rows[index]?.weights.forEach((weight, at) => sum[at]! += weight);
        }
        expect(relativeError(sum, expected), `from layer ${source}`).toBeLessThan(1e-5);
      }
    }
    for (const { target, relevance } of components) {
      const list = target.kind === "head" ? node.heads : target.kind === "neuron" ? node.neurons : undefined;
      const whole = list?.find(({ index, expert }) =>
        "index" in target && index === target.index && expert === ("expert" in target ? target.expert : undefined)
      )?.relevance ??
        (target.kind === "around-mlp" ? node.aroundMlp : node.aroundAttention);
      expect(relevance).toBe(whole);
    }
  });

  test.skipIf(shape.biases)("CP-LRP: edges into a component sum to its relevance, from any layer", async () => {
    const expert = shape.experts === undefined ? {} : { expert: 3 };
    const targets: ComponentTarget[] = [
      { layer: 1, token: 8, kind: "neuron", index: 3, ...expert },
      { layer: shape.layers, token: 36, kind: "neuron", index: 5, ...expert },
      { layer: shape.layers, token: 36, kind: "head", index: 1 },
      { layer: 1, token: 30, kind: "head", index: 0 },
      { layer: 1, token: 12, kind: "around-mlp" },
    ];
    const sources = Array.from({ length: shape.layers }, (_, layer) => layer);
    const { components } = await model.componentEdges({
      ...request,
      rule: "cplrp",
      targets,
      sources: sources.slice(0, 1),
    });
    for (const { target, relevance, sources: [row] } of components) {
      expect(row?.weights).toHaveLength(target.token + 1);
      const sum = row!.weights.reduce((total, weight) => total + weight, 0);
      const largest = Math.max(...row!.weights.map(Math.abs));
      expect(Math.abs(sum - relevance) / Math.max(largest, 1e-9), JSON.stringify(target)).toBeLessThan(1e-5);
    }
  });

  test.each(RULES)("block states computed again give the same numbers, %s", async (rule) => {
    const frugal = await loadModel(device, directory, { keepBytes: 0 });
    const targets: ComponentTarget[] = [
      { layer: 2, token: 30, kind: "head", index: 0 },
      { layer: 1, token: 12, kind: "neuron", index: 2, ...(shape.experts === undefined ? {} : { expert: 1 }) },
    ];
    const [one, two] = [model, frugal].map(async (loaded) => [
      (await loaded.components({ ...request, rule, nodes })).nodes,
      (await loaded.componentEdges({ ...request, rule, targets })).components,
    ]);
    expect(await two).toEqual(await one);
    frugal.dispose();
  });
});

describe("relevance of heads and neurons equals LXT on transformers", () => {
  const data = join(import.meta.dirname as string, "..", "..", "test", "data");
  interface Reference {
    readonly nodes: readonly {
      readonly layer: number;
      readonly token: number;
      readonly heads: readonly number[];
      readonly neurons: readonly number[];
    }[];
  }
  const references = JSON.parse(Deno.readTextFileSync(join(data, "components.json"))) as Record<string, Reference>;
  test.each(Object.keys(references))("%s, attnlrp", async (name) => {
    const directory = join(data, "golden", name);
    const golden = JSON.parse(Deno.readTextFileSync(join(directory, "golden.json")));
    const { nodes } = references[name] as Reference;
    const model = await loadModel(device, directory);
    const result = await model.components({
      inputIds: golden.input_ids,
      target: golden.target,
      contrast: golden.contrast,
      rule: "attnlrp",
      nodes: nodes.map(({ layer, token }) => ({ layer, token })),
      top: model.config.mlp[0]?.width as number,
    });
    for (const kind of ["heads", "neurons"] as const) {
      // Numbers of different nodes differ in size: errors are relative to the largest of each layer.
      for (let layer = 1; layer <= model.config.layers; layer++) {
        const of = (list: readonly { readonly layer: number }[]) => list.filter((node) => node.layer === layer);
        const found = (of(result.nodes) as NodeComponents[]).flatMap((node) =>
          node[kind].toSorted((a, b) => a.index - b.index).map(({ relevance }) => relevance)
        );
        const expected = (of(nodes) as Reference["nodes"][number][]).flatMap((node) => node[kind]);
        expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(0);
        expect(relativeError(found, expected), `${kind} of layer ${layer}`).toBeLessThan(1e-4);
      }
    }
    model.dispose();
  });
});

describe("bad components are refused", () => {
  const golden = join(import.meta.dirname as string, "..", "..", "test", "data", "golden", "qwen3-a");
  const request = { inputIds: [1, 2, 3], target: 1, contrast: 2, rule: "attnlrp" } as const;
  let model: LoadedModel;
  beforeAll(async () => {
    model = await loadModel(device, golden);
  });
  test.each(
    [
      [
        { nodes: [{ layer: 0, token: 1 }] },
        /^nodes\[0\]: there is no block that ends at node layer 0; use layers from 1/,
      ],
      [{ nodes: [{ layer: 1, token: 3 }] }, /^nodes\[0\]: there is no token 3; use tokens from 0 to 2/],
      [{ top: -1 }, /^top: -1 is no count; use/],
    ] as const,
  )("%j", async (change, message) => {
    await expect(model.components({ ...request, ...change })).rejects.toThrow(message);
  });
  test.each(
    [
      [{ targets: [{ layer: 9, token: 0, kind: "head", index: 0 }] }, /^targets\[0\]: there is no block/],
      [{ targets: [{ layer: 1, token: 0, kind: "head", index: 99 }] }, /^targets\[0\]: there is no head 99; use/],
      [{ targets: [{ layer: 1, token: 0, kind: "neuron", index: 0.5 }] }, /^targets\[0\]: there is no neuron 0.5; use/],
      [
        { targets: [{ layer: 1, token: 0, kind: "head", index: 0 }], sources: [1] },
        /^sources: \[1\] are not ascending/,
      ],
      [{ targets: [{ layer: 2, token: 0, kind: "head", index: 0 }], sources: [1, 0] }, /^sources: \[1,0\] are not/],
      [{ targets: [] }, /^targets: no component is named; name at least one/],
    ] as const,
  )("%j", async (change, message) => {
    await expect(model.componentEdges({ ...request, ...change })).rejects.toThrow(message);
  });
});
