/** Metrics of an attribution graph, its strongest paths, and the reduced graph. */
import type { StoredGraphMetrics, StoredNode } from "../tables/analysis_values.ts";
import { metricsOf } from "../tables/analysis_values.ts";
import { AttributionGraph } from "./attribution_graph.ts";
import { builder } from "./builder.ts";

type Transition = StoredGraphMetrics["transitions"][number];
type Layer = StoredGraphMetrics["layers"][number];
type Hub = StoredGraphMetrics["hubs"][number];
type Transfer = StoredGraphMetrics["transfer"]["tokens"][number];
type Reduced = StoredGraphMetrics["reduced"];
type Path = Reduced["paths"][number];
type Edge = Reduced["edges"][number];

const TransitionMetrics = builder.objectRef<Transition>("GraphTransitionMetrics").implement({
  description: "Shape of the kept edges between two node layers; docs/graph-metrics.md has the formulas.",
  fields: (t) => ({
    source: t.exposeInt("source", { description: "Node layer that edges come from." }),
    target: t.exposeInt("target", { description: "Node layer that edges lead to." }),
    fanIn: t.float({
      nullable: true,
      description: "Mean edges into a target token that has any.",
      resolve: ({ fanIn }) => fanIn.mean,
    }),
    mostFanIn: t.int({ description: "Most edges into a target token.", resolve: ({ fanIn }) => fanIn.most }),
    fanOut: t.float({
      nullable: true,
      description: "Mean edges out of a source token that has any.",
      resolve: ({ fanOut }) => fanOut.mean,
    }),
    mostFanOut: t.int({ description: "Most edges out of a source token.", resolve: ({ fanOut }) => fanOut.most }),
    gini: t.exposeFloat("gini", {
      nullable: true,
      description: "Of |weight|: 0 all edges alike, near 1 a few are all.",
    }),
    verticality: t.exposeFloat("verticality", {
      nullable: true,
      description: "Share of |weight| that stays on its token.",
    }),
    sinkShare: t.exposeFloat("sinkShare", {
      nullable: true,
      description: "Share of |weight| that comes from the first token.",
    }),
    lookBack: t.exposeFloat("lookBack", { nullable: true, description: "Mean tokens looked back, by |weight|." }),
    lookBackSideways: t.exposeFloat("lookBackSideways", {
      nullable: true,
      description: "The same over edges between different tokens.",
    }),
  }),
});

const LayerMetrics = builder.objectRef<Layer>("GraphLayerMetrics").implement({
  description: "Where |relevance| lies in a node layer.",
  fields: (t) => ({
    layer: t.exposeInt("layer", { description: "Node layer, 0 = embeddings." }),
    sinkShare: t.exposeFloat("sinkShare", { nullable: true, description: "The first token's share." }),
    centre: t.exposeFloat("centre", { nullable: true, description: "Mean position, in tokens." }),
    centreWithoutSink: t.exposeFloat("centreWithoutSink", {
      nullable: true,
      description: "Mean position without the first token.",
    }),
  }),
});

const GraphPlace = builder.objectRef<StoredNode>("GraphPlace").implement({
  description: "A token at a node layer.",
  fields: (t) => ({
    layer: t.exposeInt("layer", { description: "Node layer, 0 = embeddings." }),
    token: t.exposeInt("token", { description: "Position of the token." }),
  }),
});

const GraphHub = builder.objectRef<Hub>("GraphHub").implement({
  description: "A node through whose edges to other tokens much mass goes.",
  fields: (t) => ({
    place: t.field({ type: GraphPlace, description: "The node.", resolve: (hub) => hub }),
    fanIn: t.exposeInt("fanIn", { description: "Edges into it from other tokens." }),
    fanOut: t.exposeInt("fanOut", { description: "Edges out of it to other tokens." }),
    mass: t.exposeFloat("mass", { description: "Sum of their |weight|, in logits." }),
  }),
});

const GraphTransfer = builder.objectRef<Transfer>("GraphTransfer").implement({
  description: "What a token hands to the last position directly, layer by layer.",
  fields: (t) => ({
    token: t.exposeInt("token", { description: "Position of the token." }),
    cumulative: t.floatList({
      description:
        "Signed sum of its edges into the last position by the end of each of the graph's transitions, in logits.",
      resolve: ({ cumulative }) => [...cumulative],
    }),
  }),
});

