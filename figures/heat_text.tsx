/** @jsxImportSource preact */
/** The heatmap as running text, for pages without a script. Its style sheet is `HEAT_TEXT_STYLE`. */
import type { VNode } from "preact";
import { cssPaint } from "./colour.ts";
import type { Folded } from "./folds.ts";
import type { HeatData, HeatToken } from "./heat_picture.tsx";
import { fixed } from "./number_text.ts";
import { shownToken, tokenPieces } from "./token_text.ts";

export const HEAT_TEXT_STYLE =
  `.heat{white-space:pre-wrap;font:14px/2 ui-monospace,"DejaVu Sans Mono",monospace;margin:0;overflow-wrap:anywhere}
.t{padding:.12em 0;border-radius:2px}.i{border-bottom:2px solid}.s{opacity:.65}
.wrong,.right{padding:.1em .3em;margin-left:.4em;border-radius:3px;border:2px solid light-dark(#b2182b,#ff8d78)}
.right{border-color:light-dark(#2166ac,#7dbcff)}
.heat summary{width:max-content;max-width:100%;padding:0 .5em;border:1px dashed;border-radius:3px;cursor:pointer;opacity:.8}
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

/** Tokens that are folded away: a browser opens them, and shows them where it finds a text in them. */
function Fold({ fold: { from, to, sum }, unit, tokens }: {
  readonly fold: Folded;
  readonly unit: string;
  readonly tokens: readonly HeatToken[];
}) {
  const count = `${(to - from).toLocaleString("en")} ${unit}s`;
  return (
    <details>
      <summary>⋯ {sum === undefined ? count : `${count}, sum ${fixed(sum, 3)} logits`} ⋯</summary>
      {tokens.slice(from, to).map((token, index) => <Token key={index} token={token} />)}
    </details>
  );
}

export function HeatText({ data: { tokens, unit = "token", folds = [], target, contrast } }: {
  readonly data: HeatData;
}) {
  const parts: VNode[] = [];
  const show = (from: number, to: number) => {
    for (let at = from; at < to; at++) parts.push(<Token key={at} token={tokens[at]!} />);
  };
  let at = 0;
  for (const fold of folds) {
    show(at, fold.from);
    parts.push(<Fold key={`fold ${fold.from}`} fold={fold} unit={unit} tokens={tokens} />);
    at = fold.to;
  }
  show(at, tokens.length);
  return (
    <div class="heat">
      {parts}
      <b class="wrong">{shownToken(target)}</b>
      <b class="right">{shownToken(contrast)}</b>
    </div>
  );
}
