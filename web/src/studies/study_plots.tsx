/** @jsxImportSource preact */
/** The plots of a study as SVG: scatter of two members, mean delta by member, segments by member. */
import type { ComponentChildren } from "preact";
import type { Member, Point, Verdict } from "./documents.ts";
import { caseRoute, formatRoute } from "../shell/route.ts";
import { quoteToken } from "../heat/token_text.ts";

const SIZE = { width: 520, height: 360, left: 56, right: 16, top: 14, bottom: 44 };

export const VERDICT_NAMES: Readonly<Record<Verdict, string>> = {
  CORRECTED: "corrected",
  NOT_CORRECTED: "not corrected",
  UNDECIDED: "undecided",
};

interface Scale {
  readonly low: number;
  readonly high: number;
}

/** From the least to the largest, with zero in it. */
function scaleOf(values: readonly number[]): Scale {
  return { low: Math.min(0, ...values), high: Math.max(1, ...values) };
}

const along = ({ low, high }: Scale, value: number, from: number, to: number) =>
  from + (value - low) / (high - low) * (to - from);
const xOf = (scale: Scale, value: number) => along(scale, value, SIZE.left, SIZE.width - SIZE.right);
const yOf = (scale: Scale, value: number) => along(scale, value, SIZE.height - SIZE.bottom, SIZE.top);

function Frame(props: { readonly label: string; readonly children: ComponentChildren }) {
  return (
    <div class="scroll">
      <svg class="chart" viewBox={`0 0 ${SIZE.width} ${SIZE.height}`} role="img" aria-label={props.label}>
        {props.children}
      </svg>
    </div>
  );
}

function Ticks({ scale, axis }: { readonly scale: Scale; readonly axis: "x" | "y" }) {
  const values = [...new Set([scale.low, 0, scale.high])];
  return (
    <>
      {values.map((value) =>
        axis === "x"
          ? (
            <text key={value} x={xOf(scale, value)} y={SIZE.height - SIZE.bottom + 16} text-anchor="middle">
              {value.toFixed(1)}
            </text>
          )
          : <text key={value} x={SIZE.left - 6} y={yOf(scale, value) + 4} text-anchor="end">{value.toFixed(1)}</text>
      )}
    </>
  );
}

/** Shapes tell the verdicts apart without colour. */
function Mark({ point, x, y }: { readonly point: Point; readonly x: number; readonly y: number }) {
  const title = `${point.key}: ${quoteToken(point.target)} for ${quoteToken(point.contrast)}, ${
    point.x.toFixed(2)
  } and ${point.y.toFixed(2)}, ${VERDICT_NAMES[point.verdict]}`;
  const to = formatRoute({ ...caseRoute(point.failureCaseId), pair: point.tokenPairId, view: "compare" });
  const shape = point.verdict === "CORRECTED"
    ? <circle cx={x} cy={y} r={4} class="blue" />
    : point.verdict === "NOT_CORRECTED"
    ? <rect x={x - 3.5} y={y - 3.5} width={7} height={7} class="red" />
    : <path d={`M${x - 4} ${y}H${x + 4}M${x} ${y - 4}V${y + 4}`} class="neither" />;
  return (
    <a href={to} aria-label={title}>
      <title>{title}</title>
      {shape}
    </a>
  );
}

/** Where verdicts change: corrected is right of 1 and below −1, not corrected above 1. */
function Bounds({ across, up }: { readonly across: Scale; readonly up: Scale }) {
  const inside = ({ low, high }: Scale, value: number) => value > low && value < high;
  return (
    <>
      {[1, -1].filter((value) => inside(up, value)).map((value) => (
        <line
          key={value}
          class="bound"
          x1={SIZE.left}
          x2={SIZE.width - SIZE.right}
          y1={yOf(up, value)}
          y2={yOf(up, value)}
        />
      ))}
      {inside(across, 1)
        ? <line class="bound" x1={xOf(across, 1)} x2={xOf(across, 1)} y1={SIZE.top} y2={SIZE.height - SIZE.bottom} />
        : null}
    </>
  );
}

/** What the marks of the scatter mean. */
export function ScatterLegend() {
  return (
    <p class="marks small quiet" aria-hidden="true">
      <span>
        <svg width="12" height="12" class="chart">
          <circle cx={6} cy={6} r={4} class="blue" />
        </svg>{" "}
        corrected
      </span>
      <span>
        <svg width="12" height="12" class="chart">
          <rect x={2.5} y={2.5} width={7} height={7} class="red" />
        </svg>{" "}
        not corrected
      </span>
      <span>
        <svg width="12" height="12" class="chart">
          <path d="M2 6H10M6 2V10" class="neither" />
        </svg>{" "}
        undecided
      </span>
    </p>
  );
}

