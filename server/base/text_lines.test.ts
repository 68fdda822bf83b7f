import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readPieces } from "./container.ts";
import { MAX_LINE_BYTES, readLines } from "./text_lines.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "culprit-lines-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function linesOf(content: string | Uint8Array) {
  const path = join(folder, "lines.txt");
  await writeFile(path, content);
  const lines = [];
  for await (const line of readLines(readPieces(path, "lines.txt", PLAIN))) lines.push(line);
  return lines;
}
const PLAIN = { kind: "text", gzip: false, encoding: "utf-8" } as const;

test("lines come whole across pieces, with characters that lie across them", async () => {
  const long = "é🦁".repeat(100_000);
  const lines = await linesOf(`a\n${long}\n\nb`);
  expect(lines.map(({ text }) => text)).toEqual(["a", long, "", "b"]);
});

test("each line says where the next one begins", async () => {
  expect((await linesOf("one\nzwölf\nthree\n")).map(({ end }) => end)).toEqual([4, 11, 17]);
});

test("a line that is no UTF-8 is Latin-1, unless parts of it are UTF-8", async () => {
  const bytes = (...parts: (string | number)[]) =>
    Uint8Array.from(parts.flatMap((part) => typeof part === "string" ? [...new TextEncoder().encode(part)] : [part]));
  expect(await linesOf(bytes("na", 0xef, "ve\nnaïve\n", "é and ", 0xef, "ve\n"))).toEqual([
    { text: "naïve", latin1: true, end: 6 },
    { text: "naïve", end: 13 },
    { text: undefined, fault: "not_utf8", end: 24 },
  ]);
});

test("a line that is too long is skipped, not kept", async () => {
  const lines = await linesOf(`a\n${"x".repeat(MAX_LINE_BYTES + 1)}\nb\n`);
  expect(lines.map(({ text }) => text)).toEqual(["a", undefined, "b"]);
});
