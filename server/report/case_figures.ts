/** Figures of single cases: heatmaps, and the reduced graph. */
import { px } from "./chart.ts";
import { escape, figure, fixed, missing, visible } from "./html.ts";
import { transferFigure } from "./layer_figures.ts";
import type { Example, GraphExample, Report } from "./read_report.ts";

/** Stops at |value| = 0, 0.25, 0.5, 0.75, 1 (ColorBrewer's RdBu): red supports the wrong token, blue the right one. */
const ARMS = {
  red: [[255, 255, 255], [253, 219, 199], [244, 165, 130], [214, 96, 77], [178, 24, 43]],
  blue: [[255, 255, 255], [209, 229, 240], [146, 197, 222], [67, 147, 195], [33, 102, 172]],
} as const;

/** Background and ink of a normalised relevance, -1 to 1. */
export function paint(value: number): { readonly background: string; readonly ink: string } {
  const strength = Math.min(Math.abs(value), 1) * 4;
  const stops = ARMS[value < 0 ? "blue" : "red"];
  const from = stops[Math.min(Math.floor(strength), 3)]!;
  const to = stops[Math.min(Math.floor(strength), 3) + 1]!;
  const share = strength - Math.min(Math.floor(strength), 3);
  const mixed = from.map((channel, index) => Math.round(channel + share * (to[index]! - channel)));
  return { background: `rgb(${mixed.join(",")})`, ink: strength > 2.6 ? "#fff" : "#14171c" };
}

export function heatmapSection({ examples, rule }: Report): string {
  if (examples.length === 0) {
    return missing("No case of this selection is diagnosed.", "npx culprit run --stages attribute,graph,diagnose");
  }
  return examples.map((example) => heatmap(example, rule)).join("");
}

function heatmap(example: Example, rule: string): string {
  const { label, key, model, target, contrast, delta, confidence, summary, tokens, segments, relevance } = example;
  const spans = tokens.map((token, position) => {
    const special = segments[position] === "S";
    const value = relevance[position]!;
    const { background, ink } = special ? { background: "transparent", ink: "#8a8f98" } : paint(value);
    const title = `${token} · ${fixed(value, 3)} · ${segments[position]}`;
    const text = token.includes("\n") ? `${escape(token.replaceAll("\n", "⏎"))}<br>` : escape(token);
    return `<span class="t${segments[position] === "I" ? " i" : ""}" style="background:${background};color:${ink}" ` +
      `title="${escape(title)}">${text}</span>`;
  }).join("");
  return `<h3>${escape(label)}</h3>` + figure(
    `<p class="heat">${spans}<b class="wrong">${visible(target)}</b><b class="right">${visible(contrast)}</b></p>`,
    `<code>${escape(key)}</code> of ${escape(model)}: wrong <b>${visible(target)}</b>, right <b>${
      visible(contrast)
    }</b>, ` +
      `delta ${fixed(delta)}; ${escape(summary.replace(/\.$/, ""))} (confidence ${
        fixed(confidence)
      }). Rule ${rule}, relevance at the ` +
      `embeddings over the largest |relevance| of tokens that are not special; instruction tokens are underlined, special ` +
      `ones are grey. n = 1, the case that the classifier is surest of.`,
  );
}

export function graphSection({ graph, rule }: Report): string {
  return graph === null
    ? missing("No graph of this selection is stored.", "npx culprit run --stages graph")
    : reducedGraph(graph, rule) + transferFigure(graph, rule);
}

function reducedGraph(
  { key, model, target, contrast, tokens, nodeLayers, edges, mass, reduced }: GraphExample,
  rule: string,
) {
  const columns = [...new Set(reduced.nodes.map(({ token }) => token))].sort((a, b) => a - b);
  const top = nodeLayers.at(-1) ?? 1;
  const width = Math.max(360, 90 + columns.length * 76);
  const height = 90 + 64 * Math.max(2, nodeLayers.length - 1);
  const x = (token: number) => 70 + columns.indexOf(token) * 76;
  const y = (layer: number) => height - 70 - layer / top * (height - 100);
  const largest = reduced.nodes.reduce((most, { relevance }) => Math.max(most, Math.abs(relevance)), 1e-9);
  const heaviest = reduced.edges.reduce((most, { weight }) => Math.max(most, Math.abs(weight ?? 0)), 1e-9);
  const lines = reduced.edges.map(({ source, target: to, weight, paths }) => {
    const colour = weight === null ? "#9aa0a8" : weight < 0 ? "#4393c3" : "#d6604d";
    const thick = weight === null ? 1.5 : 1 + 4 * Math.abs(weight) / heaviest;
    const text = weight === null ? `several edges, ${paths} paths` : `${fixed(weight, 3)} logits, ${paths} paths`;
    return `<line stroke="${colour}" stroke-width="${px(thick)}"${weight === null ? ' stroke-dasharray="3 3"' : ""} ` +
      `x1="${px(x(source.token))}" y1="${px(y(source.layer))}" x2="${px(x(to.token))}" y2="${px(y(to.layer))}">` +
      `<title>${text}</title></line>`;
  }).join("");
  const nodes = reduced.nodes.map(({ layer, token, relevance }) =>
    `<circle cx="${px(x(token))}" cy="${px(y(layer))}" r="${px(5 + 7 * Math.abs(relevance) / largest)}" ` +
    `fill="${paint(relevance / largest).background}" stroke="#555"><title>${
      escape(tokens[token] ?? "")
    }, layer ${layer}: ` +
    `${fixed(relevance, 3)} logits</title></circle>`
  ).join("");
  const words = columns.map((token) =>
    `<text transform="translate(${px(x(token))} ${height - 50}) rotate(30)">${
      visible((tokens[token] ?? "").slice(0, 14))
    }</text>`
  ).join("");
  const layers = nodeLayers.map((layer) => `<text x="8" y="${px(y(layer) + 4)}">${layer}</text>`).join("");
  const dominant = reduced.tokens.map(({ token, transfer }) => `${visible(tokens[token] ?? "")} ${fixed(transfer)}`)
    .join(", ");
  return figure(
    `<svg viewBox="0 0 ${width} ${height}" style="max-width:${width}px" role="img" aria-label="Reduced graph">${lines}${nodes}${words}${layers}</svg>`,
    `<code>${escape(key)}</code> of ${escape(model)} (wrong <b>${visible(target)}</b>, right <b>${
      visible(contrast)
    }</b>): the ` +
      `${reduced.paths.length} strongest paths of ${edges} edges, rule ${rule}, mass ${mass}; layers upwards, 0 = embeddings. ` +
      `Red supports the wrong token, blue the right one; dashed: several edges in one column. Tokens whose relevance ` +
      `reaches the last position: ${
        dominant || "none"
      } (logits). n = 1, the case with the largest delta that has a graph.`,
  );
}
