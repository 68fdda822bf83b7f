import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { loadTokenizer, type Tokenizer } from "../../gpu/mod.ts";
import { segmentsOf } from "./segments.ts";
import { ROOT } from "../base/settings.ts";

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await loadTokenizer(join(ROOT, "models", "demo-1m"));
});

/** The text of the tokens that are in a segment. */
function spelled(prompt: string, prefix: string, phrases: readonly string[], segment: string): string {
  const promptIds = tokenizer.encode(prompt);
  const ids = [...promptIds, ...tokenizer.encode(prefix)];
  const segments = segmentsOf(tokenizer, ids, promptIds.length, phrases);
  expect(segments).toHaveLength(ids.length);
  return tokenizer.decode(ids.filter((_, position) => segments[position] === segment));
}

const PROMPT = "<|im_start|>user\nUse the word lion. Yes, use the word lion, and 🦁 é🎈.<|im_end|>\n";

test("every occurrence of a phrase counts, whole tokens at a time", () => {
  expect(spelled(PROMPT, "", ["the word lion"], "I").trim().split(/\s+/).join(" ")).toBe("the word lion the word lion");
});

test("characters that several tokens share belong to their phrase whole", () => {
  expect(tokenizer.encode("🦁").length).toBeGreaterThan(1);
  expect(spelled(PROMPT, "", ["🦁 é🎈"], "I").trim()).toBe("🦁 é🎈");
});

test("phrases are looked for in the prompt only, and what follows it is the answer", () => {
  expect(spelled(PROMPT, "the word lion", ["the word lion"], "A")).toBe("the word lion");
});

test("the first position and chat control tokens are special, whatever else they are", () => {
  expect(spelled(PROMPT, "<think>\n</think>", [PROMPT], "S")).toBe("<|im_start|><|im_end|><think></think>");
  expect(spelled("no control tokens", "", [], "S")).toBe(
    tokenizer.decode(tokenizer.encode("no control tokens").slice(0, 1)),
  );
});

test("a phrase that the tokens do not spell is named", () => {
  expect(() => spelled(PROMPT, "", ["tiger"], "I")).toThrow(new RangeError("tiger"));
});
