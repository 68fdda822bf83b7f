/** AttributionGraph: which token at which layer passed its relevance to which. */
import { z } from "zod";
import { GRAPH_OPTIONS } from "../tables/analysis_values.ts";
import { Attribution } from "./attribution.ts";
import { caseFilter, chosenPairs, pairFilter, pairIds } from "./chosen_pairs.ts";
import { InputError } from "./input_error.ts";
import { builder } from "./builder.ts";
import { idempotencyKey, Job, Selection } from "./job.ts";
import { found } from "./rows.ts";
import { Rule } from "./rule.ts";

/** Address of a graph as one file. */
export function graphPath(id: number): string {
  return `/graphs/${id}.cgf`;
}

const Reach = builder.enumType("GraphReach", {
  description: "Where a graph's edges must lead.",
  values: {
    LAST: { value: "last", description: "To the last token of the last layer: what moved the prediction." },
    ALL: { value: "all", description: "Anywhere." },
  } as const,
});

interface TransitionRow {
  readonly source: number;
  readonly target: number;
  readonly edges: number;
  readonly keptMass: number;
  readonly threshold: number;
  readonly rows: number;
  readonly candidates: number;
  readonly totalMass: number;
  readonly droppedByReach: number;
  readonly droppedByBudget: number;
  readonly columnError: number;
}

const GraphTransition = builder.objectRef<TransitionRow>("GraphTransition").implement({
  description: "The edges between two node layers, and what was dropped of them.",
  fields: (t) => ({
    source: t.exposeInt("source", { description: "Node layer that edges come from; 0 = embeddings." }),
    target: t.exposeInt("target", { description: "Node layer that edges lead to." }),
    edges: t.exposeInt("edges", { description: "Edges that were kept." }),
    keptMass: t.exposeFloat("keptMass", { description: "Share of the candidates' sum of |weight| that was kept." }),
    totalMass: t.exposeFloat("totalMass", { description: "Sum of |weight| over the candidates, in logits." }),
    threshold: t.exposeFloat("threshold", { description: "Smallest |weight| that the mass rule keeps." }),
    rows: t.exposeInt("rows", { description: "Target tokens whose |relevance| was large enough for edges." }),
    candidates: t.exposeInt("candidates", { description: "Edges into those tokens." }),
    droppedByReach: t.exposeInt("droppedByReach", {
      description: "Edges that the mass rule kept and that lead nowhere.",
    }),
    droppedByBudget: t.exposeInt("droppedByBudget", { description: "Edges beyond the budget of the graph." }),
    columnError: t.exposeFloat("columnError", {
      description: "max_i |sum_j A_ji - R_i| / max |R| over the edges kept: how much of the source layer's relevance " +
        "they leave out.",
    }),
  }),
});

