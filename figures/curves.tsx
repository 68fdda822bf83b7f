/** @jsxImportSource preact */
/** Curves over whole numbers (tokens masked, layers), named at their ends. */
import { line } from "d3-shape";
import { type Drawing, px } from "./picture.tsx";
import { ends, type NumberAxis, plane, Zero } from "./plane.tsx";
import { seriesClass } from "./style.ts";
import { cut, textWidth } from "./text_width.ts";

export interface Curve {
  readonly label: string;
  /** Which of the colours and dashes it has. */
  readonly series: number;
  readonly points: readonly (readonly [across: number, up: number])[];
  /** A point that stands out, with what it means. */
  readonly mark?: { readonly across: number; readonly text: string };
}

const FONT = 12;
/** Between the names of two curves. */
const LINE = 15;
const LONGEST = 170;

/** Places of labels, apart by a line at least and inside the frame, as near to where they want to be as that allows. */
export function spread(wanted: readonly number[], top: number, bottom: number): readonly number[] {
  const order = wanted.map((_, index) => index).sort((a, b) => wanted[a]! - wanted[b]!);
  const places = [...wanted];
  let free = top;
  for (const index of order) {
    places[index] = Math.max(places[index]!, free);
    free = places[index]! + LINE;
  }
  free = bottom;
  for (const index of order.toReversed()) {
    places[index] = Math.min(places[index]!, free);
    free = places[index]! - LINE;
  }
  return places;
}

export function curves(props: {
  readonly name: string;
  readonly title: string;
  readonly note: string;
  readonly across: string;
  readonly up: Pick<NumberAxis, "label"> & Partial<NumberAxis>;
  readonly curves: readonly Curve[];
  readonly height?: number;
}): Drawing {
  const all = props.curves.flatMap(({ points }) => points);
  const labels = props.curves.map(({ label }) => cut(label, FONT, LONGEST));
  const area = plane(
    { label: props.across, ...ends(all.map(([across]) => across)), nice: false, whole: true },
    { ...ends(all.map(([, up]) => up), 0), ...props.up },
    { height: props.height ?? 300, right: 18 + Math.max(0, ...labels.map((label) => textWidth(label, FONT))) },
  );
  const { x, y, up } = area;
  const path = line<readonly [number, number]>().x(([across]) => px(x(across))).y(([, up]) => px(y(up)));
  const places = spread(props.curves.map(({ points }) => y(points.at(-1)?.[1] ?? 0)), y(up[1]) + 4, y(up[0]) - 2);
  return {
    name: props.name,
    title: props.title,
    note: props.note,
    width: area.width,
    height: area.height,
    content: (
      <>
        {area.axes}
        <Zero plane={area} />
        {props.curves.toReversed().map(({ label, series, points }) => (
          <path key={label} class={`line ${seriesClass(series)}`} d={path(points) ?? ""}>
            <title>{label}</title>
          </path>
        ))}
        {props.curves.flatMap(({ label, points, mark }) => {
          const at = mark === undefined ? undefined : points.find(([across]) => across === mark.across);
          return at === undefined ? [] : [
            <circle key={label} class="flip" cx={px(x(at[0]))} cy={px(y(at[1]))} r={4}>
              <title>{`${label}: ${mark!.text}`}</title>
            </circle>,
          ];
        })}
        {props.curves.map(({ series, points }, index) => {
          const end = x(area.across[1]);
          return (
            <g key={index}>
              <path
                class={`line ${seriesClass(series)}`}
                stroke-width={1}
                d={`M${px(x(points.at(-1)?.[0] ?? 0))} ${px(y(points.at(-1)?.[1] ?? 0))}L${px(end + 7)} ${
                  px(places[index]!)
                }`}
                stroke-opacity={0.5}
              />
              <text x={px(end + 10)} y={px(places[index]! + 4)}>{labels[index]}</text>
            </g>
          );
        })}
      </>
    ),
    table: {
      columns: ["curve", props.across, props.up.label],
      rows: props.curves.flatMap(({ label, points }) => points.map(([across, up]) => [label, across, up])),
    },
  };
}
