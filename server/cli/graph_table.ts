/** An attribution graph as people read it on a terminal of 80 columns. */
import type { GraphEdges, RelevanceResult, Transition } from "../../gpu/mod.ts";
import { describeLargest, paint, signedLogits, tokenName, type TokenNames } from "./attribution_table.ts";
import { graphNodes } from "./graph_json.ts";
import { isControl } from "../cases/segments.ts";

const BAR = 10;
/** Characters shown of a token's text. */
const TOKEN = 20;

const HEADING = `
                   edges         of    mass   column     dropped      no      by
 layers  targets    kept candidates    kept    error     by mass    path  budget
`;

const LEGEND = `
targets       tokens of the upper layer that are relevant enough to get edges
mass kept     share of the absolute weights of all edges into them
column error  how far the kept edges from a token miss its relevance, at most;
              relative to the largest relevance of the layer
no path       dropped because they do not lead to the last token
`;

/**
 * Behind the head, which says what was attributed: per transition what was kept and what was dropped, and the strongest edges from other tokens into the last one, of all
 * transitions. Weights are raw, in logit units; bars are relative to the largest of these edges.
 */
export function describeGraph(
  head: string,
  result: RelevanceResult & GraphEdges,
  names: TokenNames,
  colour: boolean,
): string {
  const { transitions } = result;
  const edges = transitions.reduce((sum, transition) => sum + transition.edges.weights.length, 0);
  return head + `${graphNodes(result).length} nodes, ${edges} edges\n` +
    HEADING + transitions.map(describeTransition).join("") + LEGEND +
    describeLastToken(result, names, colour);
}

function describeTransition(transition: Transition): string {
  const { rows, edges, candidates, keptMass, columnError, droppedByReach, droppedByBudget } = transition;
  const kept = edges.weights.length;
  const columns: readonly (readonly [string | number, number])[] = [
    [layersOf(transition), 8],
    [rows, 8],
    [kept, 8],
    [candidates, 11],
    [`${(keptMass * 100).toFixed(1)}%`, 8],
    [Number(columnError.toPrecision(2)), 9],
    [candidates - kept - droppedByReach - droppedByBudget, 12],
    [droppedByReach, 8],
    [droppedByBudget, 8],
  ];
  return `${columns.map(([text, width]) => String(text).padStart(width)).join("")}\n`;
}

function layersOf({ source, target }: Pick<Transition, "source" | "target">): string {
  return `${source} > ${target}`;
}

/** Edges from one token to itself are left out: most of what a token holds it has from the layer below. */
function describeLastToken(
  { inputIds, transitions }: RelevanceResult & GraphEdges,
  names: TokenNames,
  colour: boolean,
): string {
  const last = inputIds.length - 1;
  const incoming = transitions.flatMap(({ source, target, edges: { sources, targets, weights } }) =>
    [...weights.keys()]
      .filter((edge) => targets[edge] === last && sources[edge] !== last)
      .map((edge) => ({ source, target, token: sources[edge]!, weight: weights[edge]! }))
  );
  const largest = incoming.reduce((most, { weight }) => Math.max(most, Math.abs(weight)), 0);
  const list = (title: string, sign: 1 | -1) =>
    describeLargest(title, incoming, ({ weight }) => weight, sign, (edge) => {
      const id = inputIds[edge.token]!;
      const bar = "#".repeat(Math.round(Math.abs(edge.weight) / largest * BAR)).padEnd(BAR);
      const painted = paint(`${signedLogits(edge.weight)}  ${bar}`, sign, colour);
      const place = layersOf(edge).padStart(8) + String(edge.token).padStart(7);
      const special = names && isControl(names, edge.token, id) ? "  (special)" : "";
      return `${place} ${painted}  ${tokenName(names, id, TOKEN)}${special}`;
    });
  return `\nLast token (position ${last}): ${tokenName(names, inputIds[last]!, TOKEN)}\n` +
    "Strongest edges from other tokens into it, of all transitions:\n" +
    list("For the target (layers, source position, weight, source token):", 1) +
    list("For the contrast:", -1);
}
