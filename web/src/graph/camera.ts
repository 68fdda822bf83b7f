/** Where the reader looks: columns of tokens by rows of node layers, in pixels. */
import type { Scene } from "./graph_scene.ts";

export interface Size {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

export interface Camera {
  /** Pixels between neighbouring columns and rows. */
  readonly columnWidth: number;
  readonly rowHeight: number;
  /** Screen position of column 0 and of row 0; rows grow upward. */
  readonly left: number;
  readonly bottom: number;
}

/** Room for the labels of layers and tokens, in pixels. */
export const MARGIN = { left: 44, right: 24, top: 20, bottom: 88 } as const;
const WIDEST_COLUMN = 64;
const TALLEST_ROW = 120;
const NARROWEST_COLUMN = 0.01;
const LOWEST_ROW = 2;

const clamp = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));

/** Shows the whole scene. */
export function fit(scene: Scene, { width, height }: Size): Camera {
  const columns = Math.max(1, scene.columns.length - 1);
  const rows = Math.max(1, scene.nodeLayers.length - 1);
  const columnWidth = clamp((width - MARGIN.left - MARGIN.right) / columns, NARROWEST_COLUMN, WIDEST_COLUMN);
  const rowHeight = clamp((height - MARGIN.top - MARGIN.bottom) / rows, LOWEST_ROW, TALLEST_ROW);
  // Few columns stand in the middle.
  const spare = Math.max(0, width - MARGIN.left - MARGIN.right - columns * columnWidth);
  return { columnWidth, rowHeight, left: MARGIN.left + spare / 2, bottom: height - MARGIN.bottom };
}

/** Zooms by `factor` so that the point of the screen stays; rows follow up to their bounds. */
export function zoom(camera: Camera, factor: number, x: number, y: number): Camera {
  const columnWidth = clamp(camera.columnWidth * factor, NARROWEST_COLUMN, 4 * WIDEST_COLUMN);
  const rowHeight = clamp(camera.rowHeight * Math.sqrt(factor), LOWEST_ROW, 4 * TALLEST_ROW);
  return {
    columnWidth,
    rowHeight,
    left: x - (x - camera.left) * columnWidth / camera.columnWidth,
    bottom: y - (y - camera.bottom) * rowHeight / camera.rowHeight,
  };
}

export function pan(camera: Camera, x: number, y: number): Camera {
  return { ...camera, left: camera.left + x, bottom: camera.bottom + y };
}

export const screenX = (camera: Camera, column: number): number => camera.left + column * camera.columnWidth;
export const screenY = (camera: Camera, row: number): number => camera.bottom - row * camera.rowHeight;
