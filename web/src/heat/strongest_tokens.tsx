/** @jsxImportSource preact */
/** The tokens that pull hardest each way, with their numbers. */
import { colourRange, shownNumber, type View } from "./heat_value.ts";
import type { Token } from "./documents.ts";
import type { Heat } from "./read_case.ts";
import type { Span } from "../../../figures/units.ts";
import { type RankedToken, strongest } from "../../../figures/strongest.ts";
import { quoteToken } from "../../../figures/token_text.ts";

const LISTED = 8;

function Ranked(props: {
  readonly title: string;
  readonly side: "red" | "blue";
  readonly ranked: readonly RankedToken[];
  readonly tokens: readonly Token[];
  readonly spans: readonly Span[];
  readonly heat: Heat;
  readonly view: View;
  readonly onPick: (position: number) => void;
}) {
  const { ranked, tokens, heat, view } = props;
  return (
    <section>
      <h2>{props.title}</h2>
      {ranked.length === 0 ? <p class="quiet small">None.</p> : null}
      <ol class="ranked">
        {ranked.map(({ position, raw }) => (
          <li key={position}>
            <button type="button" title="Show it in the text" onClick={() => props.onPick(position)}>
              <span class="token-text">{quoteToken(tokens[position]?.text ?? "")}</span>
              <span class="number quiet">{props.spans[position]?.from ?? position}</span>
              <span class={`share ${props.side}`} aria-hidden="true">
                <span style={{ width: `${Math.min(100, 100 * Math.abs(raw) / colourRange(heat, view))}%` }} />
              </span>
              <span class="number" data-raw={raw}>{shownNumber(raw, heat, view)}</span>
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}

export function StrongestTokens(props: {
  readonly tokens: readonly Token[];
  /** Tokens of each, where they are words or sentences. */
  readonly spans: readonly Span[];
  readonly heat: Heat;
  readonly view: View;
  readonly onPick: (position: number) => void;
}) {
  const { tokens, heat, view } = props;
  const counts = (position: number) => view.special || tokens[position]?.special === false;
  const { positive, negative } = strongest(heat.relevance, LISTED, counts);
  return (
    <div class="sides">
      <Ranked {...props} title="Strongest for the wrong token" side="red" ranked={positive} />
      <Ranked {...props} title="Strongest for the right token" side="blue" ranked={negative} />
    </div>
  );
}
