/** A heatmap as a PNG file, since most clients show no SVG: the figure of page and report, turned into pixels by resvg. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { initWasm, Resvg } from "@resvg/resvg-wasm";
import { type HeatData, heatPicture } from "../../figures/heat_picture.tsx";
import { svgFile } from "../../figures/markup.tsx";

/** Pixels of the picture to one of the drawing. */
const ZOOM = 2;
/** Line ends are shown by a sign that the font lacks; it has the paragraph's. */
const RETURN = /↵/g;

let font: Promise<Uint8Array> | undefined;

/** Loads resvg and the font once. */
async function loadFont(): Promise<Uint8Array> {
  const { resolve } = createRequire(import.meta.url);
  await initWasm(await readFile(resolve("@resvg/resvg-wasm/index_bg.wasm")));
  return await readFile(resolve("@expo-google-fonts/noto-sans-mono/400Regular/NotoSansMono_400Regular.ttf"));
}

/** The heatmap as a PNG file. Letters that the font lacks (it has Latin, Greek, Cyrillic, signs) are empty boxes. */
export async function heatmapPicture(data: HeatData): Promise<Uint8Array> {
  font ??= loadFont();
  const name = "Noto Sans Mono";
  const drawing = new Resvg(svgFile(heatPicture(data)).replaceAll(RETURN, "¶"), {
    font: { fontBuffers: [await font], defaultFontFamily: name, monospaceFamily: name, sansSerifFamily: name },
    fitTo: { mode: "zoom", value: ZOOM },
  });
  const image = drawing.render();
  const png = image.asPng();
  image.free();
  drawing.free();
  return png;
}
