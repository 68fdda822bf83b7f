/// <reference lib="dom" />
/** @jsxImportSource preact */
/** A graph that circuit-tracer or Neuronpedia made, from a file of the reader's: it stays in this browser. */
import { useEffect, useState } from "preact/hooks";
import { FIRST_GRAPH, type GraphState } from "../shell/route.ts";
import { type CircuitGraph, MOST_BYTES, readCircuitGraph } from "./circuit_graph.ts";
import { GraphFigure } from "./graph_figure.tsx";

interface Opened {
  readonly file: string;
  readonly graph?: CircuitGraph;
  readonly trouble?: string;
}

async function open(file: File): Promise<Opened> {
  try {
    if (file.size > MOST_BYTES) {
      const [size, most] = [file.size, MOST_BYTES].map((bytes) => Math.ceil(bytes / 2 ** 20));
      throw new RangeError(`It has ${size} MiB, more than ${most}: prune the graph before it is saved`);
    }
    return { file: file.name, graph: readCircuitGraph(await file.text()) };
  } catch (error) {
    return { file: file.name, trouble: (error as Error).message };
  }
}

function Shown({ graph }: { readonly graph: CircuitGraph }) {
  const [state, setState] = useState<GraphState>(FIRST_GRAPH);
  return (
    <section class="graph-section" aria-label="Attribution graph">
      <h2>{graph.name}</h2>
      <p class="quiet small">Of {graph.model}, {graph.texts.length.toLocaleString("en")} tokens.</p>
      <ul class="small" aria-label="What this graph lacks">
        {graph.lacks.map((line) => <li key={line}>{line}</li>)}
      </ul>
      <GraphFigure
        route={state}
        onChange={(part) => setState((old) => ({ ...old, ...part }))}
        name={graph.name.replaceAll(/[^\w.-]+/g, "-")}
        data={graph.data}
        texts={graph.texts}
      />
    </section>
  );
}

export function GraphFilePage() {
  const [opened, setOpened] = useState<Opened>();
  const [over, setOver] = useState(false);
  useEffect(() => {
    document.title = "A graph file · Culprit";
  }, []);
  const take = (file: File | undefined) => {
    setOver(false);
    if (file !== undefined) open(file).then(setOpened);
  };
  return (
    <div class="sheet">
      <h1>A graph file</h1>
      <p class="quiet">
        Opens the JSON that circuit-tracer and Neuronpedia save, and what "as JSON for circuit-tracer and Neuronpedia"
        saves here. The file stays in this browser.
      </p>
      <label
        class={over ? "drop over" : "drop"}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          take(event.dataTransfer?.files[0]);
        }}
      >
        Drop a file here, or choose one
        <input
          type="file"
          accept=".json,application/json"
          aria-label="Graph file"
          onChange={({ currentTarget }) => take(currentTarget.files?.[0])}
        />
      </label>
      {opened?.trouble === undefined ? null : <p role="alert">{opened.file}: {opened.trouble}.</p>}
      {opened?.graph === undefined ? null : <Shown key={opened.file} graph={opened.graph} />}
    </div>
  );
}
