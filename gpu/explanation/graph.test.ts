/** The attribution graph against golden edges of LXT (brute-force VJPs in float32), and the identities that must hold. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { relativeError } from "../../test/compare.ts";
import { GOLDEN_MODELS } from "../../test/golden_models.ts";
import { seededRandom } from "../../test/random.ts";
import { writeRandomModel } from "../../test/random_model.ts";
import type { Device } from "../device/device.ts";
import { sharedDevice } from "../../test/shared_device.ts";
import { type GraphResult, type LoadedModel, RULES, type Transition } from "../engine.ts";
import { loadModel } from "../loaded_model.ts";
import { openSafetensors } from "../model/safetensors.ts";

const GOLDEN = join(import.meta.dirname as string, "..", "..", "test", "data", "golden");
let device: Device;
beforeAll(async () => {
  device = await sharedDevice();
});

/** [targets, sources] of a transition's edges, zero where there is none. */
function dense({ edges }: Transition, tokens: number): Float32Array {
  const matrix = new Float32Array(tokens * tokens);
  edges.weights.forEach((weight, index) => {
    matrix[(edges.targets[index] as number) * tokens + (edges.sources[index] as number)] = weight;
  });
  return matrix;
}

/** The device as one whose workgroups have no memory, and so no tiles of attention. */
const withoutTiles = (): Device => ({ ...device, workgroupBytes: 0 });

/** A golden model's request, and one of its tensors. */
function openGolden(name: string) {
  const golden = JSON.parse(Deno.readTextFileSync(join(GOLDEN, name, "golden.json")));
  const file = openSafetensors(join(GOLDEN, name, "golden.safetensors"));
  return {
    golden,
    file,
    request: { inputIds: golden.input_ids as number[], target: golden.target, contrast: golden.contrast },
    expected(tensor: string): Float32Array {
      const bytes = new Uint8Array(file.tensors.get(tensor)?.bytes ?? 0);
      file.readInto(tensor, 0, bytes);
      return new Float32Array(bytes.buffer);
    },
  };
}

/** Nothing pruned: every target, all the mass. */
const EVERYTHING = { mass: 1, minRelevance: 0, reach: "all" } as const;

describe.each(GOLDEN_MODELS)("%s equals the golden edges of LXT", (name) => {
  const { golden, file, request, expected } = openGolden(name);
  const tokens = request.inputIds.length;
  const skips = [...file.tensors.keys()].filter((tensor) => tensor.startsWith("attnlrp.edges_skip."))
    .map((tensor) => tensor.slice("attnlrp.edges_skip.".length).split("_").map(Number) as [number, number]);
  let model: LoadedModel;
  beforeAll(async () => {
    model = await loadModel(device, join(GOLDEN, name));
  });

  test.each(RULES)("every adjacent transition, %s", async (rule) => {
    const graph = await model.graph({ ...request, rule, ...EVERYTHING });
    expect(relativeError(graph.nodeRelevance, expected(`${rule}.node_relevance`))).toBeLessThan(1e-4);
    expect(graph.transitions).toHaveLength(golden.layers);
    for (const transition of graph.transitions) {
      const edges = expected(`${rule}.edges.${transition.source}`);
      expect(relativeError(dense(transition, tokens), edges), `from layer ${transition.source}`).toBeLessThan(1e-4);
    }
  });

  test.each(RULES)("transitions that skip blocks, %s", async (rule) => {
    expect(skips.length).toBeGreaterThan(0);
    for (const [source, target] of skips) {
      const graph = await model.graph({ ...request, rule, ...EVERYTHING, transitions: [source, target] });
      const edges = expected(`${rule}.edges_skip.${source}_${target}`);
      expect(relativeError(dense(graph.transitions[0] as Transition, tokens), edges), `${source} to ${target}`)
        .toBeLessThan(1e-4);
    }
  });

  test.each(RULES)("columns sum to the relevance of the source layer when nothing is dropped, %s", async (rule) => {
    const graph = await model.graph({ ...request, rule, ...EVERYTHING, transitions: [0, 1, golden.layers] });
    for (const transition of graph.transitions) {
      expect(transition.columnError).toBeLessThan(1e-5);
      expect(transition.keptMass).toBeCloseTo(1, 6);
    }
  });

  test.each(["attnlrp", "cplrp"] as const)("heads and residual add up to each edge, %s", async (rule) => {
    const graph = await model.graph({ ...request, rule, ...EVERYTHING, heads: true });
    for (const { edges, headEdges } of graph.transitions) {
      const { heads, terms } = headEdges as NonNullable<typeof headEdges>;
      expect(heads).toBe(model.config.heads);
      const sums = Array.from(
        edges.weights,
        (_, index) => terms.subarray(index * heads * 2, (index + 1) * heads * 2).reduce((sum, term) => sum + term, 0),
      );
      const off = (values: ArrayLike<number>) =>
        Array.from(values).filter((_, index) => edges.sources[index] !== edges.targets[index]);
      expect(relativeError(off(sums), off(edges.weights))).toBeLessThan(1e-5);
      if (rule === "cplrp") expect(terms.filter((_, index) => index % 2 === 1).every((qk) => qk === 0)).toBe(true);
    }
  });
});

