/** @jsxImportSource preact */
/** Means with their intervals along a series of models, or along layers. */
import { line } from "d3-shape";
import { type Interval, interval } from "./number_text.ts";
import { type Drawing, px } from "./picture.tsx";
import { ends, type NameAxis, type NumberAxis, plane, withAxes, Zero } from "./plane.tsx";
import { seriesClass } from "./style.ts";

export interface IntervalLine {
  readonly label: string;
  /** One for each place of the axis; null where nothing is known. */
  readonly values: readonly (Interval | null)[];
}

export function intervalLines(props: {
  readonly name: string;
  readonly title: string;
  readonly note: string;
  /** Names of the places, or the label of an axis of whole numbers from 0. */
  readonly across: NameAxis | { readonly label: string };
  readonly up: Pick<NumberAxis, "label"> & Partial<NumberAxis>;
  readonly lines: readonly IntervalLine[];
  readonly height?: number;
}): Drawing {
  const { across, lines } = props;
  const places = Math.max(1, ...lines.map(({ values }) => values.length));
  const named = "names" in across;
  const all = lines.flatMap(({ values }) =>
    values.flatMap((one) => one === null ? [] : [one.low, one.high, one.value])
  );
  const area = plane(
    named ? across : { label: across.label, low: 0, high: Math.max(1, places - 1), nice: false, whole: true },
    { ...ends(all, 0), ...props.up },
    { height: props.height ?? 320 },
  );
  const x = (place: number) => area.x(named ? place + 0.5 : place);
  const inside = (value: number) => area.y(Math.max(area.up[0], Math.min(area.up[1], value)));
  const path = line<readonly [number, Interval]>().x(([place]) => px(x(place))).y(([, { value }]) => px(area.y(value)));
  const entries = lines.length < 2 ? [] : lines.map(({ label }, index) => ({
    mark: <line class={`line ${seriesClass(index)}`} x1={0} x2={18} y1={6} y2={6} />,
    text: label,
  }));
  return {
    name: props.name,
    title: props.title,
    note: props.note,
    ...withAxes(
      area,
      entries,
      <>
        <Zero plane={area} />
        {lines.map(({ label, values }, index) => {
          const known = values.flatMap((one, place) => one === null ? [] : [[place, one] as const]);
          return (
            <g key={index}>
              <path class={`line ${seriesClass(index)}`} d={path(known) ?? ""} />
              {known.map(([place, one]) => (
                <g key={place}>
                  <title>
                    {`${label === "" ? "" : `${label}, `}${named ? across.names[place] : place}: ${interval(one)}`}
                  </title>
                  <line
                    class="whisker"
                    x1={px(x(place))}
                    x2={px(x(place))}
                    y1={px(inside(one.low))}
                    y2={px(inside(one.high))}
                  />
                  <circle class={`dot ${seriesClass(index)}`} cx={px(x(place))} cy={px(area.y(one.value))} r={3.5} />
                </g>
              ))}
            </g>
          );
        })}
      </>,
    ),
    table: {
      columns: [...(lines.length < 2 ? [] : ["line"]), across.label, props.up.label, "low", "high"],
      rows: lines.flatMap(({ label, values }) =>
        values.map((one, place) => [
          ...(lines.length < 2 ? [] : [label]),
          named ? across.names[place]! : place,
          one?.value ?? null,
          one?.low ?? null,
          one?.high ?? null,
        ])
      ),
    },
  };
}
