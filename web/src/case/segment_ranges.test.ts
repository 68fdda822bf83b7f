import { expect, test } from "vitest";
import { rangesOf } from "./segment_ranges.ts";

test("changes that follow each other and agree become one range", () => {
  const changed = new Map([[5, true], [3, true], [4, true], [7, true], [8, false]]);
  expect(rangesOf(changed)).toEqual([
    { from: 3, count: 3, segment: "INSTRUCTION" },
    { from: 7, count: 1, segment: "INSTRUCTION" },
    { from: 8, count: 1, segment: "QUERY" },
  ]);
  expect(rangesOf(new Map())).toEqual([]);
});
