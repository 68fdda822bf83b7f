import { Buffer } from "node:buffer";
import { inflateSync } from "node:zlib";
import { expect, test } from "vitest";
import { type HeatData, heatPicture, type HeatToken } from "../../figures/heat_picture.tsx";
import { svgFile } from "../../figures/markup.tsx";
import { heatmapPicture } from "./heatmap_picture.ts";

const token = (text: string, value: number | null, struck = false): HeatToken => ({
  text,
  segment: value === null ? "special" : "query",
  raw: value ?? 0,
  value,
  struck,
});
const DATA: HeatData = {
  name: "heatmap",
  title: "a & b",
  note: "A note.",
  tokens: [token("<s>", null), token("red\n", 1), token("blue", -1, true), token(" nothing", 0)],
  target: " x",
  contrast: "y",
};

/** Pixels of an 8-bit RGBA file, as the PNG specification (section 9) unfilters them. */
function pixelsOf(png: Uint8Array): { width: number; height: number; at: (x: number, y: number) => number[] } {
  const file = Buffer.from(png);
  expect(file.subarray(0, 8).toString("hex")).toBe("89504e470d0a1a0a");
  const [width, height] = [file.readUInt32BE(16), file.readUInt32BE(20)];
  expect([...file.subarray(24, 29)]).toEqual([8, 6, 0, 0, 0]);
  const parts: Buffer[] = [];
  for (let at = 8; at < file.length; at += 12 + file.readUInt32BE(at)) {
    const length = file.readUInt32BE(at);
    if (file.toString("latin1", at + 4, at + 8) === "IDAT") parts.push(file.subarray(at + 8, at + 8 + length));
  }
  const raw = inflateSync(Buffer.concat(parts));
  const stride = width * 4;
  const pixels = new Uint8Array(height * stride);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)]!;
    for (let x = 0; x < stride; x++) {
      const left = x < 4 ? 0 : pixels[y * stride + x - 4]!;
      const up = y === 0 ? 0 : pixels[(y - 1) * stride + x]!;
      const corner = x < 4 || y === 0 ? 0 : pixels[(y - 1) * stride + x - 4]!;
      const guess = left + up - corner;
      const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
      const paeth = a <= b && a <= c ? left : b <= c ? up : corner;
      const before = [0, left, up, (left + up) >> 1, paeth][filter]!;
      pixels[y * stride + x] = raw[y * (stride + 1) + 1 + x]! + before;
    }
  }
  return { width, height, at: (x, y) => [...pixels.subarray(y * stride + x * 4, y * stride + x * 4 + 3)] };
}

test("the picture has the scale's colours where the tokens stand, at twice the drawing's size", async () => {
  const size = /width="([\d.]+)" height="([\d.]+)"/.exec(svgFile(heatPicture(DATA)))!;
  const { width, height, at } = pixelsOf(await heatmapPicture(DATA));
  expect(Math.abs(width - 2 * Number(size[1]))).toBeLessThan(2);
  expect(Math.abs(height - 2 * Number(size[2]))).toBeLessThan(2);
  // The corner of a token's box, above its letters: "<s>red", then "blue nothing".
  const corner = (line: number, column: number) =>
    at(Math.ceil(2 * (10 + column * 7.85)) + 2, 2 * (24 + line * 20 - 13));
  expect(corner(0, 3)).toEqual([178, 24, 43]);
  expect(corner(1, 0)).toEqual([33, 102, 172]);
  expect(corner(1, 5)).toEqual([255, 255, 255]);
  expect(corner(0, 0)).toEqual([255, 255, 255]);
  // Letters are drawn: without a font the box of "red" had one colour only.
  const colours = new Set(Array.from({ length: 40 }, (_, x) => at(70 + x, 2 * 24 - 8).join()));
  expect(colours.size).toBeGreaterThan(2);
  // The masked token is struck through, in the ink of its colour, from its left to its right end.
  const strike = (column: number) => at(Math.round(2 * (10 + column * 7.85)), 2 * 44 - 11);
  expect([strike(0.2), strike(3.9)]).toEqual([[255, 255, 255], [255, 255, 255]]);
});
