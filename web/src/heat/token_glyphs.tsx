/** @jsxImportSource preact */
/** A token's text with its marks. What is selected and copied is the token itself: marks are not text. */
import { tokenPieces } from "../../../figures/token_text.ts";

/** A token in running text. */
export function TokenGlyphs({ text, running = true }: { readonly text: string; readonly running?: boolean }) {
  return (
    <>
      {tokenPieces(text, running).map(({ text, mark, kind }, index) =>
        mark === undefined ? text : <span key={index} class={`mark ${kind}`} data-mark={mark}>{text}</span>
      )}
    </>
  );
}

/** A token by itself, in one line, in a box that shows where it begins and ends. */
export function TokenBox({ text, side }: { readonly text: string; readonly side?: "red" | "blue" | undefined }) {
  return (
    <span class={`token-box ${side ?? ""}`}>
      <span>
        <TokenGlyphs text={text} running={false} />
      </span>
    </span>
  );
}
