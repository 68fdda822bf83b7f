/** Charts as SVG: linear axes, points, lines with intervals, bars. */
import { escape, fixed } from "./html.ts";

const WIDTH = 640;
const HEIGHT = 360;
const EDGE = { left: 60, right: 20, top: 16, bottom: 46 } as const;

export interface Axis {
  readonly label: string;
  readonly low: number;
  readonly high: number;
  /** Places with their names; round numbers when left out. */
  readonly ticks?: readonly { readonly at: number; readonly text: string }[];
}

export interface Chart {
  /** Pixels of a value. */
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
  /** The SVG with these marks inside its axes. */
  readonly draw: (marks: string, title: string) => string;
}

/** About five round numbers between two ends. */
export function roundTicks(low: number, high: number): number[] {
  const raw = (high - low) / 5;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * size).find((one) => one >= raw)!;
  const ticks: number[] = [];
  for (let tick = Math.ceil(low / step); tick * step <= high + step * 1e-9; tick++) ticks.push(tick * step || 0);
  return ticks;
}

/** The ends of values, widened a little; never equal. */
export function span(values: readonly number[], around: readonly number[] = []): { low: number; high: number } {
  const all = [...values, ...around];
  const low = all.reduce((least, value) => Math.min(least, value), Infinity);
  const high = all.reduce((most, value) => Math.max(most, value), -Infinity);
  const room = (high - low) * 0.04 || 1;
  return { low: low - room, high: high + room };
}

export function chart(horizontal: Axis, vertical: Axis, height = HEIGHT): Chart {
  const [left, right, top, bottom] = [EDGE.left, WIDTH - EDGE.right, EDGE.top, height - EDGE.bottom];
  const x = (value: number) => left + (value - horizontal.low) / (horizontal.high - horizontal.low) * (right - left);
  const y = (value: number) => bottom - (value - vertical.low) / (vertical.high - vertical.low) * (bottom - top);
  const ticksOf = (axis: Axis) => {
    const ticks = roundTicks(axis.low, axis.high);
    const digits = Math.max(
      0,
      ...ticks.map((tick) => (/\.(\d+)/.exec(String(Number(tick.toPrecision(6))))?.[1] ?? "").length),
    );
    return axis.ticks ?? ticks.map((at) => ({ at, text: fixed(at, digits) }));
  };
  const axes = [
    ...ticksOf(horizontal).map(({ at, text }) =>
      `<line class="grid" x1="${px(x(at))}" y1="${top}" x2="${px(x(at))}" y2="${bottom}"/>` +
      `<text x="${px(x(at))}" y="${bottom + 16}" text-anchor="middle">${escape(text)}</text>`
    ),
    ...ticksOf(vertical).map(({ at, text }) =>
      `<line class="grid" x1="${left}" y1="${px(y(at))}" x2="${right}" y2="${px(y(at))}"/>` +
      `<text x="${left - 6}" y="${px(y(at) + 4)}" text-anchor="end">${escape(text)}</text>`
    ),
    `<rect class="frame" x="${left}" y="${top}" width="${right - left}" height="${bottom - top}"/>`,
    `<text x="${(left + right) / 2}" y="${height - 8}" text-anchor="middle">${escape(horizontal.label)}</text>`,
    `<text transform="translate(14 ${(top + bottom) / 2}) rotate(-90)" text-anchor="middle">${
      escape(vertical.label)
    }</text>`,
  ].join("");
  return {
    x,
    y,
    draw: (marks, title) =>
      `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escape(title)}">${axes}${marks}</svg>`,
  };
}

/** Pixels with a tenth. */
export const px = (value: number): string => String(Math.round(value * 10) / 10);

export function polyline(points: readonly (readonly [number, number])[], colour: string, width = 2): string {
  return `<polyline fill="none" stroke="${colour}" stroke-width="${width}" points="${
    points.map(([x, y]) => `${px(x)},${px(y)}`).join(" ")
  }"/>`;
}

export function dot(x: number, y: number, colour: string, title: string, radius = 4): string {
  return `<circle cx="${px(x)}" cy="${px(y)}" r="${radius}" fill="${colour}" fill-opacity="0.75"><title>${
    escape(title)
  }</title></circle>`;
}

/** A key of colours, beside a chart. */
export function legend(entries: readonly (readonly [colour: string, text: string])[]): string {
  return `<p class="legend">${
    entries.map(([colour, text]) => `<span><i style="background:${colour}"></i>${escape(text)}</span>`).join("")
  }</p>`;
}
