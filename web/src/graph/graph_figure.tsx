/// <reference lib="dom" />
/** @jsxImportSource preact */
/** The attribution graph with its sliders, its picture, its numbers and its exports. */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { csv } from "../../../figures/table.ts";
import { Choice } from "../shell/choice.tsx";
import { type GraphState, WEIGHT_STEPS } from "../shell/route.ts";
import { Term as Word } from "../shell/term.tsx";
import { save } from "../shell/save.ts";
import { TokenBox } from "../heat/token_glyphs.tsx";
import { type Camera, fit, type Size, zoom } from "./camera.ts";
import { GraphCanvas, type Pointed } from "./graph_canvas.tsx";
import type { GraphData } from "./graph_data.ts";
import {
  type GraphNode,
  type GraphView,
  makeScene,
  type Scene,
  sceneJson,
  sceneTable,
  type Term,
} from "./graph_scene.ts";
import { type Drawn, drawScene } from "./picture.ts";
import { canvasSurface, svgSurface } from "./surfaces.ts";
import { useTheme } from "../shell/use_theme.ts";

const HEIGHT = 520;
/** Rows of the table of strongest edges. */
const TABLE_ROWS = 20;
/** The slider of weights goes down to this share of the largest. */
const THRESHOLD_SPAN = 1e-4;
const PNG_SCALE = 2;

const signed = (value: number) => `${value < 0 ? "−" : "+"}${Math.abs(value).toPrecision(3)}`;

/** Weight at a step of the slider: 0, then from `THRESHOLD_SPAN` of the largest up to it. */
function thresholdAt(step: number, largest: number): number {
  return step === 0 ? 0 : largest * THRESHOLD_SPAN ** (1 - step / WEIGHT_STEPS);
}

function useSize(): readonly [{ current: HTMLDivElement | null }, Size] {
  const box = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState<Size>({ width: 800, height: HEIGHT });
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const read = () => setSize({ width: Math.max(280, element.clientWidth), height: HEIGHT });
    read();
    const observer = new ResizeObserver(read);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [box, size];
}

function Controls(props: {
  readonly data: GraphData;
  readonly view: GraphView;
  readonly route: GraphState;
  readonly onChange: (part: Partial<GraphState>) => void;
}) {
  const { data, view, route, onChange } = props;
  return (
    <div class="controls">
      <label class="slider">
        <span class="label">
          <span>
            <Word of="edge">Weight</Word> at least
          </span>{" "}
          <span class="now">{view.minWeight === 0 ? "0" : view.minWeight.toPrecision(2)} {data.unit ?? "logit"}</span>
        </span>
        <input
          type="range"
          min={0}
          max={WEIGHT_STEPS}
          value={route.weight}
          onInput={({ currentTarget }) => onChange({ weight: Number(currentTarget.value) })}
        />
      </label>
      <label class="slider">
        <span class="label">
          <span>
            <Word of="mass" /> of each transition
          </span>{" "}
          <span class="now">{route.mass} %</span>
        </span>
        <input
          type="range"
          min={1}
          max={100}
          value={route.mass}
          onInput={({ currentTarget }) => onChange({ mass: Number(currentTarget.value) })}
        />
      </label>
      <Choice
        label="First token (sink)"
        term="attention-sink"
        value={view.sink ? "yes" : "no"}
        options={[{ value: "yes", label: "shown" }, { value: "no", label: "hidden" }]}
        onChange={(value) => onChange({ sink: value === "yes" })}
      />
      {data.heads === 0 ? null : (
        <>
          <Choice
            label="Part"
            value={view.term}
            options={[
              { value: "all" as Term, label: "whole" },
              { value: "ov" as Term, label: "OV", term: "ov" },
              { value: "qk" as Term, label: "QK", term: "qk" },
            ]}
            onChange={(term) => onChange({ term })}
          />
          <label class="field">
            Head
            <select
              value={view.head === null ? "" : String(view.head)}
              onChange={({ currentTarget }) =>
                onChange({ head: currentTarget.value === "" ? null : Number(currentTarget.value) })}
            >
              <option value="">all</option>
              {Array.from({ length: data.heads }, (_, head) => <option key={head} value={String(head)}>{head}</option>)}
            </select>
          </label>
        </>
      )}
    </div>
  );
}

