import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Encoding, type EncodingName, encodingOf, ENCODINGS, expand, openBlock } from "./encodings.ts";

interface Golden {
  readonly elements: number;
  readonly bytes: number;
  readonly blocks: string;
  readonly values: string;
}
// Written by test/reference/gguf_blocks.py with the gguf package.
const golden = JSON.parse(
  readFileSync(new URL("../../test/data/gguf/blocks.json", import.meta.url), "utf8"),
) as Readonly<Record<EncodingName, Golden>>;

const bytesOf = (text: string) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

test("every encoding has its golden blocks", () => {
  expect(Object.keys(golden).sort()).toEqual(Object.keys(ENCODINGS).sort());
});

describe.each(Object.keys(ENCODINGS) as EncodingName[])("%s", (name) => {
  const encoding: Encoding = encodingOf(name);
  const blocks = bytesOf(golden[name].blocks);
  const values = new Float32Array(bytesOf(golden[name].values).buffer);

  test("blocks are of the size that the gguf package gives them", () => {
    expect([encoding.elements, encoding.bytes]).toEqual([golden[name].elements, golden[name].bytes]);
  });

  test("random bytes expand to the gguf package's float32, to the last bit", () => {
    const expanded = new Float32Array(values.length);
    expand(name, blocks, expanded);
    // Object.is: zeros of both signs differ; any NaN is a NaN.
    const differing = [...expanded].findIndex((value, i) => !Object.is(value, values[i]));
    expect(differing).toBe(-1);
  });

  test("codes fit their planes of bits", () => {
    if (encoding.kind === "plain") return;
    const bits = encoding.planes.reduce<number>((sum, plane) => sum + plane, 0);
    const parts = openBlock(encoding);
    for (let at = 0; at < blocks.length; at += encoding.bytes) {
      encoding.read(blocks, at, parts);
      expect(Math.max(...parts.codes)).toBeLessThan(2 ** bits);
    }
  });
});