export function Scatter(props: { readonly points: readonly Point[]; readonly x: string; readonly y: string }) {
  const { points } = props;
  const [across, up] = [scaleOf(points.map(({ x }) => x)), scaleOf(points.map(({ y }) => y))];
  return (
    <Frame label={`Delta of ${points.length} token pairs on ${props.x} and on ${props.y}`}>
      <line class="axis" x1={SIZE.left} x2={SIZE.width - SIZE.right} y1={yOf(up, 0)} y2={yOf(up, 0)} />
      <line class="axis" x1={xOf(across, 0)} x2={xOf(across, 0)} y1={SIZE.top} y2={SIZE.height - SIZE.bottom} />
      <Bounds across={across} up={up} />
      <Ticks scale={across} axis="x" />
      <Ticks scale={up} axis="y" />
      <text x={SIZE.width / 2} y={SIZE.height - 6} text-anchor="middle">delta on {props.x}</text>
      <text transform={`translate(12 ${SIZE.height / 2}) rotate(-90)`} text-anchor="middle">delta on {props.y}</text>
      {points.map((point) => (
        <Mark key={point.tokenPairId} point={point} x={xOf(across, point.x)} y={yOf(up, point.y)} />
      ))}
    </Frame>
  );
}

export function DeltaLine({ members }: { readonly members: readonly Member[] }) {
  const known = members.flatMap((member, index) =>
    member.delta === null ? [] : [{ ...member, index, delta: member.delta }]
  );
  const up = scaleOf(known.flatMap(({ delta }) => [delta.low, delta.high]));
  const x = (index: number) =>
    SIZE.left + 30 + index / Math.max(1, members.length - 1) * (SIZE.width - SIZE.left - SIZE.right - 60);
  return (
    <Frame label="Mean delta by member, with 95 % intervals">
      <line class="axis" x1={SIZE.left} x2={SIZE.width - SIZE.right} y1={yOf(up, 0)} y2={yOf(up, 0)} />
      <Ticks scale={up} axis="y" />
      <polyline
        class="curve"
        points={known.map(({ index, delta }) => `${x(index)},${yOf(up, delta.value)}`).join(" ")}
      />
      {known.map(({ label, index, delta }) => (
        <g key={label}>
          <line class="axis" x1={x(index)} x2={x(index)} y1={yOf(up, delta.low)} y2={yOf(up, delta.high)} />
          <circle cx={x(index)} cy={yOf(up, delta.value)} r={3.5} />
          <title>{`${label}: ${delta.value.toFixed(2)}, ${delta.low.toFixed(2)} to ${delta.high.toFixed(2)}`}</title>
        </g>
      ))}
      {members.map(({ label }, index) => (
        <text
          key={label}
          transform={`translate(${x(index)} ${SIZE.height - SIZE.bottom + 14}) rotate(${members.length > 5 ? -20 : 0})`}
          text-anchor={members.length > 5 ? "end" : "middle"}
        >
          {label}
        </text>
      ))}
    </Frame>
  );
}

const SEGMENTS = [["instruction", "Instruction"], ["query", "Query"], ["answer", "Answer"]] as const;

export function SegmentBars({ members }: { readonly members: readonly Member[] }) {
  const bars = members.map(({ label, segments }) => ({ label, all: segments.find(({ verdict }) => verdict === null) }));
  const up = scaleOf(bars.flatMap(({ all }) => SEGMENTS.map(([name]) => all?.[name] ?? 0)));
  const room = (SIZE.width - SIZE.left - SIZE.right) / Math.max(1, members.length);
  const width = Math.min(26, room / 4);
  return (
    <Frame label="Mean normalised relevance by segment and member">
      <line class="axis" x1={SIZE.left} x2={SIZE.width - SIZE.right} y1={yOf(up, 0)} y2={yOf(up, 0)} />
      <Ticks scale={up} axis="y" />
      {bars.map(({ label, all }, member) => (
        <g key={label}>
          {SEGMENTS.map(([name, title], index) => {
            const value = all?.[name] ?? 0;
            const x = SIZE.left + room * member + room / 2 + (index - 1.5) * width;
            return (
              <rect
                key={name}
                class={`bar-${index}`}
                x={x}
                width={width - 2}
                y={Math.min(yOf(up, value), yOf(up, 0))}
                height={Math.abs(yOf(up, value) - yOf(up, 0))}
              >
                <title>{`${label}, ${title}: ${value.toFixed(3)}`}</title>
              </rect>
            );
          })}
          <text x={SIZE.left + room * member + room / 2} y={SIZE.height - SIZE.bottom + 16} text-anchor="middle">
            {label}
          </text>
        </g>
      ))}
      {SEGMENTS.map(([name, title], index) => (
        <g key={name} transform={`translate(${SIZE.left + index * 110} ${SIZE.height - 12})`}>
          <rect class={`bar-${index}`} width={10} height={10} y={-9} />
          <text x={14}>{title}</text>
        </g>
      ))}
    </Frame>
  );
}