function NodeName({ scene, node, texts }: {
  readonly scene: Scene;
  readonly node: GraphNode;
  readonly texts: readonly string[];
}) {
  return (
    <>
      <TokenBox text={texts[node.token] ?? ""} />{" "}
      <span class="quiet">at {node.token}, layer {scene.nodeLayers[node.row]}</span>
    </>
  );
}

function Tip(props: {
  readonly scene: Scene;
  readonly pointed: Pointed;
  readonly texts: readonly string[];
  readonly size: Size;
}) {
  const { scene, pointed: { node, x, y }, texts, size } = props;
  const { rows, targetRows, sources, targets, weights } = scene.edges;
  let incoming = 0;
  let outgoing = 0;
  let [ins, outs] = [0, 0];
  for (let edge = 0; edge < rows.length; edge++) {
    if (targetRows[edge] === node.row && targets[edge] === node.token) {
      ins++;
      incoming += weights[edge] as number;
    }
    if (rows[edge] === node.row && sources[edge] === node.token) {
      outs++;
      outgoing += weights[edge] as number;
    }
  }
  const relevance = scene.nodes.find(({ row, token }) => row === node.row && token === node.token)?.relevance ?? 0;
  const side = x > size.width / 2 ? { right: `${size.width - x + 14}px` } : { left: `${x + 14}px` };
  return (
    <div class="graph-tip" role="tooltip" style={{ ...side, top: `${Math.min(y, size.height - 110)}px` }}>
      <p>
        <NodeName scene={scene} node={node} texts={texts} />
      </p>
      <p>Relevance {signed(relevance)}</p>
      <p>{ins} edges in, {signed(incoming)}; {outs} out, {signed(outgoing)}</p>
    </div>
  );
}