const GraphPath = builder.objectRef<Path>("GraphPath").implement({
  description: "A path from the first node layer to the last token of the last one. A description, not a relevance.",
  fields: (t) => ({
    tokens: t.intList({
      description: "Its token in each of the graph's node layers.",
      resolve: ({ nodes }) => nodes.map(({ token }) => token),
    }),
    weights: t.floatList({
      description: "Signed weights of its edges, in logits.",
      resolve: ({ weights }) => [...weights],
    }),
    strength: t.exposeFloat("strength", {
      description: "Product over its edges of |weight| as a share of what comes into their target.",
    }),
  }),
});

const ReducedEdge = builder.objectRef<Edge>("ReducedGraphEdge").implement({
  description: "An edge of the reduced graph.",
  fields: (t) => ({
    source: t.field({ type: GraphPlace, description: "Where it begins.", resolve: ({ source }) => source }),
    target: t.field({ type: GraphPlace, description: "Where it ends.", resolve: ({ target }) => target }),
    weight: t.exposeFloat("weight", {
      nullable: true,
      description: "In logits; null where it stands for a vertical run of several edges.",
    }),
    paths: t.exposeInt("paths", { description: "Strongest paths that take it." }),
  }),
});

const ReducedGraph = builder.objectRef<Reduced>("ReducedGraph").implement({
  description: "The few tokens, layers and paths that carry most of a graph.",
  fields: (t) => ({
    tokens: t.intList({
      description: "Tokens that hand most to the last position, 85 % of it together, ten at most.",
      resolve: ({ tokens }) => tokens.map(({ token }) => token),
    }),
    layers: t.intList({
      description: "Node layers at whose transition most mass moves to the last position, 85 % of it together.",
      resolve: ({ layers }) => layers.map(({ target }) => target),
    }),
    paths: t.field({
      type: [GraphPath],
      description: "The five strongest paths.",
      resolve: ({ paths }) => [...paths],
    }),
    edges: t.field({
      type: [ReducedEdge],
      description: "The union of these paths.",
      resolve: ({ edges }) => [...edges],
    }),
  }),
});

const GraphMetrics = builder.objectRef<StoredGraphMetrics>("GraphMetrics").implement({
  description:
    "Metrics of a graph as it was kept: dropped edges are not counted. docs/graph-metrics.md has the formulas.",
  fields: (t) => ({
    transitions: t.field({
      type: [TransitionMetrics],
      description: "Shape of each transition.",
      resolve: ({ transitions }) => [...transitions],
    }),
    layers: t.field({
      type: [LayerMetrics],
      description: "Where relevance lies in each node layer.",
      resolve: ({ layers }) => [...layers],
    }),
    hubs: t.field({ type: [GraphHub], description: "The ten largest.", resolve: ({ hubs }) => [...hubs] }),
    centreLayer: t.float({
      nullable: true,
      description: "Mean layer of the edges' middles, by |weight|.",
      resolve: ({ centre }) => centre?.layer ?? null,
    }),
    centrePosition: t.float({
      nullable: true,
      description: "Mean position of the edges' middles, by |weight|.",
      resolve: ({ centre }) => centre?.position ?? null,
    }),
    transfer: t.field({
      type: [GraphTransfer],
      description: "What each dominant token hands to the last position, the largest first.",
      resolve: ({ transfer }) => [...transfer.tokens],
    }),
    reduced: t.field({
      type: ReducedGraph,
      description: "The reduced graph.",
      resolve: ({ reduced }) => reduced,
    }),
  }),
});

builder.drizzleObjectFields(AttributionGraph, (t) => ({
  metrics: t.field({
    type: GraphMetrics,
    nullable: true,
    description: "Its metrics; null for a graph that was stored before they were kept.",
    complexity: { field: 5, multiplier: 1 },
    select: { columns: { summary: true } },
    resolve: ({ summary }) => metricsOf(summary),
  }),
}));
