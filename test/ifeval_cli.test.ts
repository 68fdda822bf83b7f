/** The verb `check --benchmark ifeval`. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { culprit, refused } from "./command_line.ts";
import { readItems, readPublished } from "./ifeval_data.ts";

const folder = mkdtempSync(join(tmpdir(), "culprit-ifeval-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function file(rows: readonly unknown[]): string {
  const path = join(folder, `${files++}.jsonl`);
  writeFileSync(path, rows.map((row) => typeof row === "string" ? row : JSON.stringify(row)).join("\n"));
  return path;
}

const NO_COMMA = { key: 7, prompt: "No commas.", instruction_id_list: ["punctuation:no_comma"], kwargs: [{}] };
const WORDS = {
  key: "b",
  prompt: "Two words.",
  instruction_id_list: ["length_constraints:number_words", "startend:quotation"],
  kwargs: [{ num_words: 2, relation: "at least" }, {}],
};
const items = file([NO_COMMA, WORDS]);
const args = (items: string, responses: string) => [
  ...["check", "--benchmark", "ifeval", "--items", items, "--responses", responses],
];

test("--json prints a line for each response, in their order", async () => {
  const responses = file([
    { prompt: WORDS.prompt, response: '*one*\n"two"' },
    "",
    { prompt: NO_COMMA.prompt, response: "a, b" },
    { prompt: NO_COMMA.prompt, response: "a b", extra: 1 },
  ]);
  const { code, out, err } = await culprit([...args(items, responses), "--json"]);
  expect([code, err]).toEqual([0, ""]);
  expect(out).toBe(
    [
      '{"key":"b","strict":{"all":false,"each":[true,false]},"loose":{"all":true,"each":[true,true]}}',
      '{"key":7,"strict":{"all":false,"each":[false]},"loose":{"all":false,"each":[false]}}',
      '{"key":7,"strict":{"all":true,"each":[true]},"loose":{"all":true,"each":[true]}}',
      "",
    ].join("\n"),
  );
});

test("without --json it prints accuracies, and on standard error how many items have no response", async () => {
  const responses = file([{ prompt: WORDS.prompt, response: "one two" }]);
  const { code, out, err } = await culprit(args(items, responses));
  expect([code, err]).toEqual([0, "1 of 2 items have no response\n"]);
  expect(out.split("\n").map((line) => line.trim().split(/\s+/))).toEqual([
    ["checked", "strict", "loose"],
    ["prompts", "1", "0.00%", "0.00%"],
    ["instructions", "2", "50.00%", "50.00%"],
    ["length_constraints:number_words", "1", "100.00%", "100.00%"],
    ["startend:quotation", "1", "0.00%", "0.00%"],
    [""],
  ]);
});

test("what cannot be decided is null, said on standard error, and left out of the accuracies", async () => {
  const rhymes = { ...NO_COMMA, prompt: "Rhyme.", instruction_id_list: ["keywords:rhymes", "punctuation:no_comma"] };
  const unknown = file([{ ...rhymes, kwargs: [{}, {}] }]);
  const responses = file([{ prompt: "Rhyme.", response: "a b" }]);
  const json = await culprit([...args(unknown, responses), "--json"]);
  expect(json).toEqual({
    code: 0,
    out: '{"key":7,"strict":{"all":null,"each":[null,true]},"loose":{"all":null,"each":[null,true]}}\n',
    err: `${unknown}:1: "keywords:rhymes" is no instruction that is known; no verdict on ${responses}:1\n`,
  });
  const { out } = await culprit(args(unknown, responses));
  expect(out).toMatch(/^prompts +0 +- +-$/m);
  expect(out).toMatch(/^instructions +1 +100\.00% +100\.00%$/m);
});

test("all published responses of a model at once", async () => {
  const all = readItems();
  const published = readPublished("gpt-4o-mini-2024-07-18");
  const responses = file(published.map(({ key, response }) => ({ prompt: all.get(key)!.prompt, response })));
  const { code, out, err } = await culprit([...args(file([...all.values()]), responses), "--json"]);
  expect(code).toBe(0);
  const lines = out.trimEnd().split("\n").map((line) => JSON.parse(line));
  expect(lines.map(({ key }) => key)).toEqual(published.map(({ key }) => key));
  expect(err).toMatch(/^1 of 541 items have no response\n/);
  // Two items ask for letters that the reference replaces by random ones.
  expect(err.match(/draws a random letter/g)).toHaveLength(2);
});

test("a line that cannot be judged is answered in its place, the others are judged, and the exit code is 1", async () => {
  const good = { prompt: NO_COMMA.prompt, response: "a" };
  const lines = [
    '{"prompt": ',
    good,
    "[1]",
    { prompt: "No commas.", response: null },
    { response: "a" },
    { prompt: "No comma.", response: "a" },
    good,
  ];
  const responses = file(lines);
  const { code, out, err } = await culprit([...args(items, responses), "--json"]);
  const following = { all: true, each: [true] };
  const judged = { key: NO_COMMA.key, strict: following, loose: following };
  const error = (text: RegExp) => ({ error: expect.stringMatching(text) });
  expect(out.trimEnd().split("\n").map((line) => JSON.parse(line))).toEqual([
    error(/\.jsonl:1: is not valid JSON/),
    judged,
    error(/\.jsonl:3: is not a JSON object; give one object a line$/),
    error(/\.jsonl:4: has no "response"; give \{"prompt"/),
    error(/\.jsonl:5: has no "prompt"; give/),
    error(/\.jsonl:6: its prompt is in no item of .*; give/),
    judged,
  ]);
  expect(err).toMatch(`${responses}: 5 of 7 lines could not be judged; the others were\n`);
  expect(code).toBe(1);
});

const item = (row: unknown) => args(file([row]), file([]));
test.each<readonly [string, readonly string[], RegExp]>([
  ["an item without prompt", item({ ...NO_COMMA, prompt: 1 }), /\.jsonl:1: has no "prompt"; give \{"key"/],
  [
    "an item without instructions",
    item({ ...NO_COMMA, instruction_id_list: [] }),
    /:1: has no "instruction_id_list" of names; give/,
  ],
  [
    "fewer kwargs than instructions",
    item({ ...WORDS, kwargs: [{}] }),
    /:1: has no "kwargs" for each of its 2 instructions; give/,
  ],
  ["no items", args(file([""]), file([])), /\.jsonl: has no items; give/],
  ["the same prompt twice", args(file([NO_COMMA, NO_COMMA]), file([])), /:2: has the prompt of .*:1; keep one item/],
  ["a missing file", args(join(folder, "none"), file([])), /none: there is no such file; check the path/],
  ["a directory", args(folder, file([])), /is a directory; give a file/],
  ["no benchmark", ["check"], /^--benchmark: is missing \(.*\); give --benchmark NAME/],
  [
    "an unknown benchmark",
    ["check", "--benchmark", "gsm"],
    /^--benchmark: "gsm" is no benchmark with a checker; give one of: ifeval, math, gsm8k, humaneval/,
  ],
  ["no responses", ["check", "--benchmark", "ifeval", "--items", items], /^--responses: is missing/],
  [
    "another benchmark's option",
    [...args(items, items), "--pairs", "x"],
    /^--pairs: is not for --benchmark ifeval; leave it out/,
  ],
  ["a file without its option", [...args(items, items), "x"], /^culprit check: "x" is not an option; give files/],
])("%s is refused with one line", async (_name, args, line) => {
  await refused(args, line);
});

test("--help has an example", async () => {
  const { code, out } = await culprit(["check", "--help"]);
  expect(code).toBe(0);
  expect(out).toContain("npx culprit check --benchmark ifeval --items");
});
