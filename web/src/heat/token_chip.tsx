/** @jsxImportSource preact */
/** One token of the heatmap: its text, exactly, on the colour of its relevance. */
import { cssPaint } from "../../../figures/colour.ts";
import { colourValue, shownNumber, type View } from "./heat_value.ts";
import { SEGMENT_NAMES } from "../shell/names.ts";
import type { Token } from "./documents.ts";
import type { Heat } from "./read_case.ts";
import { normalise } from "./relevance.ts";
import { TokenGlyphs } from "./token_glyphs.tsx";
import { quoteToken } from "../../../figures/token_text.ts";

/** Characters from which on a token may break inside. */
const LONG = 24;

/** Id of a token's element; `prefix` tells the texts of a page apart. */
export function chipId(prefix: string, position: number): string {
  return `${prefix}-${position}`;
}

export function TokenChip(props: {
  readonly prefix: string;
  readonly token: Token;
  /** Tokens of the whole text, where not all of them are elements. */
  readonly total: number | undefined;
  readonly heat: Heat | undefined;
  readonly view: View;
  readonly active: boolean;
}) {
  const { prefix, token, total, heat, view, active } = props;
  const raw = heat?.relevance[token.position];
  const value = heat === undefined ? null : colourValue(token, heat, view);
  const colours = value === null ? undefined : cssPaint(value);
  const number = heat === undefined || raw === undefined ? "" : `, ${shownNumber(raw, heat, view)}`;
  const whole = token.text.length < LONG;
  const classes = ["token", SEGMENT_NAMES[token.segment]];
  if (token.special) classes.push("special");
  if (value !== null) classes.push("heated");
  if (!whole) classes.push("long");
  if (active) classes.push("active");
  return (
    <>
      {/* A line breaks before the space of a word, so that no token is torn. */}
      {whole && token.text.startsWith(" ") ? <wbr /> : null}
      <span
        id={chipId(prefix, token.position)}
        role="option"
        aria-selected={active}
        aria-setsize={total}
        aria-posinset={total === undefined ? undefined : token.position + 1}
        aria-label={`${quoteToken(token.text)}, ${SEGMENT_NAMES[token.segment]}${number}`}
        class={classes.join(" ")}
        data-position={token.position}
        data-id={token.id}
        data-raw={raw}
        data-normalised={heat === undefined || raw === undefined ? undefined : normalise(raw, heat.scale)}
        style={colours === undefined ? {} : { background: colours.background, color: colours.ink }}
      >
        <TokenGlyphs text={token.text} />
      </span>
    </>
  );
}
