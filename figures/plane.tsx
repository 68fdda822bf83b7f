/** @jsxImportSource preact */
/** Axes with ticks, a grid and names, and a legend: what charts stand in. */
import type { ComponentChildren } from "preact";
import { scaleLinear } from "d3-scale";
import { px } from "./picture.tsx";
import { cut, textWidth } from "./text_width.ts";

const FONT = 12;
const EDGE = { left: 62, right: 18, top: 14 } as const;
/** Between two labels of an axis. */
const GAP = 8;

/** An axis of numbers. */
export interface NumberAxis {
  readonly label: string;
  readonly low: number;
  readonly high: number;
  /** Whether its ends move outward to the next ticks. */
  readonly nice?: boolean;
  /** Whether only whole numbers have a tick. */
  readonly whole?: boolean;
}

/** An axis of things by name, at equal distances in their order: the n-th stands at n + 0.5. */
export interface NameAxis {
  readonly label: string;
  readonly names: readonly string[];
}

interface Tick {
  readonly at: number;
  readonly text: string;
}

export interface Plane {
  readonly width: number;
  readonly height: number;
  /** Pixels of a value. */
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
  /** Ends of the axes, in values. */
  readonly across: readonly [low: number, high: number];
  readonly up: readonly [low: number, high: number];
  /** Grid, frame, ticks and names. */
  readonly axes: ComponentChildren;
}

/** From the least to the largest of values, these included: ends of an axis before they are made nice; never equal. */
export function ends(values: readonly number[], ...around: readonly number[]): { low: number; high: number } {
  const all = [...values, ...around].filter(Number.isFinite);
  const low = all.reduce((least, value) => Math.min(least, value), Infinity);
  const high = all.reduce((most, value) => Math.max(most, value), -Infinity);
  if (low > high) return { low: 0, high: 1 };
  return low === high ? { low: low - 1, high: high + 1 } : { low, high };
}

/** Domain and ticks of an axis, about `count` of them. */
export function numberTicks({ low, high, nice, whole }: NumberAxis, count: number) {
  const scale = scaleLinear().domain([low, high]);
  if (nice !== false) scale.nice(count);
  const format = scale.tickFormat(count);
  const ticks = scale.ticks(count).filter((at) => whole !== true || Number.isInteger(at));
  return {
    domain: scale.domain() as [number, number],
    ticks: ticks.map((at): Tick => ({ at, text: whole === true ? at.toLocaleString("en") : format(at) })),
  };
}

/** The ticks of which no label touches the one before; the first always stays. */
function apart(ticks: readonly Tick[], x: (value: number) => number): readonly Tick[] {
  let free = -Infinity;
  return ticks.filter(({ at, text }) => {
    const half = textWidth(text, FONT) / 2;
    if (x(at) - half < free) return false;
    free = x(at) + half + GAP;
    return true;
  });
}

/** How names stand below the axis. */
interface NameLayout {
  /** Degrees by which they are turned. */
  readonly turn: number;
  /** Every how many-th has room. */
  readonly every: number;
  readonly shown: readonly string[];
  /** Pixels that they take downward. */
  readonly depth: number;
}

/** Pixels of a turned name at most, and from one line of text to the next. */
const LONGEST = 160;
const LINE = 13;
const TURNS = [30, 45, 60, 90] as const;
const radians = (degrees: number): number => degrees * Math.PI / 180;

/** In a row where they fit, else turned as little as keeps lines apart and the first inside the picture. `room`: pixels of one. */
function layNames(names: readonly string[], room: number): NameLayout {
  if (names.every((name) => textWidth(name, FONT) + GAP <= room)) return { turn: 0, every: 1, shown: names, depth: 16 };
  const shown = names.map((name) => cut(name, FONT, LONGEST));
  const widths = shown.map((name) => textWidth(name, FONT));
  const turn = TURNS.find((degrees) =>
    room * Math.sin(radians(degrees)) >= LINE &&
    widths.every((width, index) => width * Math.cos(radians(degrees)) <= EDGE.left + (index + 0.5) * room)
  ) ?? 90;
  return {
    turn,
    every: Math.max(1, Math.ceil(LINE / (room * Math.sin(radians(turn))))),
    shown,
    depth: Math.ceil(Math.max(...widths) * Math.sin(radians(turn))) + 12,
  };
}

