import { expect, test } from "vitest";
import { lastWords } from "./text_before.ts";

test("the words before an error are one line without control tokens and roles", () => {
  const chat =
    "<|im_start|>user\nHow many\nmarbles?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\nBen has $";
  expect(lastWords(chat)).toBe("How many marbles? Ben has $");
});

test("a role is a word of the text where no message begins", () => {
  expect(lastWords("the user\nasks <|im_end|>\nuser\nname")).toBe("the user asks user name");
});

test("of a long text the end is shown, and letters of two code units stay whole", () => {
  const shown = lastWords("😀".repeat(300));
  expect(shown).toBe(`…${"😀".repeat(120)}`);
});

test("a text that was cut within a control token keeps what is left of it", () => {
  expect(lastWords("art|>user\nHello")).toBe("art|>user Hello");
});
