/** @jsxImportSource preact */
/** A long case at a glance: the strongest relevance of each stretch, in one strip; a click goes there. */
import { useMemo } from "preact/hooks";
import { cssPaint } from "../../../figures/colour.ts";
import type { View } from "./heat_value.ts";
import type { Token } from "./documents.ts";
import type { Heat } from "./read_case.ts";
import { strongestOfStretches } from "./stretches.ts";

const STRETCHES = 240;

export function Overview(props: {
  readonly tokens: readonly Token[];
  readonly heat: Heat | undefined;
  readonly view: View;
  /** The part that is shown below: from `from` up to, not including, `to`. */
  readonly from: number;
  readonly to: number;
  readonly onPick: (position: number) => void;
}) {
  const { tokens, heat, view } = props;
  const strip = useMemo(
    () => heat === undefined ? [] : strongestOfStretches(tokens, heat, view, STRETCHES),
    [tokens, heat, view.special],
  );
  // Made once for a heatmap, since the place below moves with every frame of a scroll.
  const style = useMemo(() => {
    const stops = strip.map(({ value }, index) =>
      `${cssPaint(value).background} ${100 * index / STRETCHES}% ${100 * (index + 1) / STRETCHES}%`
    );
    return stops.length === 0 ? {} : { backgroundImage: `linear-gradient(to right, ${stops.join(", ")})` };
  }, [strip]);
  const share = (position: number) => `${100 * position / tokens.length}%`;
  return (
    <div
      class="overview"
      aria-hidden="true"
      style={style}
      onClick={(event) => {
        const box = event.currentTarget.getBoundingClientRect();
        const at = Math.floor(STRETCHES * (event.clientX - box.left) / box.width);
        props.onPick(strip[Math.max(0, Math.min(STRETCHES - 1, at))]?.position ?? 0);
      }}
    >
      <span class="here" style={{ left: share(props.from), width: share(props.to - props.from) }} />
    </div>
  );
}
