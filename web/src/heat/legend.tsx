/** @jsxImportSource preact */
/** The colour scale with its numbers. */
import { cssPaint } from "../../../figures/colour.ts";
import { colourRange, shownNumber, type View } from "./heat_value.ts";
import type { Heat } from "./read_case.ts";
import { TokenBox } from "./token_glyphs.tsx";

const STOPS = Array.from({ length: 17 }, (_, index) => index / 8 - 1);
const TICKS = [-1, -0.5, 0, 0.5, 1];

export function Legend(props: {
  readonly heat: Heat;
  readonly view: View;
  readonly target: string;
  readonly contrast: string;
}) {
  const { heat, view } = props;
  const range = colourRange(heat, view);
  const stops = STOPS.map((value) => `${cssPaint(value).background} ${(value + 1) * 50}%`);
  return (
    <div
      class="legend"
      role="img"
      aria-label={`Colours: blue ${shownNumber(-range, heat, view)}, white 0, red ${shownNumber(range, heat, view)}`}
    >
      <div class="ramp" style={{ background: `linear-gradient(to right, ${stops.join(", ")})` }} />
      <div class="ticks">{TICKS.map((tick) => <span key={tick}>{shownNumber(tick * range, heat, view)}</span>)}</div>
      <div class="ends">
        <span>
          supports the right token <TokenBox text={props.contrast} side="blue" />
        </span>
        <span>
          supports the wrong token <TokenBox text={props.target} side="red" />
        </span>
      </div>
    </div>
  );
}
