/// <reference lib="dom" />
/** @jsxImportSource preact */
/** Arcs beside the lines of a trace: from each row up to what it rests on, as the figure has them. */
import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { TraceArc } from "../../../figures/trace_arc.tsx";
import { asPercent } from "./percent.ts";
import type { Flow, Part } from "./trace_flow.ts";

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
  const margin = useRef<SVGSVGElement>(null);
  const [{ width, height }, setSize] = useState({ width: 0, height: 0 });
  const look = () => {
    if (list.current === null) return;
    setPlaces(measure(list.current));
    // The margin is as wide as the style sheet says: less on a phone.
    setSize({ width: margin.current?.clientWidth ?? 0, height: list.current.offsetHeight });
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
    <svg ref={margin} class="drawing trace-arcs" style={{ height: `${height}px` }} aria-hidden="true">
      {drawn.toReversed().map(({ from, to, share, signed: sign, y }) => (
        <TraceArc
          key={`${from} ${to}`}
          x={width}
          y={y}
          share={share}
          largest={largest}
          signed={signed ? sign : null}
          said={`${parts[from]?.label} rests on ${parts[to]?.label}: ${asPercent(share)}${
            signed ? `, signed ${asPercent(sign)}` : ""
          }`}
          between={[from, to]}
        />
      ))}
    </svg>
  );
}
