/** Draws a scene through a camera onto any surface: the canvas while people look, SVG when they export. */
import { tokenPieces } from "../../../figures/token_text.ts";
import { type Camera, MARGIN, screenX, screenY, type Size } from "./camera.ts";
import type { GraphNode, Scene } from "./graph_scene.ts";

/** What a curve is drawn with; a canvas path is one. */
export interface Pen {
  moveTo(x: number, y: number): void;
  bezierCurveTo(x1: number, y1: number, x2: number, y2: number, x: number, y: number): void;
}

export type Side = "red" | "blue";

/** What a picture is drawn on. */
export interface Surface {
  /** Curves of one colour, width in pixels and opacity. */
  curves(side: Side, width: number, opacity: number, draw: (pen: Pen) => void): void;
  /** A node; `value` is its relevance from -1 to 1. */
  node(x: number, y: number, radius: number, value: number, marked: boolean): void;
  /** Text that ends (`end`) or begins (`start`) at a point, turned by degrees. */
  text(x: number, y: number, text: string, anchor: "start" | "end", degrees: number): void;
}

/** Edges and nodes drawn at most in one frame; the strongest go first. */
export const MOST_EDGES = 6000;
export const MOST_NODES = 6000;
/** Edges of one style are one path: 6 strengths of each colour. */
const LEVELS = 6;
const LABEL_WIDTH = 11;
const LABEL_LETTERS = 14;

/** A token for a label of the picture. */
export function tokenLabel(text: string): string {
  const shown = tokenPieces(text, false).map(({ text, mark }) => mark ?? text).join("");
  return [...shown].length > LABEL_LETTERS ? `${[...shown].slice(0, LABEL_LETTERS - 1).join("")}…` : shown;
}

export interface Drawn {
  readonly edges: number;
  /** Edges in sight, of which `edges` were drawn. */
  readonly edgesInSight: number;
}

/** Calls `visit` for the edges in sight, strongest first, until it has had MOST_EDGES; gives how many were in sight. */
export function edgesInSight(
  scene: Scene,
  camera: Camera,
  size: Size,
  visit: (edge: number, x1: number, y1: number, x2: number, y2: number) => void,
): Drawn {
  const { rows, targetRows, sources, targets } = scene.edges;
  let drawn = 0;
  let inSight = 0;
  for (let edge = 0; edge < rows.length; edge++) {
    const row = rows[edge] as number;
    const y1 = screenY(camera, row);
    const y2 = screenY(camera, targetRows[edge] as number);
    if (y1 < 0 || y2 > size.height) continue;
    const x1 = screenX(camera, scene.columnOf[sources[edge] as number] as number);
    const x2 = screenX(camera, scene.columnOf[targets[edge] as number] as number);
    if (Math.max(x1, x2) < 0 || Math.min(x1, x2) > size.width) continue;
    inSight++;
    if (drawn === MOST_EDGES) continue;
    visit(edge, x1, y1, x2, y2);
    drawn++;
  }
  return { edges: drawn, edgesInSight: inSight };
}

/** The node that lies at a point of the screen, within some pixels. */
export function nodeAt(scene: Scene, camera: Camera, x: number, y: number, within = 10): GraphNode | null {
  let best: GraphNode | null = null;
  let least = within * within;
  for (const node of scene.nodes) {
    const dx = screenX(camera, scene.columnOf[node.token] as number) - x;
    const dy = screenY(camera, node.row) - y;
    const distance = dx * dx + dy * dy;
    if (distance > least) continue;
    least = distance;
    best = node;
  }
  return best;
}

function drawEdges(scene: Scene, camera: Camera, size: Size, surface: Surface): Drawn {
  const styles = Array.from({ length: 2 * LEVELS }, (): number[] => []);
  const drawn = edgesInSight(scene, camera, size, (edge, x1, y1, x2, y2) => {
    const weight = scene.edges.weights[edge] as number;
    const level = Math.min(LEVELS - 1, Math.floor(Math.sqrt(Math.abs(weight) / scene.largestWeight) * LEVELS));
    (styles[(weight < 0 ? LEVELS : 0) + level] as number[]).push(x1, y1, x2, y2);
  });
  // The strongest lie on top.
  for (let level = 0; level < LEVELS; level++) {
    for (const side of ["blue", "red"] as const) {
      const ends = styles[(side === "blue" ? LEVELS : 0) + level] as number[];
      if (ends.length === 0) continue;
      const strength = (level + 1) / LEVELS;
      surface.curves(side, 0.5 + 3.5 * strength ** 2, 0.2 + 0.7 * strength, (pen) => {
        for (let at = 0; at < ends.length; at += 4) {
          const [x1, y1, x2, y2] = ends.slice(at, at + 4) as [number, number, number, number];
          const bend = (y1 - y2) * 0.5;
          pen.moveTo(x1, y1);
          pen.bezierCurveTo(x1, y1 - bend, x2, y2 + bend, x2, y2);
        }
      });
    }
  }
  return drawn;
}

function drawNodes(scene: Scene, camera: Camera, size: Size, surface: Surface, marked: GraphNode | null): void {
  const room = Math.min(camera.columnWidth, camera.rowHeight);
  const largest = Math.max(1.5, Math.min(8, 0.42 * room));
  let drawn = 0;
  for (const { row, token, relevance } of scene.nodes) {
    const x = screenX(camera, scene.columnOf[token] as number);
    const y = screenY(camera, row);
    if (x < -10 || x > size.width + 10 || y < -10 || y > size.height + 10) continue;
    if (drawn++ === MOST_NODES) return;
    const value = relevance / scene.largestRelevance;
    const radius = Math.max(1, largest * (0.35 + 0.65 * Math.sqrt(Math.abs(value))));
    surface.node(x, y, radius, value, marked !== null && marked.row === row && marked.token === token);
  }
}

function drawLabels(scene: Scene, camera: Camera, size: Size, surface: Surface, texts: readonly string[]): void {
  const every = Math.max(1, Math.ceil(13 / camera.rowHeight));
  scene.nodeLayers.forEach((layer, row) => {
    const y = screenY(camera, row);
    if (row % every !== 0 || y < 0 || y > size.height) return;
    surface.text(Math.max(MARGIN.left - 14, 30), y + 4, String(layer), "end", 0);
  });
  const step = Math.max(1, Math.ceil(LABEL_WIDTH / camera.columnWidth));
  const y = Math.min(size.height - MARGIN.bottom, screenY(camera, 0)) + 14;
  for (let column = 0; column < scene.columns.length; column += step) {
    const x = screenX(camera, column);
    if (x < MARGIN.left - 10 || x > size.width) continue;
    surface.text(x + 3, y, tokenLabel(texts[scene.columns[column] as number] ?? ""), "end", -60);
  }
}

/** Draws the scene; `texts` are the tokens' texts, [tokens]. */
export function drawScene(
  scene: Scene,
  camera: Camera,
  size: Size,
  surface: Surface,
  options: { readonly texts: readonly string[]; readonly marked: GraphNode | null },
): Drawn {
  const drawn = drawEdges(scene, camera, size, surface);
  drawNodes(scene, camera, size, surface, options.marked);
  drawLabels(scene, camera, size, surface, options.texts);
  return drawn;
}