/** All heads of one key; a window; a window and capped scores; biases of q, k and v; LayerNorm, one with learned positions. */
describe.each(["qwen3-a", "mistral-a", "gemma2-a", "qwen2-a", "gptneox-a", "gpt2-a"] as const)(
  "%s on adapters without tiles of attention",
  (name) => {
    test.each(["attnlrp", "cplrp"] as const)(
      "edges are golden, and those of each head as by tiles, %s",
      async (rule) => {
        const { request, expected } = openGolden(name);
        const asked = { ...request, rule, ...EVERYTHING, heads: true };
        // Edges are computed again where they are pruned on the device.
        const again = { hostBytes: 0, keptBytes: 0, pendingEdges: Infinity };
        const blocks = await (await loadModel(withoutTiles(), join(GOLDEN, name), { tiles: again })).graph(asked);
        const tiles = await (await loadModel(device, join(GOLDEN, name))).graph(asked);
        blocks.transitions.forEach((transition, index) => {
          const edges = expected(`${rule}.edges.${transition.source}`);
          expect(relativeError(dense(transition, request.inputIds.length), edges)).toBeLessThan(1e-4);
          const other = tiles.transitions[index]!;
          expect(other.edges.sources).toEqual(transition.edges.sources);
          expect(other.edges.targets).toEqual(transition.edges.targets);
          const { terms } = transition.headEdges!;
          expect(terms.some((term) => term !== 0)).toBe(true);
          expect(relativeError(other.headEdges!.terms, terms)).toBeLessThan(1e-5);
        });
      },
    );
  },
);

// Heads that share keys; a window and capped scores; LayerNorm, learned positions and biases.
test.each(["qwen3-a", "gemma2-a", "gpt2-a"] as const)("%s by hardware's tiles has golden edges", async (name) => {
  const { request, expected } = openGolden(name);
  const hardware = { ...device, info: { ...device.info, lanes: 0 } };
  const asked = { ...request, rule: "attnlrp", ...EVERYTHING } as const;
  const { transitions } = await (await loadModel(hardware, join(GOLDEN, name))).graph(asked);
  for (const transition of transitions) {
    const edges = expected(`attnlrp.edges.${transition.source}`);
    expect(relativeError(dense(transition, request.inputIds.length), edges)).toBeLessThan(1e-4);
  }
});

describe("packs, tiles and states computed again change nothing", () => {
  const golden = JSON.parse(Deno.readTextFileSync(join(GOLDEN, "qwen3-a", "golden.json")));
  const request = { inputIds: golden.input_ids, target: golden.target, contrast: golden.contrast };
  const weightsOf = ({ transitions }: GraphResult) => transitions.map(({ edges }) => [...edges.weights]);

  test.each(RULES)("block states computed again, %s", async (rule) => {
    const [kept, frugal] = [
      await loadModel(device, join(GOLDEN, "qwen3-a")),
      await loadModel(device, join(GOLDEN, "qwen3-a"), { keepBytes: 0 }),
    ];
    for (const transitions of [undefined, [0, 2, 3]]) {
      const one = { ...request, rule, ...EVERYTHING, ...(transitions ? { transitions } : {}) };
      expect(weightsOf(await frugal.graph(one))).toEqual(weightsOf(await kept.graph(one)));
    }
  });
});

