/** @jsxImportSource preact */
/** Figures of single cases: heatmaps, and the reduced graph. */
import { curves } from "../../figures/curves.tsx";
import { foldedSpans, sumOf, TALL } from "../../figures/folds.ts";
import type { HeatData, HeatToken } from "../../figures/heat_picture.tsx";
import { HeatText } from "../../figures/heat_text.tsx";
import { fixed } from "../../figures/number_text.ts";
import type { Drawing } from "../../figures/picture.tsx";
import { reducedGraph } from "../../figures/reduced_graph.tsx";
import { scaleOf } from "../../figures/strongest.ts";
import { shownToken } from "../../figures/token_text.ts";
import { promptUnitsOf, type Unit, UNIT_NAMES, unitSpans, unitSums } from "../../figures/units.ts";
import { Figure, Missing, Token } from "./parts.tsx";
import type { Example, GraphExample, HeatExample, Report } from "./read_report.ts";

const SEGMENT_WORDS = { I: "instruction", Q: "query", A: "answer", S: "special" } as const;

/** An example in tokens, words or sentences, and the largest |relevance| of those that are not special, in logits. */
export function heatOf(example: HeatExample, unit: Unit): { readonly data: HeatData; readonly scale: number } {
  const { label, key, tokens, segments, promptTokens, relevance, target, contrast, delta, model } = example;
  const own = tokens.map((text, position) => ({ text, special: segments[position] === "S" }));
  const spans = unitSpans(own, promptTokens, unit);
  const sums = unitSums(relevance, spans).map((sum) => sum * example.scale);
  const isSpecial = (index: number): boolean => own[spans[index]!.from]!.special;
  const counts = (index: number): boolean => !isSpecial(index);
  const scale = unit === "tokens" ? example.scale : scaleOf(sums, counts);
  const shown = spans.map(({ from, to }, index): HeatToken => {
    const letters = segments.slice(from, to);
    const letter = letters.includes("I") ? "I" : letters[0];
    return {
      text: tokens.slice(from, to).join(""),
      segment: SEGMENT_WORDS[letter as keyof typeof SEGMENT_WORDS] ?? "special",
      raw: sums[index]!,
      value: isSpecial(index) ? null : sums[index]! / scale,
      ...(unit === "tokens" ? {} : { span: [from, to - 1] as const }),
    };
  });
  const text = { length: shown.length, promptTokens: promptUnitsOf(spans, promptTokens), counts, open: [] };
  const folds = shown.length > TALL
    ? foldedSpans([sums], text).map((span) => ({ ...span, sum: sumOf(sums, span, counts) }))
    : [];
  const data: HeatData = {
    name: `heatmap-${key}`,
    title: label,
    note: `${key} of ${model}: wrong ${shownToken(target)}, right ${shownToken(contrast)}, delta ${fixed(delta)}.`,
    unit: UNIT_NAMES[unit][0],
    tokens: shown,
    folds,
    target,
    contrast,
  };
  return { data, scale };
}

/** The same by tokens. */
export const heatData = (example: HeatExample): HeatData => heatOf(example, "tokens").data;

export function HeatmapSection({ examples, rule }: Report) {
  if (examples.length === 0) {
    return (
      <Missing
        what="No case of this selection is diagnosed."
        mend="npx culprit run --stages attribute,graph,diagnose"
      />
    );
  }
  return <>{examples.map((example) => <Heatmap key={example.label} example={example} rule={rule} />)}</>;
}

function Heatmap({ example, rule }: { readonly example: Example; readonly rule: string }) {
  const { label, key, model, target, contrast, delta, confidence, summary } = example;
  return (
    <>
      <h3>{label}</h3>
      <figure>
        <HeatText data={heatData(example)} />
        <figcaption>
          <code>{key}</code> of {model}: wrong <Token text={target} />, right <Token text={contrast} />, delta{" "}
          {fixed(delta)}; {summary.replace(/\.$/, "")} (confidence {fixed(confidence)}). Rule{" "}
          {rule}, relevance at the embeddings over the largest |relevance| of tokens that are not special; instruction
          tokens are underlined, special ones are pale. n = 1, the case that the classifier is surest of.
        </figcaption>
      </figure>
    </>
  );
}

export function GraphSection({ graph, rule }: Report) {
  if (graph === null) {
    return <Missing what="No graph of this selection is stored." mend="npx culprit run --stages graph" />;
  }
  return <GraphFigures graph={graph} rule={rule} />;
}

export function graphDrawing(
  { key, model, target, contrast, tokens, nodeLayers, edges, mass, reduced }: GraphExample,
  rule: string,
  /** How the case was chosen; empty where nothing was. */
  chosen = "the case with the largest delta that has a graph",
): Drawing {
  return reducedGraph({
    name: `reduced-graph-${key}`,
    note:
      `${key} of ${model} (wrong ${shownToken(target)}, right ${shownToken(contrast)}): the ${reduced.paths.length} ` +
      `strongest paths of ${edges} edges, rule ${rule}, mass ${mass}; layers upwards, 0 = embeddings. Red supports the wrong ` +
      `token, blue the right one; dashed: several edges in one column. n = 1${chosen === "" ? "" : `, ${chosen}`}.`,
    graph: reduced,
    tokens,
    nodeLayers,
  });
}

/** The reduced graph, the tokens that matter in it, and what they hand on. `chosen`: as in `graphDrawing`. */
export function GraphFigures(props: { readonly graph: GraphExample; readonly rule: string; readonly chosen?: string }) {
  const { graph, rule, chosen } = props;
  if (graph.reduced.nodes.length === 0) {
    return <p>Of the {graph.edges} edges of the stored graph no path reaches the last position.</p>;
  }
  const transfer = transferDrawing(graph, rule);
  const dominant = graph.reduced.tokens.map(({ token, transfer }) =>
    `${shownToken(graph.tokens[token] ?? "")} ${fixed(transfer)}`
  );
  return (
    <>
      <Figure drawing={graphDrawing(graph, rule, chosen)}>
        Tokens whose relevance reaches the last position: {dominant.join(", ") || "none"} (logits).
      </Figure>
      {transfer === null ? null : <Figure drawing={transfer} />}
    </>
  );
}

/** What each dominant token of a graph hands to the last position, layer by layer; null where there is none. */
function transferDrawing({ key, tokens, transfer }: GraphExample, rule: string): Drawing | null {
  if (transfer.tokens.length === 0) return null;
  return curves({
    name: `transfer-${key}`,
    title: "Relevance handed to the last position by layer",
    note:
      `Cumulative relevance that each dominant token of the same graph hands to the last position, up to each layer; ` +
      `positive supports the wrong token. ${key}, rule ${rule}, n = 1.`,
    across: "node layer",
    up: { label: "logits handed to the last position" },
    curves: transfer.tokens.map(({ token, cumulative }, index) => ({
      label: `${token} ${shownToken(tokens[token] ?? "")}`,
      series: index,
      points: [[0, 0], ...cumulative.map((value, at) => [transfer.layers[at]!, value] as const)],
    })),
  });
}
