import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MAX_LINE_BYTES, readLines } from "./text_lines.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "culprit-lines-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function linesOf(text: string, from = 0) {
  const path = join(folder, "lines.txt");
  await writeFile(path, text);
  const file = await open(path);
  const lines = [];
  for await (const line of readLines(file, from)) lines.push(line);
  await file.close();
  return lines;
}

test("lines come whole across pieces, with characters that lie across them", async () => {
  const long = "é🦁".repeat(100_000);
  const lines = await linesOf(`a\n${long}\n\nb`);
  expect(lines.map(({ text }) => text)).toEqual(["a", long, "", "b"]);
});

test("reading goes on from where a line ended", async () => {
  const text = "one\nzwölf\nthree\n";
  const ends = (await linesOf(text)).map(({ end }) => end);
  expect(ends).toEqual([4, 11, 17]);
  expect((await linesOf(text, ends[0])).map((line) => line.text)).toEqual(["zwölf", "three"]);
  expect(await linesOf(text, ends[2])).toEqual([]);
});

test("a line that is too long is skipped, not kept", async () => {
  const lines = await linesOf(`a\n${"x".repeat(MAX_LINE_BYTES + 1)}\nb\n`);
  expect(lines.map(({ text }) => text)).toEqual(["a", undefined, "b"]);
});
