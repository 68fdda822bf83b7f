/**
 * The graph's JSON as circuit-tracer's page and Neuronpedia read it. The two schemas below state what these projects
 * publish, nothing of ours: circuit-tracer's `frontend/graph_models.py` at commit d797c82 (pydantic: a field without a
 * default has to be there and of its type), Neuronpedia's `graph-schema.json` at commit ebb8426 (draft 07).
 */
import { expect, test } from "vitest";
import { z } from "zod";
import { circuitJson } from "../server/graphs/circuit_json.ts";

const CIRCUIT_TRACER = z.object({
  metadata: z.object({
    slug: z.string(),
    scan: z.string(),
    transcoder_list: z.array(z.string()),
    prompt_tokens: z.array(z.string()),
    prompt: z.string(),
    node_threshold: z.number().nullable().optional(),
  }),
  qParams: z.object({
    pinnedIds: z.array(z.string()),
    supernodes: z.array(z.array(z.string())),
    linkType: z.string(),
    clickedId: z.string(),
    sg_pos: z.string(),
  }),
  nodes: z.array(z.object({
    node_id: z.string(),
    feature: z.int(),
    layer: z.string(),
    ctx_idx: z.int(),
    feature_type: z.string(),
    token_prob: z.number().optional(),
    is_target_logit: z.boolean().optional(),
    run_idx: z.int().optional(),
    reverse_ctx_idx: z.int().optional(),
    jsNodeId: z.string(),
    clerp: z.string().optional(),
    influence: z.number().nullable().optional(),
    activation: z.number().nullable().optional(),
  })),
  links: z.array(z.object({ source: z.string(), target: z.string(), weight: z.number() })),
});

const NEURONPEDIA = z.object({
  metadata: z.object({
    slug: z.string(),
    scan: z.string(),
    prompt_tokens: z.array(z.string()),
    prompt: z.string(),
    node_threshold: z.number().optional(),
    info: z.object({
      description: z.string().optional(),
      creator_name: z.string().optional(),
      creator_url: z.string().optional(),
      source_urls: z.array(z.unknown()).optional(),
      generator: z.object({
        name: z.string().optional(),
        version: z.string().optional(),
        url: z.string().optional(),
        email: z.string().optional(),
      }).optional(),
      create_time_ms: z.number().optional(),
    }).optional(),
    generation_settings: z.object({}).loose().optional(),
    pruning_settings: z.object({ node_threshold: z.number().optional(), edge_threshold: z.number().optional() })
      .optional(),
  }),
  qParams: z.object({
    pinnedIds: z.array(z.string()).optional(),
    supernodes: z.array(z.unknown()).optional(),
    linkType: z.string().optional(),
    clickedId: z.string().optional(),
    sg_pos: z.string().optional(),
  }),
  nodes: z.array(z.object({
    node_id: z.string(),
    feature: z.int().nullable(),
    layer: z.union([z.string(), z.int()]),
    ctx_idx: z.int(),
    feature_type: z.string(),
    jsNodeId: z.string(),
    clerp: z.string(),
    influence: z.number().nullable().optional(),
    activation: z.number().nullable().optional(),
  })),
  links: z.array(z.object({ source: z.string(), target: z.string(), weight: z.number() })),
});

const TOKENS = ["<bos>", "a", " b", "\n"];
const GRAPH = {
  inputIds: [11, 12, 13, 14],
  nodeLayers: [0, 1, 3],
  // [layers + 1, tokens]
  nodeRelevance: Float32Array.from([0, 0.5, -1, 0.25, 0, 2, 0, -0.5, 0, 0, 0, 0, 0, 0, 0, 4]),
  transitions: [
    { source: 0, target: 1, edges: edges([1, 1, 0.5], [2, 3, -1]) },
    { source: 1, target: 3, edges: edges([1, 3, 2], [3, 3, -0.5]) },
  ],
};
function edges(...rows: readonly (readonly [source: number, target: number, weight: number])[]) {
  return {
    sources: Uint32Array.from(rows.map(([source]) => source)),
    targets: Uint32Array.from(rows.map(([, target]) => target)),
    weights: Float32Array.from(rows.map(([, , weight]) => weight)),
  };
}
const CASE = {
  slug: "case-attnlrp",
  model: "demo",
  rule: "attnlrp" as const,
  layers: 3,
  prompt: TOKENS.join(""),
  tokens: TOKENS,
  target: { id: 7, text: " no" },
  contrast: { id: 8, text: '"' },
  delta: Math.log(3),
  mass: 0.85,
};
const written = JSON.parse(JSON.stringify(circuitJson(CASE, GRAPH)));

test.each([["circuit-tracer", CIRCUIT_TRACER], ["Neuronpedia", NEURONPEDIA]])("%s reads it", (_name, schema) => {
  expect(schema.safeParse(written).error?.issues ?? []).toEqual([]);
});

test("the schemas refuse what their owners would", () => {
  const { links: _, ...without } = written;
  expect(CIRCUIT_TRACER.safeParse(without).success).toBe(false);
  expect(NEURONPEDIA.safeParse({ ...written, nodes: [{ ...written.nodes[0], ctx_idx: "1" }] }).success).toBe(false);
});

test("nodes are tokens at layers, links the edges, and the logit has what reaches the last place", () => {
  const { nodes, links, metadata } = CIRCUIT_TRACER.parse(written);
  expect(nodes.map(({ node_id }) => node_id)).toEqual(["E_12_1", "E_13_2", "0_1_1", "0_3_3", "2_3_3", "4_7_3"]);
  expect(new Set(nodes.map(({ node_id }) => node_id)).size).toBe(nodes.length);
  expect(links).toEqual([
    { source: "E_12_1", target: "0_1_1", weight: 0.5 },
    { source: "E_13_2", target: "0_3_3", weight: -1 },
    { source: "0_1_1", target: "2_3_3", weight: 2 },
    { source: "0_3_3", target: "2_3_3", weight: -0.5 },
    { source: "2_3_3", target: "4_7_3", weight: 4 },
  ]);
  const known = new Set(nodes.map(({ node_id }) => node_id));
  for (const { source, target } of links) expect([known.has(source), known.has(target)]).toEqual([true, true]);
  expect(metadata.prompt_tokens).toEqual(["<bos>", "a", " b", "⏎"]);
  // Their pages take the probability out of these words: e^delta = 3, so three quarters.
  expect(nodes.at(-1)?.clerp).toContain("(p=0.750)");
  // Of |0.5|, |-1|, |2|, |-0.5|, |4| = 8, the strongest first.
  expect(nodes.map(({ influence }) => influence)).toEqual([7.5 / 8, 7 / 8, 6 / 8, 1, 4 / 8, null]);
});
