/** `culprit graph`: how relevance travels between tokens, layer by layer. */
import { type GraphRequest, type GraphResult, InputError, type NodePlace } from "../../gpu/mod.ts";
import type { StoredGraphMetrics } from "../../schema/tables/analysis_values.ts";
import {
  ATTRIBUTION_OPTIONS,
  ATTRIBUTION_USAGE,
  attributionExample,
  readAttributionRequest,
  type ReadRequest,
} from "./attribution_arguments.ts";
import {
  COMPONENT_OPTIONS,
  componentsJson,
  describeComponents,
  readComponents,
  runComponents,
} from "./component_arguments.ts";
import { OBJECTIVE_OPTION, parseObjective } from "./attribute_objective.ts";
import { attributionJson } from "./attribution_json.ts";
import { describeDifference } from "./attribution_table.ts";
import { graphJson, graphNodes } from "./graph_json.ts";
import { checkGraph, graphByObjective } from "./graph_objective.ts";
import { describeMetrics } from "./graph_metrics_table.ts";
import { describeGraph } from "./graph_table.ts";
import { optionText, type Verb, type VerbContext, type VerbOption } from "./verb.ts";
import { withModel } from "./with_model.ts";

const REACHES = ["last", "all"] as const;

/** Options that say what graph is built. */
export const GRAPH_OPTIONS: Readonly<Record<string, VerbOption>> = {
  ...ATTRIBUTION_OPTIONS,
  // The defaults are those of GRAPH_DEFAULTS, whose file would load the GPU's driver for the help.
  transitions: {
    type: "string",
    value: "LAYERS",
    help: "node layers to join, as 0,5,12,28; 0 = embeddings (default: every adjacent pair)",
  },
  mass: { type: "string", value: "SHARE", help: "share of |weight| that a transition keeps", default: "0.85" },
  "min-relevance": {
    type: "string",
    value: "LOGITS",
    help: "only targets above this |relevance| get edges; 0: all",
    default: "0.01",
  },
  reach: {
    type: "string",
    value: "REACH",
    help: "last: only edges that lead to the last token; all: the others too",
    default: "last",
  },
  "edge-budget": { type: "string", value: "N", help: "edges that the graph keeps at most", default: "200000" },
  heads: { type: "boolean", help: "with --json: each edge by head; adjacent layers, attnlrp and cplrp only" },
};

const METRICS_OPTION: Readonly<Record<string, VerbOption>> = {
  metrics: {
    type: "boolean",
    help: "the graph's metrics, strongest paths and reduced graph too; docs/graph-metrics.md",
  },
};

/** How the help writes them. */
export const GRAPH_USAGE = `${ATTRIBUTION_USAGE} [--transitions LAYERS] [--mass SHARE] [--min-relevance LOGITS] ` +
  "[--reach last|all] [--edge-budget N] [--heads]";

export const verb: Verb = {
  name: "graph",
  summary: "Shows between which tokens and layers the preference for the wrong token travelled",
  usage: `graph ${GRAPH_USAGE} [--objective O] [--metrics] [--components K] [--into TARGETS [--from LAYERS]] [--json]`,
  example: attributionExample("graph"),
  options: { ...GRAPH_OPTIONS, ...OBJECTIVE_OPTION, ...METRICS_OPTION, ...COMPONENT_OPTIONS },
  run,
};

/** Reads and checks all that a graph needs, before any GPU is touched. Throws InputError. */
export async function readGraphRequest(
  context: VerbContext,
  verb: Verb,
): Promise<ReadRequest & { readonly request: GraphRequest }> {
  const graphOptions = parseGraphOptions(context);
  const read = await readAttributionRequest(context, verb);
  const request: GraphRequest = { ...read.request, ...graphOptions };
  await checkGraph(read.config, request);
  return { ...read, request };
}

async function run(context: VerbContext): Promise<void> {
  const objective = parseObjective(context);
  if (objective) return await graphByObjective(context, verb, objective, parseGraphOptions(context));
  const { model, request, config, tokenizer } = await readGraphRequest(context, verb);
  const wanted = await readComponents(context, config, request);
  const { result, nodes, edges } = await withModel(context, model, async (loaded, options) => {
    const result = await loaded.graph(request, options);
    return { result, ...await runComponents(loaded, request, wanted, componentNodes(result), options) };
  });
  const metrics = context.values["metrics"] === true ? await measured(result) : undefined;
  if (!context.json) {
    await context.out(describeGraph(describeDifference(result, tokenizer), result, tokenizer, context.colour));
    if (metrics !== undefined) await context.out(describeMetrics(metrics, request.inputIds, tokenizer));
    return await context.out(describeComponents(nodes, edges, request.inputIds, tokenizer, context.colour));
  }
  const tokens = tokenizer ? request.inputIds.map(tokenizer.token) : null;
  const more = { ...componentsJson(nodes, edges), ...(metrics === undefined ? {} : { metrics }) };
  const { relevance: _, absorbed: __, ...fields } = attributionJson(result, tokens, context.values["layers"] === true);
  for (const piece of graphJson(result, fields, more)) await context.out(piece);
}

/** Its file would load the GPU's driver for the help. */
async function measured(result: GraphResult): Promise<StoredGraphMetrics> {
  const { measureGraph, shownMetrics } = await import("../graphs/graph_metrics.ts");
  return shownMetrics(measureGraph(result));
}

/** Nodes of a graph whose heads and neurons are given at most: those of largest |relevance|. */
const MOST_NODES = 1000;

function componentNodes(result: GraphResult): readonly NodePlace[] {
  return graphNodes(result).filter(({ layer }) => layer > 0)
    .toSorted((a, b) => Math.abs(b.relevance) - Math.abs(a.relevance)).slice(0, MOST_NODES)
    .toSorted((a, b) => a.layer - b.layer || a.token - b.token)
    .map(({ layer, token }) => ({ layer, token }));
}

type GraphOptions = Omit<GraphRequest, "inputIds" | "target" | "contrast" | "rule">;

/** Reads what the options say, whatever the model. Throws InputError. */
function parseGraphOptions(context: VerbContext): GraphOptions {
  const transitions = optionText(context, "transitions");
  return {
    ...(transitions === undefined ? {} : { transitions: parseLayers(transitions) }),
    mass: parseNumber(context, "mass"),
    minRelevance: parseNumber(context, "min-relevance"),
    reach: parseReach(optionText(context, "reach")),
    edgeBudget: parseNumber(context, "edge-budget"),
    heads: context.values["heads"] === true,
  };
}

function parseLayers(text: string): readonly number[] {
  const parts = text.split(",").map((part) => part.trim());
  if (parts.every((part) => /^\d+$/.test(part))) return parts.map(Number);
  throw new InputError(
    `${JSON.stringify(text)} is no list of layers`,
    "--transitions",
    "give whole numbers with commas between them, as 0,5,12,28",
  );
}

function parseNumber(context: VerbContext, name: string): number {
  const text = optionText(context, name) ?? "";
  const value = /^-?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : NaN;
  if (Number.isFinite(value)) return value;
  throw new InputError(
    `${JSON.stringify(text)} is not a number`,
    `--${name}`,
    `give a number, as ${GRAPH_OPTIONS[name]?.default}`,
  );
}

function parseReach(text: string | undefined): "last" | "all" {
  const reach = REACHES.find((name) => name === text);
  if (reach) return reach;
  throw new InputError(`there is no reach ${JSON.stringify(text)}`, "--reach", `give one of: ${REACHES.join(", ")}`);
}
