/**
 * Reads a graph of circuit-tracer or Neuronpedia (docs/graph-file.md) for our view. Their nodes are features of
 * transcoders: those at one layer and token stand together here, and so do the edges between two such places.
 */
import type { GraphData, Transition } from "./graph_data.ts";

export interface CircuitGraph {
  readonly data: GraphData;
  /** Texts, [tokens]. */
  readonly texts: readonly string[];
  readonly name: string;
  readonly model: string;
  /** What our graphs have and this one does not, or what was left out of it: a sentence each. */
  readonly lacks: readonly string[];
}

interface Node {
  /** Node layer: 0 = embeddings, l = block l counted from 1; logits above all. */
  readonly layer: number;
  readonly token: number;
  readonly relevance: number | undefined;
  readonly type: string;
}

type Json = Readonly<Record<string, unknown>>;

/** Bytes of a file at most: more takes the page's memory. */
export const MOST_BYTES = 200 * 2 ** 20;

function fail(what: string): never {
  throw new RangeError(`${what}: take the JSON that circuit-tracer or Neuronpedia writes`);
}

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null;

function listOf(graph: Json, name: string): readonly Json[] {
  const list = graph[name];
  if (!Array.isArray(list) || !list.every(isObject)) fail(`The file has no list "${name}" of objects`);
  return list as readonly Json[];
}

function readNode(node: Json, at: number, tokens: number): readonly [id: string, node: Node] {
  const { node_id: id, layer, ctx_idx: token, feature_type: type, relevance } = node;
  if (typeof id !== "string") fail(`nodes[${at}] has no node_id`);
  if (!/^(E|\d{1,6})$/.test(String(layer))) {
    fail(`nodes[${at}].layer is ${JSON.stringify(layer)}, neither E nor a number`);
  }
  if (!Number.isInteger(token) || (token as number) < 0 || (token as number) >= tokens) {
    fail(`nodes[${at}].ctx_idx is ${JSON.stringify(token)}, and the prompt has ${tokens} tokens`);
  }
  return [id as string, {
    layer: String(layer) === "E" ? 0 : Number(layer) + 1,
    token: token as number,
    relevance: typeof relevance === "number" && Number.isFinite(relevance) ? relevance : undefined,
    type: String(type),
  }];
}

/** Edges between places, by their two layers, and how many links led nowhere upward. */
function joinLinks(links: readonly Json[], nodes: ReadonlyMap<string, Node>, tokens: number) {
  const between = new Map<string, Map<number, number>>();
  let flat = 0;
  links.forEach(({ source, target, weight }, at) => {
    const [from, to] = [nodes.get(String(source)), nodes.get(String(target))];
    if (from === undefined || to === undefined) {
      fail(`links[${at}] names the node ${JSON.stringify(from === undefined ? source : target)}, which is not there`);
    }
    if (typeof weight !== "number" || !Number.isFinite(weight)) fail(`links[${at}].weight is no number`);
    if (from!.layer >= to!.layer) {
      flat++;
      return;
    }
    const key = `${from!.layer} ${to!.layer}`;
    const edges = between.get(key) ?? new Map<number, number>();
    between.set(key, edges);
    const place = to!.token * tokens + from!.token;
    edges.set(place, (edges.get(place) ?? 0) + (weight as number));
  });
  const transitions = [...between].map(([key, edges]): Transition => {
    const [source, target] = key.split(" ").map(Number) as [number, number];
    const places = [...edges.keys()].sort((a, b) => a - b);
    return {
      source,
      target,
      edges: places.length,
      keptMass: 1,
      columnError: 0,
      droppedByReach: 0,
      droppedByBudget: 0,
      sources: Uint32Array.from(places, (place) => place % tokens),
      targets: Uint32Array.from(places, (place) => Math.floor(place / tokens)),
      weights: Float32Array.from(places, (place) => edges.get(place)!),
      terms: undefined,
    };
  }).sort((a, b) => a.source - b.source || a.target - b.target);
  return { transitions, flat };
}