function Names({ layout: { turn, every, shown }, x, y }: {
  readonly layout: NameLayout;
  readonly x: (value: number) => number;
  readonly y: number;
}) {
  return (
    <>
      {shown.map((name, index) => {
        if (index % every !== 0) return null;
        const at = px(x(index + 0.5));
        return turn === 0 ? <text key={index} class="tick" x={at} y={y + 16} text-anchor="middle">{name}</text> : (
          <text
            key={index}
            class="tick"
            transform={`translate(${at + 4} ${y + 12}) rotate(-${turn})`}
            text-anchor="end"
          >
            {name}
          </text>
        );
      })}
    </>
  );
}

export function plane(
  horizontal: NumberAxis | NameAxis,
  vertical: NumberAxis,
  size: { readonly width?: number; readonly height?: number; readonly right?: number } = {},
): Plane {
  const { width = 640, height = 360, right: margin = EDGE.right } = size;
  const [left, right, top] = [EDGE.left, width - margin, EDGE.top];
  const names = "names" in horizontal
    ? layNames(horizontal.names, (right - left) / Math.max(1, horizontal.names.length))
    : null;
  const bottom = height - 28 - (names?.depth ?? 16);
  const own = "names" in horizontal ? null : numberTicks(horizontal, Math.max(2, Math.round((right - left) / 80)));
  const side = numberTicks(vertical, Math.max(2, Math.round((bottom - top) / 50)));
  const across = own?.domain ?? [0, "names" in horizontal ? Math.max(1, horizontal.names.length) : 1];
  const x = scaleLinear(across, [left, right]);
  const y = scaleLinear(side.domain, [bottom, top]);
  const marks = own === null ? [] : apart(own.ticks, x);
  return {
    width,
    height,
    x,
    y,
    across: across as [number, number],
    up: side.domain,
    axes: (
      <>
        {marks.map(({ at }) => <line key={at} class="grid" x1={px(x(at))} x2={px(x(at))} y1={top} y2={bottom} />)}
        {side.ticks.map(({ at }) => <line key={at} class="grid" x1={left} x2={right} y1={px(y(at))} y2={px(y(at))} />)}
        <rect class="frame" x={left} y={top} width={right - left} height={bottom - top} />
        {marks.map(({ at, text }) => (
          <text key={at} class="tick" x={px(x(at))} y={bottom + 16} text-anchor="middle">{text}</text>
        ))}
        {names === null ? null : <Names layout={names} x={x} y={bottom} />}
        {side.ticks.map(({ at, text }) => (
          <text key={at} class="tick" x={left - 6} y={px(y(at) + 4)} text-anchor="end">{text}</text>
        ))}
        <text x={(left + right) / 2} y={height - 8} text-anchor="middle">{horizontal.label}</text>
        <text transform={`translate(14 ${px((top + bottom) / 2)}) rotate(-90)`} text-anchor="middle">
          {vertical.label}
        </text>
      </>
    ),
  };
}

/** The line at zero, where zero is in sight. */
export function Zero({ plane: { x, y, across, up } }: { readonly plane: Plane }) {
  if (up[0] > 0 || up[1] < 0) return null;
  return <line class="zero" x1={px(x(across[0]))} x2={px(x(across[1]))} y1={px(y(0))} y2={px(y(0))} />;
}

export interface LegendEntry {
  /** Drawn in a box of 16 by 12 pixels from 0, 0. */
  readonly mark: ComponentChildren;
  readonly text: string;
}

const ROW = 18;

/** What stands in a plane, with its axes behind it and its legend below: the parts of a `Drawing` that are drawn. */
export function withAxes(
  { axes, width, height }: Plane,
  entries: readonly LegendEntry[],
  marks: ComponentChildren,
): { readonly width: number; readonly height: number; readonly content: ComponentChildren } {
  const key = legend(entries, width, height);
  return { width, height: height + key.height, content: <>{axes}{marks}{key.content}</> };
}

/** Entries in rows from `top` on, and the height that they take. */
function legend(
  entries: readonly LegendEntry[],
  width: number,
  top: number,
): { height: number; content: ComponentChildren } {
  let [x, row] = [EDGE.left, 0];
  const content = entries.map(({ mark, text }, index) => {
    const shown = cut(text, FONT, width - EDGE.left - 30);
    const room = 22 + textWidth(shown, FONT) + 16;
    if (x > EDGE.left && x + room > width) [x, row] = [EDGE.left, row + 1];
    const at = x;
    x += room;
    return (
      <g key={index} transform={`translate(${px(at)} ${top + row * ROW + 4})`}>
        {mark}
        <text x={22} y={10}>{shown}</text>
      </g>
    );
  });
  return { height: entries.length === 0 ? 0 : (row + 1) * ROW + 6, content };
}
