/** @jsxImportSource preact */
/** Figures of layers: the first token's share of relevance, and the shape of graphs. */
import { intervalLines } from "../../figures/interval_line.tsx";
import { fixed, percent } from "../../figures/number_text.ts";
import type { Drawing } from "../../figures/picture.tsx";
import { Figure, Missing, Table } from "./parts.tsx";
import type { Report } from "./read_report.ts";

/** The first token's share of |relevance| by node layer, a line for each model. */
function sinkDrawing({ sinks, rule }: Report): Drawing {
  const counts = sinks.map(({ model, shares }) => `${model}: n = ${shares[0]!.count}`);
  return intervalLines({
    name: "first-token-share",
    title: "First token's share of relevance by layer",
    note:
      "The first token's share of the sum of |relevance| (the attention sink), mean over cases with its 95 % interval " +
      `(normal), rule ${rule}; ${counts.join("; ")}.`,
    across: { label: "node layer, 0 = embeddings" },
    up: { label: "first token's share", low: 0 },
    lines: sinks.map(({ model, shares }) => ({ label: model, values: shares })),
    height: 280,
  });
}

const share = (value: number | null): string => value === null ? "–" : percent(value, 1);

export function SinkSection(report: Report) {
  const { sinks, shapes } = report;
  if (sinks.length === 0) {
    return <Missing what="No pair of this selection is attributed." mend="npx culprit run --stages attribute" />;
  }
  return (
    <>
      <Figure drawing={sinkDrawing(report)} />
      {shapes.map(({ model, rows }) => (
        <section key={model}>
          <h3>Shape of the graphs of {model}</h3>
          <Table
            head={["transition", "graphs", "mean fan-in", "Gini", "vertical", "from the first token", "look-back"]}
            rows={rows.map(({ source, target, graphs, fanIn, gini, verticality, sinkShare, lookBack }) => [
              `${source} → ${target}`,
              graphs,
              fixed(fanIn),
              fixed(gini),
              share(verticality),
              share(sinkShare),
              fixed(lookBack, 1),
            ])}
          />
        </section>
      ))}
      {shapes.length === 0
        ? <Missing what="No graph of this selection has metrics." mend="npx culprit run --stages graph" />
        : (
          <p>
            <small>
              Means over graphs, of the edges that pruning kept: edges into a token that has any; inequality of
              |weight|; share of |weight| that stays on its token, and that comes from the first one; tokens looked
              back, by |weight|. Formulas: docs/graph-metrics.md.
            </small>
          </p>
        )}
    </>
  );
}