const SHAPE = {
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 16,
  num_key_value_heads: 4,
  head_dim: 8,
  vocab_size: 64,
  tie_word_embeddings: false,
  max_position_embeddings: 2048,
  rope_theta: 10_000,
};
/**
 * One block with a window and one without; one whose heads are normalised, which the pruning does not see; and one whose
 * q, k and v have constant parts. Of 1,060 tokens the scores of 16 heads are cut into several blocks.
 */
const CUT = [
  ["olmo3", 1_060, "attnlrp", 0.85, 200_000, "last"],
  ["olmo3", 1_060, "cplrp", 0.95, 300, "all"],
  ["qwen3", 1_060, "cplrp", 0.95, 300, "all"],
  ["gpt2", 500, "attnlrp", 0.95, 200_000, "last"],
] as const;
const SHAPES = {
  qwen3: SHAPE,
  olmo3: { ...SHAPE, sliding_window: 100, layer_types: ["sliding_attention", "full_attention"] },
  gpt2: { n_embd: 128, n_layer: 2, n_head: 16, n_inner: 24, n_positions: 2048, vocab_size: 64 },
};

describe("wherever edges are pruned, they are the same to the last bit", () => {
  const root = mkdtempSync(join(tmpdir(), "culprit-graph-"));
  afterAll(() => rmSync(root, { recursive: true }));
  const limits = {
    "on the host": { hostBytes: Infinity, keptBytes: Infinity, pendingEdges: Infinity },
    "on the device, tiles kept": { hostBytes: 0, keptBytes: Infinity, pendingEdges: Infinity },
    "on the device, tiles computed again": { hostBytes: 0, keptBytes: 0, pendingEdges: 1 },
  };

  test.each(CUT)("%s, %i tokens, %s", async (architecture, tokens, rule, mass, edgeBudget, reach) => {
    const folder = join(root, architecture);
    writeRandomModel(folder, { model_type: architecture, ...SHAPES[architecture] }, { dtype: "F32", seed: 4 });
    const random = seededRandom(5);
    const inputIds = Array.from({ length: tokens }, () => random.integer(0, 63));
    const settings = { inputIds, target: 5, contrast: 6, rule, mass, minRelevance: 1e-4, edgeBudget, reach } as const;
    const results: GraphResult[] = [];
    for (const tiles of Object.values(limits)) {
      const model = await loadModel(device, folder, { tiles });
      results.push(await model.graph({ ...settings, heads: reach === "last" }));
      model.dispose();
    }
    const edgeCount = results[0]!.transitions.reduce((sum, { edges }) => sum + edges.weights.length, 0);
    expect(edgeCount).toBeGreaterThan(250);
    for (const { transitions } of results.slice(1)) expect(transitions).toEqual(results[0]!.transitions);
  });
});

