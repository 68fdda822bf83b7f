/// <reference lib="dom" />
/** @jsxImportSource preact */
/** Arcs beside the lines of a trace: from each row up to what it rests on, as wide as what flows. */
import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { asPercent } from "./percent.ts";
import type { Flow, Part } from "./trace_flow.ts";

/** Pixels of the margin that they stand in, and of the widest. */
const WIDTH = 132;
const WIDEST = 14;
/** Arcs at most, the widest: more are a blot. */
const MOST = 240;

/** The middle of each line by the parts that it stands for, in pixels from the list's top. */
function measure(list: HTMLElement): ReadonlyMap<number, number> {
  const places = new Map<number, number>();
  for (const line of list.querySelectorAll<HTMLElement>("[data-parts]")) {
    // The first line of its text: lines grow downward when they are unfolded.
    const middle = line.offsetTop + Math.min(line.offsetHeight, 44) / 2;
    const [first = 0, last = 0] = (line.dataset["parts"] ?? "").split("-").map(Number);
    for (let part = first; part <= last; part++) places.set(part, middle);
  }
  return places;
}

export function TraceArcs(props: {
  readonly list: RefObject<HTMLElement | null>;
  readonly parts: readonly Part[];
  /** Largest first. */
  readonly flows: readonly Flow[];
  /** Changes whenever lines may have moved. */
  readonly layout: unknown;
  /** Whether colours tell signs: red speaks for the error. */
  readonly signed: boolean;
}) {
  const { list, parts, flows, layout, signed } = props;
  const [places, setPlaces] = useState<ReadonlyMap<number, number>>(new Map());
  const [height, setHeight] = useState(0);
  const look = () => {
    if (list.current === null) return;
    setPlaces(measure(list.current));
    setHeight(list.current.offsetHeight);
  };
  useLayoutEffect(look, [layout, parts]);
  useEffect(() => {
    if (list.current === null) return;
    const observer = new ResizeObserver(look);
    observer.observe(list.current);
    return () => observer.disconnect();
  }, []);
  const largest = flows[0]?.share ?? 1;
  const drawn = flows.slice(0, MOST).flatMap((flow) => {
    const [from, to] = [places.get(flow.from), places.get(flow.to)];
    // Parts of one folded run have no arc between them.
    return from === undefined || to === undefined || from === to ? [] : [{ ...flow, y: [from, to] as const }];
  });
  return (
    <svg class="trace-arcs" width={WIDTH} height={height} aria-hidden="true">
      {drawn.toReversed().map(({ from, to, share, signed: sign, y: [low, high] }) => {
        const reach = Math.min(WIDTH - 8, 14 + 0.35 * Math.abs(low - high));
        const side = !signed ? "" : sign < 0 ? "blue" : "red";
        return (
          <path
            key={`${from} ${to}`}
            class={`trace-arc ${side}`}
            data-from={from}
            data-to={to}
            stroke-width={Math.max(0.75, WIDEST * Math.sqrt(share / Math.max(largest, 0.1)) * Math.sqrt(0.5))}
            d={`M ${WIDTH} ${low} C ${WIDTH - reach} ${low}, ${WIDTH - reach} ${high}, ${WIDTH} ${high}`}
          >
            <title>
              {`${parts[from]?.label} rests on ${parts[to]?.label}: ${asPercent(share)}${
                signed ? `, signed ${asPercent(sign)}` : ""
              }`}
            </title>
          </path>
        );
      })}
    </svg>
  );
}
