/** @jsxImportSource preact */
/** What flows from a row of a trace to what it rests on, and the arc that shows it: beside lists, and in files. */
import { px } from "./picture.tsx";

/** What a row rests on (docs/traces.md). */
export interface RestingRow {
  /** Shares and signed relevance of its columns, the sum of |relevance| over all tokens, and its own tokens' share. */
  readonly shares: readonly number[];
  readonly signed: readonly number[];
  readonly absolute: number;
  readonly own: number;
}

/** What a row passes on to a column: as absolute share, and in the signed form. */
export interface PassedOn {
  readonly to: number;
  readonly share: number;
  readonly signed: number;
}

/** What a row passes on of 1 that reaches it, to each column before it; the tokens of its own are left out. */
export function passedOn({ shares, signed, absolute, own }: RestingRow): readonly PassedOn[] {
  const rest = 1 - own;
  // A row that rests on nothing but itself passes nothing on.
  if (rest <= 0 || absolute <= 0) return [];
  return shares.map((share, to) => ({ to, share: share / rest, signed: (signed[to] ?? 0) / (absolute * rest) }));
}

const [THINNEST, WIDEST] = [0.75, 10];
/** Where even the largest flow is small, it is drawn as if it were this much: widths are compared, not read. */
const LEAST_LARGEST = 0.1;

export interface ArcProps {
  /** Pixels from the left at which it begins and ends, and its two heights. */
  readonly x: number;
  readonly y: readonly [from: number, to: number];
  readonly share: number;
  /** The largest share that is drawn beside it. */
  readonly largest: number;
  /** Red speaks for the error, blue against it; null where no colour tells that. */
  readonly signed: number | null;
  /** What it says of itself. */
  readonly said: string;
  /** Numbers of what it leads from and to, for those who look for it. */
  readonly between?: readonly [from: number, to: number];
}

/** Half an ellipse to the left of x, as wide as what flows; it stays within x pixels. */
export function TraceArc({ x, y: [from, to], share, largest, signed, said, between }: ArcProps) {
  const width = Math.max(THINNEST, WIDEST * Math.sqrt(share / Math.max(largest, LEAST_LARGEST)));
  const depth = Math.min(x - width / 2 - 1, 14 + Math.abs(from - to) * 0.42);
  // A cubic curve reaches three quarters of the way to its two inner points.
  const inner = px(x - depth * 4 / 3);
  const side = signed === null ? "" : signed < 0 ? " blue" : " red";
  return (
    <path
      class={`edge${side}`}
      style="fill:none"
      stroke-width={px(width)}
      stroke-opacity="0.55"
      {...between && { "data-from": between[0], "data-to": between[1] }}
      d={`M${x} ${px(from)}C${inner} ${px(from)} ${inner} ${px(to)} ${x} ${px(to)}`}
    >
      <title>{said}</title>
    </path>
  );
}