/** Relevance of places, [layers + 1, tokens]: what the nodes say, or else what leaves each, at the top what comes in. */
function relevanceOf(nodes: readonly Node[], transitions: readonly Transition[], layers: number, tokens: number) {
  const relevance = new Float32Array((layers + 1) * tokens);
  const said = nodes.every((node) => node.relevance !== undefined);
  if (said) {
    for (const node of nodes) relevance[node.layer * tokens + node.token]! += node.relevance!;
    return { relevance, said };
  }
  for (const { source, target, sources, targets, weights } of transitions) {
    weights.forEach((weight, edge) => {
      relevance[source * tokens + sources[edge]!]! += weight;
      if (target === layers) relevance[target * tokens + targets[edge]!]! += weight;
    });
  }
  return { relevance, said };
}

/** Throws RangeError with one line that says what is wrong where. */
export function readCircuitGraph(text: string): CircuitGraph {
  let graph: unknown;
  try {
    graph = JSON.parse(text);
  } catch (error) {
    fail(`The file is no JSON (${(error as Error).message})`);
  }
  if (!isObject(graph) || !isObject(graph["metadata"])) fail("The file has no metadata");
  const { metadata } = graph as { readonly metadata: Json };
  const texts = metadata["prompt_tokens"];
  if (!Array.isArray(texts) || texts.length === 0) fail("metadata.prompt_tokens is no list of tokens");
  const tokens = (texts as readonly unknown[]).length;
  const nodes = new Map(listOf(graph as Json, "nodes").map((node, at) => readNode(node, at, tokens)));
  if (nodes.size === 0) fail('The list "nodes" is empty');
  const { transitions, flat } = joinLinks(listOf(graph as Json, "links"), nodes, tokens);
  const all = [...nodes.values()];
  const nodeLayers = [...new Set(all.map(({ layer }) => layer))].sort((a, b) => a - b);
  const layers = nodeLayers.at(-1)!;
  const { relevance, said } = relevanceOf(all, transitions, layers, tokens);
  const ours = generatorOf(metadata) === "culprit";
  return {
    data: {
      rule: "as its file has it",
      ...(ours ? {} : { unit: "units" }),
      tokens,
      layers,
      nodeLayers,
      heads: 0,
      relevance,
      transitions,
    },
    texts: (texts as readonly unknown[]).map((one) => String(one).replaceAll("⏎", "\n")),
    name: String(metadata["slug"] ?? "graph"),
    model: String(metadata["scan"] ?? "a model without a name"),
    lacks: lacksOf(all, { flat, said, generator: generatorOf(metadata) }),
  };
}

function generatorOf(metadata: Json): string {
  const info = isObject(metadata["info"]) ? metadata["info"] : {};
  const generator = isObject(info["generator"]) ? info["generator"] : {};
  return String(generator["name"] ?? "");
}

const many = (count: number, one: string): string => `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;

function lacksOf(
  nodes: readonly Node[],
  { flat, said, generator }: { readonly flat: number; readonly said: boolean; readonly generator: string },
): readonly string[] {
  const places = new Set(nodes.map(({ layer, token }) => `${layer} ${token}`)).size;
  const errors = nodes.filter(({ type }) => /error/i.test(type)).length;
  return [
    ...places < nodes.length
      ? [
        `${many(nodes.length, "node")} stand at ${
          many(places, "place")
        }: features of one token and layer are one here.`,
      ]
      : [],
    ...errors > 0
      ? [
        `${many(errors, "node")} ${
          errors === 1 ? "is what a transcoder misses" : "are what transcoders miss"
        }: no feature.`,
      ]
      : [],
    ...said ? [] : ["Its nodes have no relevance: a node's colour is the sum of the edges that leave it."],
    ...flat > 0 ? [`${many(flat, "edge")} between nodes of one layer, or downward, are left out.`] : [],
    ...generator === "culprit" ? [] : [
      "It explains its own outputs, not one token against another, in its own units: red is above zero, blue below.",
    ],
    "Edges are not split by head.",
  ];
}
