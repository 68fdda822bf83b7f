/** Figures of layers: the first token's share, the shape of graphs, and what tokens hand to the last position. */
import { chart, dot, legend, polyline, px, span } from "./chart.ts";
import { escape, figure, fixed, missing, percent, table } from "./html.ts";
import type { GraphExample, Report } from "./read_report.ts";

/** Told apart by most people who see colours otherwise (Okabe and Ito, 2008), and in print by their order. */
export const LINE_COLOURS = [
  "#0072b2",
  "#d55e00",
  "#009e73",
  "#cc79a7",
  "#e69f00",
  "#56b4e9",
  "#7f7f7f",
  "#b2182b",
  "#1b7837",
  "#c49a1a",
] as const;
const colourOf = (index: number): string => LINE_COLOURS[index % LINE_COLOURS.length]!;

/** The first token's share of |relevance| by node layer, a line for each model. */
export function sinkSection({ sinks, shapes, rule }: Report): string {
  if (sinks.length === 0) {
    return missing("No pair of this selection is attributed.", "npx culprit run --stages attribute");
  }
  const layers = Math.max(...sinks.map(({ shares }) => shares.length)) - 1;
  const most = Math.max(0.05, ...sinks.flatMap(({ shares }) => shares.map(({ high }) => high)));
  const plane = chart({ label: "node layer, 0 = embeddings", low: 0, high: Math.max(layers, 1) }, {
    label: "first token's share",
    low: 0,
    high: Math.min(1, most * 1.05),
  }, 260);
  const marks = sinks.map(({ model, shares }, index) =>
    shares.map(({ value, low, high }, layer) =>
      `<line stroke="${colourOf(index)}" stroke-width="2" x1="${px(plane.x(layer))}" x2="${px(plane.x(layer))}" y1="${
        px(plane.y(Math.max(low, 0)))
      }" y2="${px(plane.y(Math.min(high, 1)))}"/>` +
      dot(plane.x(layer), plane.y(value), colourOf(index), `${model}, layer ${layer}: ${percent(value, 1)}`, 3)
    ).join("") +
    polyline(shares.map(({ value }, layer) => [plane.x(layer), plane.y(value)] as const), colourOf(index))
  ).join("");
  const counts = sinks.map(({ model, shares }) => `${escape(model)}: n = ${shares[0]!.count}`);
  return figure(
    plane.draw(marks, "First token's share of relevance by layer") +
      legend(sinks.map(({ model }, index) => [colourOf(index), model] as const)),
    `The first token's share of the sum of |relevance| (the attention sink), mean over cases with its 95 % interval ` +
      `(normal), rule ${rule}; ${counts.join("; ")}.`,
  ) + shapes.map(({ model, rows }) =>
    `<h3>Shape of the graphs of ${escape(model)}</h3>` +
    table(
      ["transition", "graphs", "mean fan-in", "Gini", "vertical", "from the first token", "look-back"],
      rows.map(({ source, target, graphs, fanIn, gini, verticality, sinkShare, lookBack }) => [
        `${source} → ${target}`,
        String(graphs),
        fixed(fanIn),
        fixed(gini),
        share(verticality),
        share(sinkShare),
        fixed(lookBack, 1),
      ]),
    )
  ).join("") +
    (shapes.length === 0
      ? missing("No graph of this selection has metrics.", "npx culprit run --stages graph")
      : `<p><small>Means over graphs, of the edges that pruning kept: edges into a token that has any; inequality of |weight|; ` +
        `share of |weight| that stays on its token, and that comes from the first one; tokens looked back, by |weight|. ` +
        `Formulas: docs/graph-metrics.md.</small></p>`);
}

const share = (value: number | null): string => value === null ? "–" : percent(value, 1);

/** What each dominant token of a graph hands to the last position, layer by layer. */
export function transferFigure({ key, tokens, transfer }: GraphExample, rule: string): string {
  if (transfer.tokens.length === 0) return "";
  const values = transfer.tokens.flatMap(({ cumulative }) => cumulative);
  const last = transfer.layers.at(-1) ?? 1;
  const plane = chart(
    { label: "node layer", low: 0, high: last },
    { label: "logits handed to the last position", ...span(values, [0]) },
    300,
  );
  const name = (token: number) => `${token} ${tokens[token] ?? ""}`;
  const zero = `<line class="zero" x1="${px(plane.x(0))}" x2="${px(plane.x(last))}" y1="${px(plane.y(0))}" y2="${
    px(plane.y(0))
  }"/>`;
  const lines = transfer.tokens.map(({ cumulative }, index) =>
    polyline(
      [
        [plane.x(0), plane.y(0)] as const,
        ...cumulative.map((value, at) => [plane.x(transfer.layers[at]!), plane.y(value)] as const),
      ],
      colourOf(index),
    )
  ).join("");
  return figure(
    plane.draw(zero + lines, "Relevance handed to the last position by layer") +
      legend(transfer.tokens.map(({ token }, index) => [colourOf(index), name(token)] as const)),
    `Cumulative relevance that each dominant token of the same graph hands to the last position, up to each layer; ` +
      `positive supports the wrong token. <code>${escape(key)}</code>, rule ${rule}, n = 1.`,
  );
}