export const AttributionGraph = builder.drizzleNode("attributionGraphs", {
  name: "AttributionGraph",
  description: "The pruned attribution graph of one attribution: edges A_ji between the tokens of node layers, in " +
    "logits. Its nodes' relevance is that of the attribution.",
  id: { column: (graph) => graph.id },
  select: { columns: {} },
  fields: (t) => ({
    attribution: t.relation("attribution", { type: Attribution, description: "The attribution it belongs to." }),
    nodeCount: t.exposeInt("nodes", { description: "Nodes with at least one edge." }),
    edgeCount: t.exposeInt("edges", { description: "Edges." }),
    mass: t.float({
      description: "Share of |weight| that a transition was to keep.",
      select: { columns: { options: true } },
      resolve: ({ options }) => options.mass,
    }),
    minRelevance: t.float({
      description: "Only targets with a raw |relevance| above this, in logits, have edges.",
      select: { columns: { options: true } },
      resolve: ({ options }) => options.minRelevance,
    }),
    reach: t.field({
      type: Reach,
      description: "Where its edges lead.",
      select: { columns: { options: true } },
      resolve: ({ options }) => options.reach,
    }),
    heads: t.boolean({
      description: "Whether edges are split by attention head into OV and QK parts.",
      select: { columns: { options: true } },
      resolve: ({ options }) => options.heads,
    }),
    transitions: t.field({
      type: [GraphTransition],
      description: "From the first layers to the last.",
      complexity: { field: 1, multiplier: 10 },
      select: { columns: { summary: true } },
      resolve: ({ summary }) => summary.transitions.map((transition) => transition as unknown as TransitionRow),
    }),
    download: t.string({
      description: "Path on this server of the whole graph as one file; docs/graph-file.md describes it.",
      select: { columns: { id: true } },
      resolve: ({ id }) => graphPath(id),
    }),
    adapter: t.exposeString("adapter", { description: "Adapter that computed it, in its driver's words." }),
    seconds: t.exposeFloat("seconds", { description: "Wall time, without loading." }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was computed." }),
  }),
});

builder.drizzleObjectFields(Attribution, (t) => ({
  graphs: t.relation("graphs", {
    type: AttributionGraph,
    description: "The attribution's graphs, newest first, 20 at most.",
    complexity: { field: 1, multiplier: 2 },
    query: { orderBy: { id: "desc" }, limit: 20 },
  }),
}));

const BuildGraphInput = builder.inputType("BuildGraphInput", {
  description: "What to build graphs of, `tokenPairIds`, a `selection`, a `filter` or `cases`, and how.",
  fields: (t) => ({
    tokenPairIds: t.globalIDList(pairIds("The token pairs; a pair that has this very graph keeps it.")),
    selection: t.field({
      type: Selection,
      description: "Instead of ids: all pairs of a kind that have no such graph.",
    }),
    filter: t.field(pairFilter),
    cases: t.field(caseFilter),
    rule: t.field({ type: Rule, description: "Backward rule; ATTNLRP when nothing is said." }),
    transitions: t.intList({
      description:
        "Ascending node layers, 0 = embeddings: edges join neighbours in the list. All layers when nothing " +
        "is said.",
      validate: z.array(z.int().min(0).max(10_000)).min(2).max(1000),
    }),
    mass: t.float({
      description:
        `Share of |weight| that a transition keeps, more than 0 to 1; ${GRAPH_OPTIONS.mass} when nothing is said.`,
      validate: z.number().gt(0).max(1),
    }),
    minRelevance: t.float({
      description: "Only targets with a raw |relevance| above this, in logits, get edges; " +
        `${GRAPH_OPTIONS.minRelevance} when nothing is said.`,
      validate: z.number().min(0),
    }),
    reach: t.field({ type: Reach, description: "Where edges must lead; LAST when nothing is said." }),
    heads: t.boolean({ description: "Split every edge by attention head into OV and QK parts." }),
    edgeBudget: t.int({
      description: `Edges at most; ${GRAPH_OPTIONS.edgeBudget} when nothing is said.`,
      validate: z.int().min(1).max(5_000_000),
    }),
    idempotencyKey: t.string(idempotencyKey),
  }),
});

builder.mutationField("buildGraph", (t) =>
  t.drizzleField({
    type: Job,
    description: "Builds the attribution graphs of token pairs, and stores their attributions with them.",
    errors: { types: [InputError], union: { name: "BuildGraphResult", description: "The job, or what was wrong." } },
    args: { input: t.arg({ type: BuildGraphInput, required: true, description: "What to build." }) },
    resolve: async (query, _parent, { input }, context) => {
      const id = await context.services.buildGraph({
        tokenPairIds: await chosenPairs(input, context),
        rule: input.rule ?? "attnlrp",
        options: {
          transitions: input.transitions ?? GRAPH_OPTIONS.transitions,
          mass: input.mass ?? GRAPH_OPTIONS.mass,
          minRelevance: input.minRelevance ?? GRAPH_OPTIONS.minRelevance,
          reach: input.reach ?? GRAPH_OPTIONS.reach,
          heads: input.heads ?? GRAPH_OPTIONS.heads,
          edgeBudget: input.edgeBudget ?? GRAPH_OPTIONS.edgeBudget,
        },
        idempotencyKey: input.idempotencyKey ?? undefined,
      });
      return found(await context.db.query.jobs.findFirst(query({ where: { id } })));
    },
  }));
