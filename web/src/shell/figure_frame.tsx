/// <reference lib="dom" />
/** @jsxImportSource preact */
/** A figure on the page: the picture, how it came about, and its files. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { type Drawing, Picture } from "../../../figures/picture.tsx";
import { figureStyle } from "../../../figures/style.ts";
import { saveCsv, savePng, saveSvg } from "./picture_files.tsx";
import { useTheme } from "./use_theme.ts";

const sheet = new CSSStyleSheet();
sheet.replaceSync(figureStyle("page"));
document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];

/** Buttons that save a figure as files. `draw` makes the drawing when it is asked for. */
export function SaveFigure({ what, draw }: { readonly what: string; readonly draw: () => Drawing }) {
  const theme = useTheme();
  const [trouble, setTrouble] = useState("");
  const kinds = {
    SVG: () => saveSvg(draw(), theme),
    PNG: () => savePng(draw(), theme),
    CSV: () => saveCsv(draw()),
  };
  return (
    <p class="exports small">
      Save {what} as {Object.entries(kinds).map(([kind, start], index) => [
        index === 0 ? null : " ",
        <button
          key={kind}
          type="button"
          class="link"
          aria-label={`Save ${what} as ${kind}`}
          onClick={() => {
            setTrouble("");
            Promise.resolve().then(start).catch((error: Error) => setTrouble(error.message));
          }}
        >
          {kind}
        </button>,
      ])} <span role="status">{trouble}</span>
    </p>
  );
}

export function FigureFrame(props: {
  readonly drawing: Drawing;
  /** What stands above the picture. */
  readonly heading?: ComponentChildren;
}) {
  const { drawing, heading } = props;
  return (
    <figure class="figure-frame">
      {heading === undefined ? null : <p class="figure-heading">{heading}</p>}
      <div class="scroll">
        <Picture drawing={drawing} />
      </div>
      <figcaption class="small quiet">{drawing.note}</figcaption>
      <SaveFigure what="this figure" draw={() => drawing} />
    </figure>
  );
}
