/// <reference lib="dom" />
/** @jsxImportSource preact */
/** Where in a long text the reader is: a line of numbers and a strip of the whole, kept up while the text scrolls. */
import { useEffect, useState } from "preact/hooks";
import type { View } from "./heat_value.ts";
import type { Token } from "./documents.ts";
import { Overview } from "./overview.tsx";
import type { Heat } from "./read_case.ts";
import type { Span, UnitNames } from "../../../figures/units.ts";
import { chunkAt } from "./token_chunks.ts";

/** The tokens in sight, to about a line: from `from` up to, not including, `to`. */
export function tokensInSight(box: HTMLElement, chunks: readonly Span[]): Span {
  const { top, bottom } = box.getBoundingClientRect();
  let [from, to] = [0, 0];
  for (const element of box.querySelectorAll("[data-chunk]")) {
    const chunk = chunks[chunkAt(chunks, Number(element.getAttribute("data-chunk")))];
    const place = element.getBoundingClientRect();
    if (chunk === undefined || place.bottom <= top) continue;
    if (place.top >= bottom) break;
    const at = (y: number) => {
      const share = Math.min(1, Math.max(0, (y - place.top) / Math.max(1, place.height)));
      return chunk.from + Math.floor(share * (chunk.to - chunk.from));
    };
    if (to === 0) from = Math.min(chunk.to - 1, at(top));
    to = Math.max(from + 1, at(bottom));
  }
  return { from, to };
}

export function FlowPlace(props: {
  readonly box: { readonly current: HTMLElement | null };
  readonly chunks: readonly Span[];
  readonly tokens: readonly Token[];
  readonly heat: Heat | undefined;
  readonly view: View;
  readonly names: UnitNames;
  readonly onPick: (position: number) => void;
}) {
  const { box, chunks, tokens, heat, view, names } = props;
  const [place, setPlace] = useState<Span>({ from: 0, to: 0 });
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    let frame = 0;
    const read = () => {
      const next = tokensInSight(element, chunks);
      setPlace((old) => old.from === next.from && old.to === next.to ? old : next);
    };
    const later = () => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(read);
    };
    later();
    element.addEventListener("scroll", later, { passive: true });
    addEventListener("resize", later);
    return () => {
      cancelAnimationFrame(frame);
      element.removeEventListener("scroll", later);
      removeEventListener("resize", later);
    };
  }, [chunks]);
  const number = (value: number) => value.toLocaleString("en");
  return (
    <div class="pager">
      <span class="number">
        {`${names[1].replace(/^./, (first) => first.toUpperCase())} ${number(place.from)} to ${
          number(Math.max(place.from, place.to - 1))
        } of ${number(tokens.length)}`}
      </span>
      <Overview tokens={tokens} heat={heat} view={view} from={place.from} to={place.to} onPick={props.onPick} />
    </div>
  );
}
