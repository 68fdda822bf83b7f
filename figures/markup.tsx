/** @jsxImportSource preact */
/** Figures as text, where there is no document to draw in: for files that the server writes. */
import { renderToStaticMarkup } from "preact-render-to-string";
import type { Theme } from "./colour.ts";
import { type Drawing, PictureFile, validXml } from "./picture.tsx";

/** A drawing as an SVG file. */
export function svgFile(drawing: Drawing, theme: Theme = "light"): string {
  return `${validXml(renderToStaticMarkup(<PictureFile drawing={drawing} setting={theme} />))}\n`;
}
