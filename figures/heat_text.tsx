/** @jsxImportSource preact */
/** The heatmap as running text, for pages without a script. Its style sheet is `HEAT_TEXT_STYLE`. */
import { cssPaint } from "./colour.ts";
import type { HeatData, HeatToken } from "./heat_picture.tsx";
import { fixed } from "./number_text.ts";
import { shownToken, tokenPieces } from "./token_text.ts";

export const HEAT_TEXT_STYLE =
  `.heat{white-space:pre-wrap;font:14px/2 ui-monospace,"DejaVu Sans Mono",monospace;margin:0;overflow-wrap:anywhere}
.t{padding:.12em 0;border-radius:2px}.i{border-bottom:2px solid}.s{opacity:.65}
.wrong,.right{padding:.1em .3em;margin-left:.4em;border-radius:3px;border:2px solid light-dark(#b2182b,#ff8d78)}
.right{border-color:light-dark(#2166ac,#7dbcff)}
.heat,.heat span{print-color-adjust:exact;-webkit-print-color-adjust:exact}`;

function Token({ token: { text, segment, value } }: { readonly token: HeatToken }) {
  const colours = value === null ? null : cssPaint(value);
  return (
    <span
      class={`t${segment === "instruction" ? " i" : ""}${colours === null ? " s" : ""}`}
      {...colours === null ? {} : { style: `background:${colours.background};color:${colours.ink}` }}
      title={`${shownToken(text)} · ${value === null ? "–" : fixed(value, 3)} · ${segment}`}
    >
      {tokenPieces(text).map(({ text, mark, kind }) => kind === "newline" ? `${mark}\n` : mark ?? text).join("")}
    </span>
  );
}

export function HeatText({ data: { tokens, target, contrast } }: { readonly data: HeatData }) {
  return (
    <p class="heat">
      {tokens.map((token, position) => <Token key={position} token={token} />)}
      <b class="wrong">{shownToken(target)}</b>
      <b class="right">{shownToken(contrast)}</b>
    </p>
  );
}
