/// <reference lib="dom" />
/** @jsxImportSource preact */
/** Files of a figure: its picture as SVG or PNG, its numbers as CSV. */
import { render } from "preact";
import type { Theme } from "../../../figures/colour.ts";
import { type Drawing, PictureFile, validXml } from "../../../figures/picture.tsx";
import { csv } from "../../../figures/table.ts";
import { save } from "./save.ts";

/** Pixels of a PNG to one of the drawing; fewer where the picture would be larger than canvases may be. */
const SCALE = 2;
const LARGEST = 16_000;

/** A name that every system takes. */
export const fileName = (name: string): string => name.replaceAll(/[^\p{L}\p{N}.]+/gu, "-").slice(0, 120);

function svgText(drawing: Drawing, theme: Theme): string {
  const host = document.createElement("div");
  render(<PictureFile drawing={drawing} setting={theme} />, host);
  return validXml(new XMLSerializer().serializeToString(host.firstElementChild!));
}

export function saveSvg(drawing: Drawing, theme: Theme): void {
  save(`${fileName(drawing.name)}.svg`, new Blob([svgText(drawing, theme)], { type: "image/svg+xml" }));
}

/** Throws Error where the browser cannot draw a picture of its size. */
export async function savePng(drawing: Drawing, theme: Theme): Promise<void> {
  const image = new Image();
  // Addresses of blobs are no images to the page's content security policy, data are.
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgText(drawing, theme))}`;
  await image.decode();
  const scale = Math.min(SCALE, LARGEST / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.ceil(image.width * scale), Math.ceil(image.height * scale)];
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/png"));
  if (blob === null) throw new Error("The picture is too large for this browser.");
  save(`${fileName(drawing.name)}.png`, blob);
}

export function saveCsv(drawing: Drawing): void {
  save(`${fileName(drawing.name)}.csv`, new Blob([csv(drawing.table)], { type: "text/csv" }));
}
