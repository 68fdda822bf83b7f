import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { containerOf, cutOf, readPieces, textBytes } from "./container.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "culprit-container-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function fileOf(content: string | Uint8Array): Promise<string> {
  const path = join(folder, "file");
  await writeFile(path, content);
  return path;
}

async function textOf(content: string | Uint8Array) {
  const path = await fileOf(content);
  const container = await containerOf(path, "file");
  if (container.kind !== "text") return container;
  const pieces: Uint8Array[] = [];
  for await (const piece of readPieces(path, "file", container)) pieces.push(piece.slice());
  const text = new TextDecoder().decode(Buffer.concat(pieces));
  expect(await textBytes(path, "file", container, 1e9)).toBe(pieces.reduce((sum, { length }) => sum + length, 0));
  return { ...container, text };
}

const utf16 = (text: string, mark: boolean, big: boolean) => {
  const bytes = Buffer.from(`${mark ? "\uFEFF" : ""}${text}`, "utf16le");
  return big ? bytes.swap16() : bytes;
};

test("gzip and UTF-16 are told by the first bytes, alone and together", async () => {
  const text = `{"a": "naïve 🦁"}\n${"x".repeat(300_000)}`;
  expect(await textOf(text)).toEqual({ kind: "text", gzip: false, encoding: "utf-8", text });
  expect(await textOf(gzipSync(text))).toEqual({ kind: "text", gzip: true, encoding: "utf-8", text });
  for (const mark of [true, false]) {
    expect(await textOf(utf16(text, mark, false))).toEqual({ kind: "text", gzip: false, encoding: "utf-16le", text });
    expect(await textOf(utf16(text, mark, true))).toEqual({ kind: "text", gzip: false, encoding: "utf-16be", text });
  }
  expect(await textOf(gzipSync(utf16(text, true, false)))).toMatchObject({ gzip: true, encoding: "utf-16le", text });
  expect(await textOf("")).toMatchObject({ gzip: false, encoding: "utf-8", text: "" });
});

test("what is no text is named, a broken gzip file is an error", async () => {
  expect(await textOf(Buffer.from("PK\x03\x04rest"))).toEqual({ kind: "zip" });
  expect(await textOf(Buffer.from("PAR1rest"))).toEqual({ kind: "parquet" });
  await expect(textOf(gzipSync("x".repeat(1000)).subarray(0, 20))).rejects.toThrow(/^file: it is no whole gzip file; /);
});

const object = { text: 'a "quoted" { [ \\', list: [1, { b: 2 }] };

test.each([
  ["JSON lines", `${JSON.stringify(object)}\n${JSON.stringify(object)}\n`, "lines"],
  ["one line", JSON.stringify(object), "lines"],
  ["lines after blank ones", `\n \n${JSON.stringify(object)}\n{}\n`, "lines"],
  ["a broken first line", `{"a": [1, 2\n${JSON.stringify(object)}\n`, "lines"],
  ["text", "Here are the lines:\n{}\n", "lines"],
  ["nothing", "", "lines"],
  ["a list", ` \uFEFF[${JSON.stringify(object)}, {}]`, "elements"],
  ["a list over lines", JSON.stringify([object, object], null, 2), "elements"],
  ["lists, one a line", '["a", "b"]\n["c"]\n', "lines"],
  ["one value over lines", JSON.stringify(object, null, 1), "whole"],
  ["one value as Python writes it", '{"a": NaN,\n "b": [-Infinity]}', "whole"],
])("%s", async (_name, text, cut) => {
  const path = await fileOf(text);
  expect(await cutOf(readPieces(path, "file", { kind: "text", gzip: false, encoding: "utf-8" }))).toBe(cut);
});