describe("pruning", () => {
  const golden = JSON.parse(Deno.readTextFileSync(join(GOLDEN, "qwen3-b", "golden.json")));
  const request = {
    inputIds: golden.input_ids,
    target: golden.target,
    contrast: golden.contrast,
    rule: "attnlrp",
  } as const;
  let model: LoadedModel;
  beforeAll(async () => {
    model = await loadModel(device, join(GOLDEN, "qwen3-b"));
  });

  test("a transition keeps the largest edges, no more than its mass needs", async () => {
    const all = await model.graph({ ...request, ...EVERYTHING });
    const pruned = await model.graph({ ...request, mass: 0.5, minRelevance: 0, reach: "all" });
    pruned.transitions.forEach(({ edges, keptMass, threshold }, index) => {
      const sorted = (all.transitions[index] as Transition).edges.weights.map(Math.abs).sort().reverse();
      const count = edges.weights.length;
      expect(keptMass).toBeGreaterThanOrEqual(0.5);
      expect([...edges.weights].map(Math.abs).sort((a, b) => b - a)).toEqual([...sorted.subarray(0, count)]);
      const total = sorted.reduce((sum, value) => sum + value, 0);
      expect(sorted.subarray(0, count - 1).reduce((sum, value) => sum + value, 0) / total).toBeLessThan(0.5);
      expect(threshold).toBe(sorted[count - 1]);
    });
  });

  test("targets below the bound get no edges", async () => {
    const minRelevance = 0.005;
    const { transitions, nodeRelevance } = await model.graph({ ...request, mass: 1, minRelevance, reach: "all" });
    for (const { target, edges, rows } of transitions) {
      const relevance = nodeRelevance.subarray(
        target * request.inputIds.length,
        (target + 1) * request.inputIds.length,
      );
      const isRoot = (token: number) => target === model.config.layers && token === relevance.length - 1;
      const above = [...relevance.keys()].filter((token) =>
        Math.abs(relevance[token] as number) > minRelevance || isRoot(token)
      );
      expect(rows).toBe(above.length);
      expect([...new Set(edges.targets)].every((token) => above.includes(token))).toBe(true);
    }
  });

  test("with reach last every edge leads on to the last token", async () => {
    const { transitions } = await model.graph({ ...request, mass: 0.6, minRelevance: 0 });
    transitions.forEach(({ edges }, index) => {
      const next = transitions[index + 1];
      const reached = new Set(next ? next.edges.sources : [request.inputIds.length - 1]);
      expect([...edges.targets].every((token) => reached.has(token))).toBe(true);
    });
    expect(transitions.some(({ droppedByReach }) => droppedByReach > 0)).toBe(true);
  });

  test("a graph keeps its edge budget, and says what it dropped", async () => {
    const { transitions } = await model.graph({ ...request, ...EVERYTHING, edgeBudget: 50 });
    expect(transitions.reduce((sum, { edges }) => sum + edges.weights.length, 0)).toBe(50);
    expect(transitions.reduce((sum, { droppedByBudget }) => sum + droppedByBudget, 0)).toBeGreaterThan(1000);
  });

  test("only what is within the budget is split by head; a transition without edges has as many heads", async () => {
    const ofTerms = new Set<GPUBuffer>();
    const read: number[] = [];
    const watched: Device = {
      ...device,
      allocate(bytes, label, lasting) {
        const buffer = device.allocate(bytes, label, lasting);
        if (label === "edges split by head") ofTerms.add(buffer);
        return buffer;
      },
      read(buffer, offset, bytes) {
        if (ofTerms.has(buffer)) read.push(bytes);
        return device.read(buffer, offset, bytes);
      },
    };
    const [edgeBudget, heads] = [2, model.config.heads];
    const asked = { ...request, ...EVERYTHING, heads: true };
    const whole = await model.graph(asked);
    const { transitions } = await (await loadModel(watched, join(GOLDEN, "qwen3-b"))).graph({ ...asked, edgeBudget });
    expect(Math.max(...read)).toBe(edgeBudget * heads * 8);
    expect(transitions.some(({ edges }) => edges.weights.length === 0)).toBe(true);
    transitions.forEach(({ edges, headEdges }, index) => {
      const all = whole.transitions[index]!;
      const terms = Array.from(edges.weights, (_, edge) => {
        const at = all.edges.weights.findIndex((_, other) =>
          all.edges.sources[other] === edges.sources[edge] && all.edges.targets[other] === edges.targets[edge]
        );
        return [...all.headEdges!.terms.subarray(at * heads * 2, (at + 1) * heads * 2)];
      });
      expect(headEdges).toEqual({ heads, terms: Float32Array.from(terms.flat()) });
    });
  });

  test.each(
    [
      [{ transitions: [0] }, /^transitions: \[0\] are not two or more ascending/],
      [{ transitions: [2, 1] }, /^transitions: \[2,1\] .*; use numbers from 0 .* to 4/],
      [{ transitions: [0, 5] }, /^transitions: /],
      [{ mass: 0 }, /^mass: 0 is not a share/],
      [{ minRelevance: NaN }, /^minRelevance: /],
      [{ edgeBudget: 0.5 }, /^edgeBudget: /],
      [{ rule: "gradient", heads: true }, /^heads: plain gradients/],
      [{ heads: true, transitions: [0, 2] }, /^heads: transitions that skip/],
    ] as const,
  )("%j is refused", async (change, message) => {
    await expect(model.graph({ ...request, ...change } as typeof request)).rejects.toThrow(message);
  });
});