/** The strongest edges as text: for readers who do not see the picture, and for all who want numbers. */
function EdgeTable(props: {
  readonly scene: Scene;
  readonly texts: readonly string[];
  readonly onPick: (node: GraphNode) => void;
}) {
  const { scene, texts, onPick } = props;
  const { rows, targetRows, sources, targets, weights } = scene.edges;
  const Pick = ({ row, token }: GraphNode) => (
    <button type="button" class="link" onClick={() => onPick({ row, token })}>
      <NodeName scene={scene} node={{ row, token }} texts={texts} />
    </button>
  );
  return (
    <details>
      <summary>The strongest edges as a table</summary>
      <div class="scroll">
        <table class="table">
          <caption class="unseen">The strongest edges</caption>
          <thead>
            <tr>
              <th scope="col">From</th>
              <th scope="col">To</th>
              <th scope="col" class="number">Weight</th>
            </tr>
          </thead>
          <tbody>
            {Array.from(rows.subarray(0, TABLE_ROWS), (row, edge) => (
              <tr key={edge}>
                <td>
                  <Pick row={row} token={sources[edge] as number} />
                </td>
                <td>
                  <Pick row={targetRows[edge] as number} token={targets[edge] as number} />
                </td>
                <td class="number">{signed(weights[edge] as number)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

function Exports(props: {
  readonly name: string;
  readonly data: GraphData;
  readonly scene: Scene;
  readonly camera: Camera;
  readonly size: Size;
  readonly texts: readonly string[];
}) {
  const { name, data, scene, camera, size, texts } = props;
  const theme = useTheme();
  const options = { texts, marked: null };
  const svg = () => {
    const surface = svgSurface(size, theme);
    drawScene(scene, camera, size, surface, options);
    save(`${name}.svg`, new Blob([surface.end()], { type: "image/svg+xml" }));
  };
  const png = () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [size.width * PNG_SCALE, size.height * PNG_SCALE];
    const context = canvas.getContext("2d");
    if (context === null) return;
    drawScene(scene, camera, size, canvasSurface(context, size, theme, PNG_SCALE), options);
    canvas.toBlob((blob) => blob === null || save(`${name}.png`, blob), "image/png");
  };
  const table = () => save(`${name}.csv`, new Blob([csv(sceneTable(scene, texts))], { type: "text/csv" }));
  const json = () => save(`${name}.json`, new Blob([sceneJson(data, scene, texts)], { type: "application/json" }));
  return (
    <p class="exports small">
      Save this view as <button type="button" class="link" onClick={svg}>SVG</button>{" "}
      <button type="button" class="link" onClick={png}>PNG</button>{" "}
      <button type="button" class="link" onClick={table}>CSV</button>{" "}
      <button type="button" class="link" onClick={json}>JSON</button>
    </p>
  );
}

/** What the address asks for, as far as this graph has it. */
function viewOf(route: GraphState, data: GraphData, largest: number): GraphView {
  const [row, token] = route.node;
  const there = route.node.length === 2 && row! < data.nodeLayers.length && token! < data.tokens;
  return {
    minWeight: thresholdAt(route.weight, largest),
    mass: Math.max(1, route.mass) / 100,
    sink: route.sink,
    term: data.heads === 0 ? "all" : route.term,
    head: route.head !== null && route.head < data.heads ? route.head : null,
    focus: there ? { row: row!, token: token! } : null,
  };
}

export function GraphFigure(props: {
  readonly route: GraphState;
  readonly onChange: (part: Partial<GraphState>) => void;
  /** File name of exports, without its ending. */
  readonly name: string;
  readonly data: GraphData;
  /** Text of each token, [tokens]. */
  readonly texts: readonly string[];
}) {
  const { route, onChange: change, name, data, texts } = props;
  const [box, size] = useSize();
  const [pointed, setPointed] = useState<Pointed | null>(null);
  const [drawn, setDrawn] = useState<Drawn>({ edges: 0, edgesInSight: 0 });
  const largest = useMemo(
    () => data.transitions.reduce((most, { weights }) => weights.reduce((a, b) => Math.max(a, Math.abs(b)), most), 0),
    [data],
  );
  const { weight, mass, sink, term, head, node } = route;
  const view = useMemo(() => viewOf(route, data, largest), [data, weight, mass, sink, term, head, node.join()]);
  const scene = useMemo(() => makeScene(data, view), [data, view]);
  const [camera, setCamera] = useState<Camera>(() => fit(scene, size));
  // What is filtered moves the columns: then the whole is shown again.
  useEffect(() => setCamera(fit(scene, size)), [scene.columns.length, size.width, data]);
  const pick = (focus: GraphNode | null) => change({ node: focus === null ? [] : [focus.row, focus.token] });

  return (
    <figure class="graph">
      <Controls
        data={data}
        view={view}
        route={route}
        onChange={change}
      />
      <div class="graph-box" ref={box}>
        <GraphCanvas
          scene={scene}
          texts={texts}
          marked={view.focus}
          size={size}
          camera={camera}
          onCamera={setCamera}
          onPoint={setPointed}
          onPick={pick}
          onDrawn={(next) =>
            setDrawn((old) => old.edges === next.edges && old.edgesInSight === next.edgesInSight ? old : next)}
          label={`Attribution graph: ${scene.edges.rows.length} edges between ${scene.nodes.length} nodes. ` +
            "Arrow keys move, plus and minus zoom, 0 shows all, Escape shows all paths."}
        />
        {pointed === null ? null : <Tip scene={scene} pointed={pointed} texts={texts} size={size} />}
      </div>
      <div class="graph-foot">
        <p class="quiet small" role="status">
          {drawn.edges < drawn.edgesInSight
            ? `The strongest ${drawn.edges.toLocaleString("en")} of ${
              drawn.edgesInSight.toLocaleString("en")
            } edges in sight are drawn: zoom in for the rest. `
            : `${scene.edges.rows.length.toLocaleString("en")} of ${
              scene.stored.toLocaleString("en")
            } stored edges shown. `}
          {view.focus === null ? "Click a node for the paths to and from it." : (
            <>
              Paths through <NodeName scene={scene} node={view.focus} texts={texts} />.{" "}
              <button type="button" class="link" onClick={() => pick(null)}>Show all</button>
            </>
          )}
        </p>
        <p class="small">
          <button type="button" onClick={() => setCamera((old) => zoom(old, 1.5, size.width / 2, size.height / 2))}>
            Zoom in
          </button>{" "}
          <button type="button" onClick={() => setCamera((old) => zoom(old, 1 / 1.5, size.width / 2, size.height / 2))}>
            Zoom out
          </button>{" "}
          <button type="button" onClick={() => setCamera(fit(scene, size))}>Show all</button>
        </p>
        <Exports name={name} data={data} scene={scene} camera={camera} size={size} texts={texts} />
      </div>
      <EdgeTable scene={scene} texts={texts} onPick={pick} />
    </figure>
  );
}
