/** What somebody else's file decides ends in time: patterns of benchmarks and tokenizers, chat templates. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { limited, loadTokenizer, TimeLimitError } from "../gpu/mod.ts";
import { openCheckers } from "../server/checkers/check.ts";
import { TINY_TOKENIZER, writeTinyTokenizer } from "./model_folder.ts";

let folder: string;
beforeAll(() => folder = mkdtempSync(join(tmpdir(), "culprit-limits-")));
afterAll(() => rmSync(folder, { recursive: true }));

/** As an attacker writes them: exponential on thirty letters. */
const LETTERS = `${"a".repeat(40)}b`;

test("synchronous work ends at its limit, wherever it is, and the process goes on", () => {
  const endless = [
    () => {
      while (true);
    },
    () => {
      try {
        while (true);
      } finally {
        while (true);
      }
    },
    () => /^(a+)+$/.test(LETTERS),
    () => limited(60_000, () => /^(a+)+$/.test(LETTERS)),
  ];
  for (const work of endless) {
    const began = performance.now();
    expect(() => limited(100, work)).toThrow(TimeLimitError);
    expect(performance.now() - began).toBeGreaterThanOrEqual(99);
    expect(performance.now() - began).toBeLessThan(10_000);
  }
  expect(limited(1000, () => limited(1000, () => 5))).toBe(5);
  expect(() => limited(1000, () => JSON.parse("{"))).toThrow(SyntaxError);
});

async function tokenizer(name: string, change: Readonly<Record<string, unknown>>, template?: string) {
  const directory = join(folder, name);
  mkdirSync(directory);
  writeTinyTokenizer(directory, template);
  writeFileSync(join(directory, "tokenizer.json"), JSON.stringify({ ...TINY_TOKENIZER, ...change }));
  return await loadTokenizer(directory);
}

test.each([
  ["split", {
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: "(a+)+$" }, behavior: "Isolated", invert: false },
        TINY_TOKENIZER.pre_tokenizer,
      ],
    },
  }],
  ["replace", { normalizer: { type: "Replace", pattern: { Regex: "(a|aa)+$" }, content: "" } }],
])("a tokenizer's pattern that does not end is a line: %s", async (name, change) => {
  const own = await tokenizer(name, change);
  expect(own.encode("b")).toEqual([1]);
  expect(() => own.encode(LETTERS.repeat(2))).toThrow(
    /tokenizer\.json: a text of 82 characters cannot be tokenised: it took longer than 2\.\d+ s; correct the patterns/,
  );
});

test.each([
  [
    "loops",
    "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    /does not end: it took/,
  ],
  [
    "doubles",
    "{% set n = namespace(x='aaaaaaaa') %}{% for i in range(24) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
    /writes 134217728 characters, more than 67108864/,
  ],
])("a chat template that does not end is a line: %s", async (name, template, line) => {
  const own = await tokenizer(name, {}, template);
  expect(() => own.chat([{ role: "user", content: "a" }])).toThrow(line);
});

test("a keyword that does not end leaves its instruction undecided, the others are checked", async () => {
  const checkers = openCheckers();
  const item = (keyword: string, second = "punctuation:no_comma") => ({
    kind: "ifeval" as const,
    prompt: "Say hi",
    instruction_id_list: ["keywords:existence", second],
    kwargs: [{ keywords: [keyword] }, {}],
  });
  expect(await checkers.check(item("(a+)+$"), LETTERS)).toEqual({
    passed: null,
    reason: "keywords:existence: its pattern takes longer than 2 s on this response",
    detail: { strict: { all: null, each: [null, true] }, loose: { all: null, each: [null, true] } },
  });
  // One instruction that fails fails them all.
  expect(await checkers.check(item("(a+)+$"), `${LETTERS},`)).toMatchObject({
    passed: false,
    reason: expect.stringContaining("punctuation:no_comma"),
  });
  expect((await checkers.check(item("a+b"), LETTERS)).passed).toBe(true);
  await checkers.close();
});
