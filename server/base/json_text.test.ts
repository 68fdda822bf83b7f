import { describe, expect, test } from "vitest";
import { parseJsonText, replaceOutsideStrings } from "./json_text.ts";

describe("JSON as Python writes it", () => {
  test.each<[string, unknown]>([
    ['{"a": NaN, "b": [Infinity, -Infinity], "c": "NaN"}', { a: null, b: [null, null], c: "NaN" }],
    ['{"say \\"NaN\\" to": NaN}', { 'say "NaN" to': null }],
    ['\uFEFF{"a": 1}', { a: 1 }],
    ['"\\\\"', "\\"],
    ['{"a": xNaN}', undefined],
    ["{'a': 1}", undefined],
    ["", undefined],
  ])("%s", (text, value) => expect(parseJsonText(text)).toEqual(value));

  // Patterns for whole strings would take hours over the first, and run out of stack over the others.
  test("a string without an end, of a million escaped quotes", () => {
    expect(parseJsonText(`NaN "${'\\"'.repeat(1e6)}`)).toBe(undefined);
  });

  test("a string of 15 MB", () => {
    const long = "a\\n".repeat(5e6);
    expect((parseJsonText(`{"a": "${long}", "b": NaN}`) as { readonly a: string }).a.length).toBe(1e7);
  });

  test("what stands in strings stays", () => {
    expect(replaceOutsideStrings('1 "1 \\"1" 1', /1/g, () => "2")).toBe('2 "1 \\"1" 2');
    expect(replaceOutsideStrings('1 "1', /1/g, () => "2")).toBe(undefined);
  });
});
