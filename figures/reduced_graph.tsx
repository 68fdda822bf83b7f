/** @jsxImportSource preact */
/** The strongest paths of an attribution graph: tokens across, layers upward. */
import { fixed } from "./number_text.ts";
import { type Drawing, px, usePaint } from "./picture.tsx";
import { cut } from "./text_width.ts";
import { shownToken } from "./token_text.ts";

interface Place {
  readonly layer: number;
  readonly token: number;
}

export interface ReducedGraph {
  readonly nodes: readonly (Place & { readonly relevance: number })[];
  /** `weight` in logits; null where several edges of one column are drawn as one. */
  readonly edges: readonly {
    readonly source: Place;
    readonly target: Place;
    readonly weight: number | null;
    readonly paths: number;
  }[];
}

const COLUMN = 76;
const ROW = 64;

/** `value`: relevance from -1 to 1. */
function Node(props: { readonly x: number; readonly y: number; readonly value: number; readonly title: string }) {
  const { x, y, value, title } = props;
  return (
    <circle
      class="outline"
      cx={x}
      cy={y}
      r={px(5 + 7 * Math.abs(value))}
      style={`fill:${usePaint()(value).background}`}
    >
      <title>{title}</title>
    </circle>
  );
}

export function reducedGraph(props: {
  readonly name: string;
  readonly note: string;
  readonly graph: ReducedGraph;
  /** Texts, [tokens]. */
  readonly tokens: readonly string[];
  readonly nodeLayers: readonly number[];
}): Drawing {
  const { graph, tokens, nodeLayers } = props;
  const columns = [...new Set(graph.nodes.map(({ token }) => token))].sort((a, b) => a - b);
  const top = nodeLayers.at(-1) ?? 1;
  const width = Math.max(360, 130 + columns.length * COLUMN);
  const height = 110 + ROW * Math.max(2, nodeLayers.length - 1);
  const x = (token: number) => px(80 + columns.indexOf(token) * COLUMN);
  const y = (layer: number) => px(height - 90 - layer / top * (height - 120));
  const largest = graph.nodes.reduce((most, { relevance }) => Math.max(most, Math.abs(relevance)), 1e-9);
  const heaviest = graph.edges.reduce((most, { weight }) => Math.max(most, Math.abs(weight ?? 0)), 1e-9);
  const nameOf = ({ layer, token }: Place) => `${shownToken(tokens[token] ?? "")} at ${token}, layer ${layer}`;
  return {
    name: props.name,
    title: "Reduced graph",
    note: props.note,
    width,
    height,
    content: (
      <>
        {graph.edges.map(({ source, target, weight, paths }, index) => (
          <line
            key={index}
            class={`edge ${weight === null ? "" : weight < 0 ? "blue" : "red"}`}
            stroke-width={px(weight === null ? 1.5 : 1 + 4 * Math.abs(weight) / heaviest)}
            {...weight === null ? { "stroke-dasharray": "3 3" } : {}}
            x1={x(source.token)}
            y1={y(source.layer)}
            x2={x(target.token)}
            y2={y(target.layer)}
          >
            <title>{`${weight === null ? "several edges" : `${fixed(weight, 3)} logits`}, ${paths} paths`}</title>
          </line>
        ))}
        {graph.nodes.map((node) => (
          <Node
            key={`${node.layer} ${node.token}`}
            x={x(node.token)}
            y={y(node.layer)}
            value={node.relevance / largest}
            title={`${nameOf(node)}: ${fixed(node.relevance, 3)} logits`}
          />
        ))}
        {columns.map((token) => (
          <text key={token} transform={`translate(${x(token) - 4} ${height - 66}) rotate(30)`}>
            {cut(shownToken(tokens[token] ?? ""), 12, 100)}
          </text>
        ))}
        {nodeLayers.map((layer) => <text key={layer} x={30} y={y(layer) + 4} text-anchor="end">{layer}</text>)}
        <text transform={`translate(12 ${px((height - 60) / 2)}) rotate(-90)`} text-anchor="middle">node layer</text>
      </>
    ),
    table: {
      columns: [
        "from layer",
        "from position",
        "from token",
        "to layer",
        "to position",
        "to token",
        "weight in logits",
        "paths",
      ],
      rows: graph.edges.map(({ source, target, weight, paths }) => [
        source.layer,
        source.token,
        tokens[source.token] ?? "",
        target.layer,
        target.token,
        tokens[target.token] ?? "",
        weight,
        paths,
      ]),
    },
  };
}
