/// <reference lib="dom" />
/** @jsxImportSource preact */
/** The graph of one token pair: read when it is there, asked for when it is not. */
import { useMemo } from "preact/hooks";
import { authorization } from "../shell/access_token.ts";
import { Choice } from "../shell/choice.tsx";
import { RequestError } from "../shell/client.ts";
import { ComputedOn } from "../jobs/computed_on.tsx";
import { DownloadLink } from "../shell/download_link.tsx";
import { buildGraph } from "../jobs/job_store.ts";
import { RULE_NAMES, RULE_TERMS } from "../shell/names.ts";
import { Trouble, Waiting } from "../shell/notice.tsx";
import type { Case, Pair, Token } from "../heat/documents.ts";
import { type CaseRoute, formatRoute, GRAPH, RULES } from "../shell/route.ts";
import { Term } from "../shell/term.tsx";
import { useLoad } from "../shell/use_load.ts";
import { go } from "../shell/use_route.ts";
import { WorkBox } from "../jobs/work_box.tsx";
import { type GraphData, parseGraphFile } from "./graph_data.ts";
import { GraphFigure } from "./graph_figure.tsx";

async function readGraph(path: string, signal: AbortSignal): Promise<GraphData> {
  const response = await fetch(path, { headers: authorization(), signal }).catch(() => {
    throw new RequestError("The server does not answer.", "unreachable");
  });
  if (!response.ok) throw new RequestError(`The server answered ${response.status}.`, "refused");
  return parseGraphFile(await response.arrayBuffer());
}

export function GraphSection(props: {
  readonly route: CaseRoute;
  readonly failureCase: Case;
  readonly pair: Pair;
  readonly tokens: readonly Token[];
}) {
  const { route, failureCase, pair, tokens } = props;
  const graphs = pair.attributions.find(({ rule }) => rule === route.rule)?.graphs ?? [];
  // A graph with heads shows all that one without them shows.
  const graph = graphs.find(({ heads }) => heads) ?? graphs[0];
  const splits = route.rule !== "GRADIENT";
  const wantsHeads = splits && route.heads;
  const missing = graph === undefined || (wantsHeads && !graph.heads);
  const reading = useLoad(graph?.id ?? null, (signal) => readGraph(graph?.download ?? "", signal));
  const texts = useMemo(() => tokens.map(({ text }) => text), [tokens]);
  const name = `graph ${failureCase.key} ${route.rule.toLowerCase()}`.replaceAll(/[^\w.-]+/g, "-");
  return (
    <section class="graph-section" aria-label="Attribution graph" aria-busy={reading.loading}>
      <div class="controls">
        <Choice
          label="Rule"
          term="rule"
          value={route.rule}
          options={RULES.map((value) => ({ value, label: RULE_NAMES[value], term: RULE_TERMS[value] }))}
          onChange={(rule) => go({ ...route, rule }, "replace")}
        />
        {splits && graph?.heads !== true
          ? (
            <Choice
              label="Edges"
              term="edge"
              value={route.heads ? "heads" : "whole"}
              options={[
                { value: "whole", label: "whole" },
                { value: "heads", label: "by head", term: "head" },
              ]}
              onChange={(wanted) => go({ ...route, heads: wanted === "heads" }, "replace")}
            />
          )
          : null}
      </div>
      {missing
        ? (
          <WorkBox
            key={`${pair.id} ${route.rule} ${wantsHeads}`}
            what={`${RULE_NAMES[route.rule]} graph${wantsHeads ? " by head" : ""}`}
            plan={{ work: "BUILD_GRAPH", tokenPairIds: [pair.id], rule: route.rule, heads: wantsHeads }}
            start={() => buildGraph(pair.id, route.rule, wantsHeads)}
          />
        )
        : null}
      {reading.error === undefined ? null : <Trouble error={reading.error} onRetry={reading.reload} />}
      {graph !== undefined && reading.data === undefined && reading.error === undefined
        ? <Waiting what="the graph" />
        : null}
      {graph === undefined || reading.data === undefined ? null : (
        <>
          <GraphFigure
            key={graph.id}
            route={route}
            onChange={(part) => go({ ...route, ...part }, "replace")}
            name={name}
            data={reading.data}
            texts={texts}
          />
          <p class="quiet small">
            <Term of="graph" />: each point is a token at a{" "}
            <Term of="node-layer">node layer</Term>, embeddings at the bottom; columns are the tokens with an edge in
            sight. Red edges carry support for the wrong token, blue ones for the right token.
          </p>
          <ComputedOn
            key={`${pair.id} ${route.rule} ${graph.heads}`}
            what={`${RULE_NAMES[route.rule]} graph${graph.heads ? " by head" : ""}`}
            adapter={graph.adapter}
            seconds={graph.seconds}
            plan={{ work: "BUILD_GRAPH", tokenPairIds: [pair.id], rule: route.rule, heads: graph.heads }}
            start={() => buildGraph(pair.id, route.rule, graph.heads)}
          >
            <DownloadLink path={graph.download}>The whole graph as a file</DownloadLink>, or{" "}
            <DownloadLink path={graph.download.replace(/\.cgf$/, ".json")}>
              as JSON for circuit-tracer and Neuronpedia
            </DownloadLink>. <a href={formatRoute(GRAPH)}>Open a graph of theirs</a>
          </ComputedOn>
        </>
      )}
    </section>
  );
}
