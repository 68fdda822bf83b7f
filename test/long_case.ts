/** A case as long as the longest prompts of agents, with relevance and a graph, all random: what the page must bear. */
import { gzipSync } from "node:zlib";
import type { GraphResult } from "../gpu/engine.ts";
import { attributionGraphs } from "../schema/tables/analysis_tables.ts";
import { GRAPH_OPTIONS } from "../schema/tables/analysis_values.ts";
import type { Database } from "../schema/tables/database.ts";
import { attributions, failureCases, models, tokenPairs } from "../schema/tables/tables.ts";
import { attributionRow } from "../server/attributions/attribution_row.ts";
import { hashOfOptions } from "../server/graphs/compute_graph.ts";
import { graphFile, transitionSummary } from "../server/graphs/graph_file.ts";
import { type Random, seededRandom } from "./random.ts";

export interface LongCase {
  /** The case's global id. */
  readonly id: string;
  readonly texts: readonly string[];
  /** Raw relevance, [blocks + 1, tokens]. */
  readonly relevance: Float32Array;
  readonly edges: number;
  /** Relevance under CP-LRP, where it was asked for: other random numbers. */
  readonly other?: Float32Array;
}

export interface LongShape {
  readonly tokens: number;
  readonly blocks: number;
  readonly edges: number;
  /** Whether it is attributed under a second rule too. */
  readonly compared?: boolean;
}

export const LONG: LongShape = { tokens: 12_374, blocks: 36, edges: 200_000 };

const WORDS = ["the", "list", "of", "calls", "answer", "is", "not", "at", "key", "value", "user", "sent", "three"];

/** Words, lines of different lengths, indents and long runs without a space, as prompts of agents have them. */
function text(random: Random, position: number): string {
  if (position === 0) return "<|im_start|>";
  const kind = random.next();
  if (kind < 0.05) return ".\n";
  if (kind < 0.06) return "\n\n";
  if (kind < 0.09) return "    ";
  if (kind < 0.2) return random.integer(0, 999).toString();
  return ` ${WORDS[random.integer(0, WORDS.length - 1)]}`;
}

/** Few tokens carry most of the relevance, as in real attributions. */
const heavy = (random: Random) => random.normal() ** 5 / 20;

function transition(random: Random, source: number, tokens: number, count: number): GraphResult["transitions"][number] {
  const places = new Set<number>();
  while (places.size < count) {
    const target = random.integer(0, tokens - 1);
    places.add(target * tokens + random.integer(0, target));
  }
  const sorted = [...places].sort((a, b) => a - b);
  const weights = Float32Array.from(sorted, () => heavy(random));
  const mass = weights.reduce((sum, weight) => sum + Math.abs(weight), 0);
  return {
    source,
    target: source + 1,
    threshold: 0,
    rows: tokens,
    candidates: count,
    totalMass: mass,
    keptMass: 1,
    columnError: 0,
    droppedByReach: 0,
    droppedByBudget: 0,
    edges: {
      sources: Uint32Array.from(sorted, (place) => place % tokens),
      targets: Uint32Array.from(sorted, (place) => Math.floor(place / tokens)),
      weights,
    },
  };
}

function graphOf(random: Random, { tokens, blocks, edges }: LongShape): GraphResult {
  return {
    rule: "attnlrp",
    inputIds: Array.from({ length: tokens }, (_, position) => position),
    target: { id: 5, logit: 3 },
    contrast: { id: 6, logit: 1 },
    logitDifference: 2,
    layers: blocks,
    nodeLayers: Array.from({ length: blocks + 1 }, (_, layer) => layer),
    nodeRelevance: Float32Array.from({ length: (blocks + 1) * tokens }, () => heavy(random)),
    adapter: "random numbers",
    seconds: 1,
    transitions: Array.from({ length: blocks }, (_, layer) => {
      const [from, to] = [layer, layer + 1].map((part) => Math.round(part * edges / blocks)) as [number, number];
      return transition(random, layer, tokens, to - from);
    }),
  };
}

/** Stores the case with its pair, its attribution and its graph. */
export async function storeLongCase(db: Database, shape: LongShape = LONG, key = "long"): Promise<LongCase> {
  const random = seededRandom(12_374);
  const { tokens, blocks } = shape;
  const texts = Array.from({ length: tokens }, (_, position) => text(random, position));
  const promptTokens = Math.floor(0.9 * tokens);
  const segments = texts.map((_, position) =>
    position === 0 ? "S" : position >= promptTokens ? "A" : position % 100 < 6 ? "I" : "Q"
  ).join("");
  const graph = graphOf(random, shape);
  const [model] = await db.insert(models).values({
    name: `random-${key}`,
    directory: "models/demo-1m",
    architecture: "qwen3",
    parameters: 4_000_000_000,
    layers: blocks,
    hidden: 2560,
    vocabulary: tokens + 10,
    tokenizerHash: "random",
    hash: "random",
  }).returning({ id: models.id });
  const [row] = await db.insert(failureCases).values({
    modelId: model!.id,
    key,
    benchmark: "random",
    task: "long",
    messages: [],
    prompt: texts.slice(0, promptTokens).join(""),
    prefix: texts.slice(promptTokens).join(""),
    completion: texts.slice(promptTokens).join(""),
    completionIds: [...graph.inputIds.slice(promptTokens)],
    instructionPhrases: [],
    metadata: {},
    inputIds: [...graph.inputIds],
    tokenTexts: texts,
    segments,
    tokenCount: tokens,
    promptTokens,
    delta: 2,
    status: "clean",
    source: "imported",
    contentHash: key,
  }).returning({ id: failureCases.id });
  const [pair] = await db.insert(tokenPairs).values({
    failureCaseId: row!.id,
    position: tokens,
    targetId: 5,
    targetText: " wrong",
    targetLogit: 3,
    contrastId: 6,
    contrastText: " right",
    contrastLogit: 1,
    contrastRank: 1,
    delta: 2,
    source: "imported",
    candidates: [{ rank: 1, id: 6, text: " right", logit: 1, completion: null, passed: null }],
    contentHash: key,
  }).returning({ id: tokenPairs.id });
  const attributed = {
    tokenPairId: pair!.id,
    modelId: model!.id,
    benchmark: "random",
    targetText: " wrong",
    contrastText: " right",
    tokenTexts: texts,
    segments,
  };
  const [attribution] = await db.insert(attributions).values(attributionRow(attributed, graph))
    .returning({ id: attributions.id });
  await db.insert(attributionGraphs).values({
    attributionId: attribution!.id,
    options: GRAPH_OPTIONS,
    optionsHash: hashOfOptions(GRAPH_OPTIONS),
    nodes: tokens,
    edges: shape.edges,
    summary: {
      nodeLayers: graph.nodeLayers,
      transitions: graph.transitions.map((one) => transitionSummary(one)),
      metrics: {},
    },
    file: gzipSync(graphFile(graph)),
    adapter: graph.adapter,
    seconds: graph.seconds,
  });
  const long = { id: btoa(`FailureCase:${row!.id}`), texts, relevance: graph.nodeRelevance, edges: shape.edges };
  if (shape.compared !== true) return long;
  const other = Float32Array.from(graph.nodeRelevance, () => heavy(random));
  const second = { ...graph, rule: "cplrp", nodeRelevance: other } as const;
  await db.insert(attributions).values(attributionRow(attributed, second));
  return { ...long, other };
}
