/// <reference lib="dom" />
/** @jsxImportSource preact */
/** The graph as people look at it: drag to pan, wheel or keys to zoom, point at a node for its numbers, click to isolate. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { type Camera, fit, pan, type Size, zoom } from "./camera.ts";
import type { GraphNode, Scene } from "./graph_scene.ts";
import { type Drawn, drawScene, nodeAt } from "./picture.ts";
import { canvasSurface } from "./surfaces.ts";
import { useTheme } from "../shell/use_theme.ts";

/** Pixels that one press of a key moves, and by how much it zooms. */
const KEY_STEP = 60;
const KEY_ZOOM = 1.3;
/** Pixels that a press may wander and still be a click. */
const CLICK_SLACK = 4;

export interface Pointed {
  readonly node: GraphNode;
  /** Where on the canvas, in pixels. */
  readonly x: number;
  readonly y: number;
}

export interface CanvasProps {
  readonly scene: Scene;
  readonly texts: readonly string[];
  readonly marked: GraphNode | null;
  readonly size: Size;
  readonly camera: Camera;
  readonly onCamera: (camera: Camera) => void;
  readonly onPoint: (pointed: Pointed | null) => void;
  readonly onPick: (node: GraphNode | null) => void;
  readonly onDrawn: (drawn: Drawn) => void;
  readonly label: string;
}

/** Draws in the next animation frame, once, however often it is asked. */
function useFrame(draw: () => void): () => void {
  const latest = useRef(draw);
  latest.current = draw;
  const frame = useRef(0);
  useEffect(() => () => cancelAnimationFrame(frame.current), []);
  return () => {
    cancelAnimationFrame(frame.current);
    frame.current = requestAnimationFrame(() => latest.current());
  };
}

export function GraphCanvas(props: CanvasProps) {
  const { scene, texts, marked, size, camera, onCamera, onPoint, onPick } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();
  const [grip, setGrip] = useState<{ x: number; y: number; moved: boolean } | null>(null);

  const draw = useFrame(() => {
    const element = canvas.current;
    const context = element?.getContext("2d");
    if (!element || !context) return;
    const scale = devicePixelRatio || 1;
    const [width, height] = [Math.round(size.width * scale), Math.round(size.height * scale)];
    if (element.width !== width || element.height !== height) [element.width, element.height] = [width, height];
    props.onDrawn(drawScene(scene, camera, size, canvasSurface(context, size, theme, scale), { texts, marked }));
  });
  useLayoutEffect(draw, [scene, camera, size, theme, marked, texts]);

  // Preact's own wheel listener is passive: the page would scroll beneath the zoom.
  const now = useRef({ camera, onCamera });
  now.current = { camera, onCamera };
  useLayoutEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const wheel = (event: WheelEvent) => {
      // Without a key the page scrolls on, as everywhere else.
      if (!event.ctrlKey && !event.metaKey && !event.shiftKey) return;
      event.preventDefault();
      const turn = event.deltaY === 0 ? event.deltaX : event.deltaY;
      now.current.onCamera(zoom(now.current.camera, Math.exp(-turn / 300), event.offsetX, event.offsetY));
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  }, []);

  const key = (event: KeyboardEvent) => {
    const middle = [size.width / 2, size.height / 2] as const;
    const moves: Readonly<Record<string, () => Camera>> = {
      ArrowLeft: () => pan(camera, KEY_STEP, 0),
      ArrowRight: () => pan(camera, -KEY_STEP, 0),
      ArrowUp: () => pan(camera, 0, KEY_STEP),
      ArrowDown: () => pan(camera, 0, -KEY_STEP),
      "+": () => zoom(camera, KEY_ZOOM, ...middle),
      "=": () => zoom(camera, KEY_ZOOM, ...middle),
      "-": () => zoom(camera, 1 / KEY_ZOOM, ...middle),
      "0": () => fit(scene, size),
    };
    if (event.key === "Escape") return onPick(null);
    const move = moves[event.key];
    if (move === undefined) return;
    event.preventDefault();
    onCamera(move());
  };

  return (
    <canvas
      ref={canvas}
      class="graph-canvas"
      style={{ width: `${size.width}px`, height: `${size.height}px` }}
      tabIndex={0}
      role="img"
      aria-label={props.label}
      data-columns={scene.columns.length}
      data-edges={scene.edges.rows.length}
      onKeyDown={key}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        setGrip({ x: event.offsetX, y: event.offsetY, moved: false });
      }}
      onPointerMove={(event) => {
        const { offsetX: x, offsetY: y } = event;
        if (grip === null) {
          const node = nodeAt(scene, camera, x, y);
          return onPoint(node === null ? null : { node, x, y });
        }
        const moved = grip.moved || Math.hypot(x - grip.x, y - grip.y) > CLICK_SLACK;
        if (!moved) return;
        onPoint(null);
        onCamera(pan(camera, x - grip.x, y - grip.y));
        setGrip({ x, y, moved });
      }}
      onPointerUp={(event) => {
        if (grip?.moved === false) onPick(nodeAt(scene, camera, event.offsetX, event.offsetY));
        setGrip(null);
      }}
      onPointerCancel={() => setGrip(null)}
      onPointerLeave={() => onPoint(null)}
    />
  );
}
