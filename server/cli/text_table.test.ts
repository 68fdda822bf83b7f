import { expect, test } from "vitest";
import { hang, textTable, usageParts, wrap } from "./text_table.ts";

test("lines are broken between words, and longer words are cut", () => {
  expect(wrap("one two three", 7)).toEqual(["one two", "three"]);
  expect(wrap("abcdefgh ij", 3)).toEqual(["abc", "def", "gh", "ij"]);
  expect(wrap("", 3)).toEqual([""]);
  expect(hang("word ".repeat(30).trim(), 4).split("\n").map((line) => line.length)).toEqual([74, 78]);
});

test("a usage keeps what stands in brackets together, and an option with its value", () => {
  expect(usageParts("ask --model MODEL (--prompt TEXT | --chat TEXT) [--at N [--rule R]] [--json]")).toEqual(
    ["ask", "--model MODEL", "(--prompt TEXT | --chat TEXT)", "[--at N [--rule R]]", "[--json]"],
  );
  const long = `(--model MODEL --text ${"TEXT|".repeat(9)}FILE | --case KEY [--model NAME])`;
  expect(usageParts(`ask ${long} [--json]`)).toEqual(
    ["ask", "(--model MODEL", `--text ${"TEXT|".repeat(9)}FILE`, "|", "--case KEY", "[--model NAME])", "[--json]"],
  );
  expect(usageParts(`ask --chat "Is (it) so?" --json`)).toEqual(["ask", `--chat "Is (it) so?"`, "--json"]);
});

test("a table that fits is as its cells; numbers stand at the right", () => {
  expect(textTable([["name", "count"], ["a", "12"]])).toBe("name  count\na        12\n");
  expect(textTable([["a", "b"]], { right: () => false, indent: 2 })).toBe("  a  b\n");
});

test("a table that does not fit is wrapped in its widest column, words whole where they can be", () => {
  const long = "word ".repeat(40).trim();
  const lines = textTable([["head", "what it says"], ["one", long]], { right: () => false }).trimEnd().split("\n");
  expect(lines.every((line) => line.length <= 80)).toBe(true);
  expect(lines.join(" ").match(/word/g)).toHaveLength(40);
  const cut = textTable([["x".repeat(100), "y".repeat(100)]]).trimEnd().split("\n");
  expect(cut.every((line) => line.length <= 80)).toBe(true);
  expect(cut.join("").match(/x/g)).toHaveLength(100);
});
