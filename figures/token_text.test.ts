import { expect, test } from "vitest";
import { quoteToken, tokenPieces } from "./token_text.ts";

const marks = (text: string) => tokenPieces(text).map((piece) => piece.mark ?? piece.text);

test.each([
  "",
  " the",
  "  two",
  "word ",
  "\n",
  "\n\n",
  "a\r\nb",
  "\t\tx",
  "\u200b",
  "é\u0301",
  "日本",
  "\ufffd",
  "<|im_end|>",
])(
  "the pieces of %j joined are the token itself",
  (text) => {
    expect(tokenPieces(text).map((piece) => piece.text).join("")).toBe(text);
  },
);

test("the space before a word is bare, every other space shows", () => {
  expect(marks(" the")).toEqual([" ", "the"]);
  expect(marks(" ")).toEqual(["·"]);
  expect(marks("  two")).toEqual(["·", "·", "two"]);
  expect(marks("word ")).toEqual(["word", "·"]);
  expect(marks(" \n")).toEqual(["·", "↵"]);
  expect(tokenPieces(" the", false).map((piece) => piece.mark ?? piece.text)).toEqual(["·", "the"]);
});

test("line ends, tabs and characters without a glyph have marks", () => {
  expect(marks("\n\n")).toEqual(["↵", "↵"]);
  expect(marks("\r\n")).toEqual(["␍↵"]);
  expect(marks("\t")).toEqual(["→"]);
  expect(marks("a\u200bb")).toEqual(["a", "U+200B", "b"]);
  expect(marks("\ufffd")).toEqual(["U+FFFD"]);
  expect(marks("\u00a0x")).toEqual(["U+00A0", "x"]);
});

test("a quoted token is one line and unambiguous", () => {
  expect(quoteToken(" the")).toBe('" the"');
  expect(quoteToken("\n")).toBe('"\\n"');
  expect(quoteToken('"')).toBe('"\\""');
  expect(quoteToken("\u200b")).toBe('"\\u200b"');
});
