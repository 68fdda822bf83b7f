/** @jsxImportSource preact */
/** The tokens before the prediction, on the colours of their relevance: each can be masked by a click. */
import type { Pair, Token } from "../heat/documents.ts";
import { cssPaint } from "../../../figures/colour.ts";
import { colourValue, type View } from "../heat/heat_value.ts";
import type { Heat } from "../heat/read_case.ts";
import { signed } from "../heat/relevance.ts";
import { TokenGlyphs } from "../heat/token_glyphs.tsx";
import { Fork } from "../heat/verdict.tsx";

/** More tokens than this are shown in part: those nearest to the prediction. */
export const SHOWN = 1500;
const VIEW: View = { values: "raw", special: false };

export function MaskedTokens(props: {
  readonly pair: Pair;
  readonly tokens: readonly Token[];
  /** Relevance that colours them; undefined where there is none. */
  readonly heat: Heat | undefined;
  readonly chosen: readonly number[];
  readonly onToggle: (position: number) => void;
}) {
  const { pair, tokens, heat, chosen } = props;
  const last = tokens.at(-1);
  const style = (token: Token) => {
    const value = heat === undefined ? null : colourValue(token, heat, VIEW);
    if (value === null) return {};
    const { background, ink } = cssPaint(value);
    return { background, color: ink };
  };
  const title = (token: Token) =>
    `Token ${token.position}${heat === undefined ? "" : `, ${signed(heat.relevance[token.position] ?? 0)}`}`;
  return (
    <div class="completion-tokens" role="group" aria-label="Tokens before the prediction">
      {tokens.slice(0, -1).slice(-SHOWN).map((token) => (
        <button
          key={token.position}
          type="button"
          class={`completion-token${chosen.includes(token.position) ? " masked" : ""}`}
          style={chosen.includes(token.position) ? {} : style(token)}
          aria-pressed={chosen.includes(token.position)}
          title={title(token)}
          data-position={token.position}
          onClick={() => props.onToggle(token.position)}
        >
          <TokenGlyphs text={token.text} running={false} />
        </button>
      ))}
      {last === undefined ? null : (
        <span
          class="completion-token last"
          style={style(last)}
          title={`${title(last)}, the last: the prediction is made here, so it stays`}
        >
          <TokenGlyphs text={last.text} running={false} />
        </span>
      )}
      <Fork pair={pair} />
    </div>
  );
}
