/**
 * A graph in the JSON that circuit-tracer's page and Neuronpedia read. Its fields are those of circuit-tracer's
 * `frontend/graph_models.py` (safety-research/circuit-tracer, commit d797c82) and of Neuronpedia's `graph-schema.json`
 * (hijohnnylin/neuronpedia, commit ebb8426). Their nodes are features of transcoders, ours are tokens after a block:
 * they go by a type of their own, `residual stream`, with the token's place as their feature.
 */
import type { Rule } from "../../gpu/mod.ts";
import { type MeasuredGraph, relevanceOf } from "./graph.ts";

export interface CircuitCase {
  /** Name of the graph. */
  readonly slug: string;
  readonly model: string;
  readonly rule: Rule;
  /** Blocks of the model. */
  readonly layers: number;
  /** Rendered prompt and answer before the error. */
  readonly prompt: string;
  /** Texts, [tokens]. */
  readonly tokens: readonly string[];
  readonly target: { readonly id: number; readonly text: string };
  readonly contrast: { readonly id: number; readonly text: string };
  /** Logit of the wrong token less that of the right one. */
  readonly delta: number;
  /** Share of the absolute weight that each transition kept. */
  readonly mass: number;
}

/** As circuit-tracer writes tokens. */
const shown = (text: string): string => text.replaceAll("\n", "⏎").replaceAll("\t", "→").replaceAll("\r", "↵");

interface Place {
  readonly layer: number;
  readonly token: number;
}

/** The nodes that edges touch and the last token of the last layer, by layer, then token. */
function placesOf({ inputIds, nodeLayers, transitions }: MeasuredGraph): readonly Place[] {
  const touched = new Map(nodeLayers.map((layer) => [layer, new Set<number>()]));
  touched.get(nodeLayers.at(-1)!)!.add(inputIds.length - 1);
  for (const { source, target, edges } of transitions) {
    edges.sources.forEach((token) => touched.get(source)!.add(token));
    edges.targets.forEach((token) => touched.get(target)!.add(token));
  }
  return [...touched].flatMap(([layer, tokens]) =>
    [...tokens].sort((a, b) => a - b).map((token) => ({ layer, token }))
  );
}

/**
 * For each node the share of the sum of |relevance| that it and all stronger ones have: their sliders hide what is above
 * a threshold of it.
 */
function influences(values: readonly number[]): readonly number[] {
  const total = values.reduce((sum, value) => sum + Math.abs(value), 0) || 1;
  const shares = values.map(() => 0);
  let sum = 0;
  for (const index of values.keys().toArray().sort((a, b) => Math.abs(values[b]!) - Math.abs(values[a]!) || a - b)) {
    sum += Math.abs(values[index]!);
    shares[index] = Math.min(1, sum / total);
  }
  return shares;
}

export function circuitJson(of: CircuitCase, graph: MeasuredGraph): object {
  const last = graph.inputIds.length - 1;
  const idOf = ({ layer, token }: Place): string =>
    layer === 0 ? `E_${graph.inputIds[token]}_${token}` : `${layer - 1}_${token}_${token}`;
  const places = placesOf(graph);
  const relevance = places.map(({ layer, token }) => relevanceOf(graph, layer)[token]!);
  const influence = influences(relevance);
  const nodes = places.map((place, index) => ({
    node_id: idOf(place),
    feature: place.token,
    layer: place.layer === 0 ? "E" : String(place.layer - 1),
    ctx_idx: place.token,
    feature_type: place.layer === 0 ? "embedding" : "residual stream",
    token_prob: 0,
    is_target_logit: false,
    run_idx: 0,
    reverse_ctx_idx: 0,
    jsNodeId: idOf(place),
    clerp: place.layer === 0 ? "" : `“${shown(of.tokens[place.token] ?? "")}” after block ${place.layer}`,
    influence: influence[index]!,
    activation: null,
    // Ours: signed, in logits.
    relevance: relevance[index]!,
  }));
  // Their pages read the probability out of the words; of the two tokens alone it is the logistic of delta.
  const probability = 1 / (1 + Math.exp(-of.delta));
  const logit = {
    node_id: `${of.layers + 1}_${of.target.id}_${last}`,
    feature: of.target.id,
    layer: String(of.layers + 1),
    ctx_idx: last,
    feature_type: "logit",
    token_prob: probability,
    is_target_logit: true,
    run_idx: 0,
    reverse_ctx_idx: 0,
    jsNodeId: `L_${of.target.id}-${last}`,
    clerp: `Output "${shown(of.target.text)}" rather than "${shown(of.contrast.text)}" (p=${probability.toFixed(3)})`,
    influence: null,
    activation: null,
    relevance: of.delta,
  };
  const top = { layer: graph.nodeLayers.at(-1)!, token: last };
  return {
    metadata: {
      slug: of.slug,
      scan: of.model,
      transcoder_list: [],
      prompt_tokens: of.tokens.map(shown),
      prompt: of.prompt,
      node_threshold: 1,
      info: {
        description:
          `Contrastive attribution of "${of.target.text}" (wrong) against "${of.contrast.text}" (right), delta ` +
          `${
            of.delta.toFixed(3)
          } logits: nodes are tokens after blocks, weights and relevance are in logits, positive ` +
          "supports the wrong token. p of the output is that of the two tokens alone.",
        generator: { name: "culprit" },
      },
      generation_settings: { rule: of.rule, node_layers: graph.nodeLayers },
      pruning_settings: { node_threshold: 1, edge_threshold: of.mass },
    },
    qParams: { pinnedIds: [], supernodes: [], linkType: "both", clickedId: "", sg_pos: "" },
    nodes: [...nodes, logit],
    links: [
      ...graph.transitions.flatMap(({ source, target, edges }) =>
        Array.from(edges.weights, (weight, edge) => ({
          source: idOf({ layer: source, token: edges.sources[edge]! }),
          target: idOf({ layer: target, token: edges.targets[edge]! }),
          weight,
        }))
      ),
      { source: idOf(top), target: logit.node_id, weight: relevanceOf(graph, top.layer)[last]! },
    ],
  };
}
