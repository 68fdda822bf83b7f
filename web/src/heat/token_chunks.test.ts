import { expect, test } from "vitest";
import type { Token } from "./documents.ts";
import { chunkAt, chunkTokens } from "./token_chunks.ts";

const tokens = (count: number, text: (position: number) => string): readonly Token[] =>
  Array.from({ length: count }, (_, position) => ({
    position,
    id: position,
    text: text(position),
    special: false,
    segment: "QUERY" as const,
  }));

test.each([0, 1, 127, 128, 500, 12374])(
  "chunks cover %i tokens once, in order, bounded, and each is found",
  (count) => {
    const all = tokens(count, (position) => position % 17 === 0 ? ".\n" : " word");
    const chunks = chunkTokens(all, 0, count, 128);
    expect(chunks.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, at) => from + at)))
      .toEqual(all.map(({ position }) => position));
    for (const { from, to } of chunks) expect(to - from).toBeLessThanOrEqual(192);
    for (let position = 0; position < count; position++) {
      const { from, to } = chunks[chunkAt(chunks, position)] ?? { from: 0, to: 0 };
      expect(from <= position && position < to).toBe(true);
    }
    expect(chunkAt(chunks, count)).toBe(-1);
  },
);

test("a chunk ends with a line where there is one near, else before a word, else where it is full", () => {
  const lined = tokens(400, (position) => position === 150 ? "\n" : " x");
  expect(chunkTokens(lined, 0, 400, 128)[0]).toEqual({ from: 0, to: 151 });
  const worded = tokens(400, (position) => position === 100 ? " x" : "x");
  expect(chunkTokens(worded, 0, 400, 128)[0]).toEqual({ from: 0, to: 100 });
  const bare = tokens(400, () => "x");
  expect(chunkTokens(bare, 0, 400, 128)[0]).toEqual({ from: 0, to: 128 });
});
