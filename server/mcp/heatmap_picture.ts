/** A heatmap as a PNG file, since most clients show no SVG: drawn as SVG, turned into pixels by resvg. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { initWasm, Resvg } from "@resvg/resvg-wasm";
import { escape } from "../report/html.ts";
import { paint } from "../report/case_figures.ts";

export interface PictureToken {
  readonly text: string;
  /** Part of the instruction: underlined. */
  readonly instruction: boolean;
  /** Relevance over the largest one, -1 to 1; null for special tokens, which have no colour. */
  readonly value: number | null;
}

export interface HeatmapRequest {
  readonly title: string;
  readonly tokens: readonly PictureToken[];
  readonly target: string;
  readonly contrast: string;
  /** Positions that are struck through. */
  readonly marked: readonly number[];
}

/** Pixels of a letter, a line and the edge, and letters of a line. The font's letters are 0.6 of its size wide. */
const [LETTER, LINE, EDGE, COLUMNS] = [7.8, 20, 10, 96];
/** Lines drawn at most: those before are counted, since the prediction is made at the end. */
const MOST_LINES = 120;
/** Pixels of the picture to one of the drawing. */
const ZOOM = 2;

interface Piece {
  readonly text: string;
  readonly position: number;
  readonly column: number;
}

/** Tokens in lines that end where the text's do, and where they are full; the columns count letters. */
function linesOf(texts: readonly string[]): Piece[][] {
  const lines: Piece[][] = [[]];
  let column = 0;
  const open = () => {
    lines.push([]);
    column = 0;
  };
  for (const [position, whole] of texts.entries()) {
    for (const part of whole.split(/(?<=\n)/)) {
      const letters = [...part.replaceAll("\n", "↵").replaceAll("\t", "→")];
      while (letters.length > 0) {
        if (column > 0 && column + letters.length > COLUMNS) open();
        const text = letters.splice(0, COLUMNS).join("");
        lines.at(-1)!.push({ text, position, column });
        column += [...text].length;
      }
      if (part.endsWith("\n")) open();
    }
  }
  return lines.filter((line) => line.length > 0);
}

/** The drawing, 96 letters wide. */
export function heatmapSvg({ title, tokens, target, contrast, marked }: HeatmapRequest): string {
  const lines = linesOf(tokens.map(({ text }) => text));
  const hidden = Math.max(0, lines.length - MOST_LINES);
  const head = [title, ...(hidden > 0 ? [`${hidden} lines before these are left out`] : [])];
  const drawn = head.map((text, at) => `<text x="${EDGE}" y="${24 + at * LINE}" fill="#4a4f57">${escape(text)}</text>`);
  let y = 24 + head.length * LINE;
  const struck = new Set(marked);
  for (const line of lines.slice(hidden)) {
    for (const { text, position, column } of line) {
      const { value, instruction } = tokens[position]!;
      const [x, width] = [(EDGE + column * LETTER).toFixed(1), ([...text].length * LETTER).toFixed(1)];
      const { background, ink } = value === null ? { background: "none", ink: "#8a8f98" } : paint(value);
      const bar = (at: number, height: number) =>
        `<rect x="${x}" y="${at}" width="${width}" height="${height}" fill="${at < y ? ink : "#14171c"}"/>`;
      drawn.push(
        `<rect x="${x}" y="${y - 14}" width="${width}" height="18" fill="${background}"/>`,
        instruction ? bar(y + 3, 1.5) : "",
        `<text x="${x}" y="${y}" xml:space="preserve" fill="${ink}">${escape(text)}</text>`,
        struck.has(position) ? bar(y - 6, 2) : "",
      );
    }
    y += LINE;
  }
  let x = EDGE;
  for (const [name, text, colour] of [["wrong", target, "#b2182b"], ["right", contrast, "#2166ac"]] as const) {
    const shown = `${name}: ${text.replaceAll("\n", "↵").replaceAll(" ", "␣")}`;
    const width = ([...shown].length + 1) * LETTER;
    drawn.push(
      `<rect x="${x}" y="${y - 14}" width="${width}" height="18" fill="none" stroke="${colour}" stroke-width="2"/>`,
      `<text x="${x + LETTER / 2}" y="${y}" fill="#14171c">${escape(shown)}</text>`,
    );
    x += width + LETTER;
  }
  const [width, height] = [Math.ceil(COLUMNS * LETTER + 2 * EDGE), y + EDGE];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-size="13">` +
    `<rect width="${width}" height="${height}" fill="#fff"/>${drawn.join("")}</svg>`;
}

let font: Promise<Uint8Array> | undefined;

/** Loads resvg and the font once. */
async function loadFont(): Promise<Uint8Array> {
  const { resolve } = createRequire(import.meta.url);
  await initWasm(await readFile(resolve("@resvg/resvg-wasm/index_bg.wasm")));
  return await readFile(resolve("@expo-google-fonts/noto-sans-mono/400Regular/NotoSansMono_400Regular.ttf"));
}

/** The heatmap as a PNG file. Letters that the font lacks (it has Latin, Greek, Cyrillic, signs) are empty boxes. */
export async function heatmapPicture(request: HeatmapRequest): Promise<Uint8Array> {
  font ??= loadFont();
  const name = "Noto Sans Mono";
  const drawing = new Resvg(heatmapSvg(request), {
    font: { fontBuffers: [await font], defaultFontFamily: name, monospaceFamily: name },
    fitTo: { mode: "zoom", value: ZOOM },
  });
  const image = drawing.render();
  const png = image.asPng();
  image.free();
  drawing.free();
  return png;
}
