/** @jsxImportSource preact */
/** A token's text with its marks. What is selected and copied is the token itself: marks are not text. */
import { tokenPieces } from "./token_text.ts";

export function TokenGlyphs({ text }: { readonly text: string }) {
  return (
    <>
      {tokenPieces(text).map(({ text, mark, kind }, index) =>
        mark === undefined ? text : <span key={index} class={`mark ${kind}`} data-mark={mark}>{text}</span>
      )}
    </>
  );
}
