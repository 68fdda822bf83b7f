/** The locator against independent readings of 120 constraints, drawn by seed over IFEval's 25 types (docs/marks.md). */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { locateInstructions } from "../server/marks/locate.ts";
import { agreementOf, type Marking, sentenceAgreement, type SentenceMarks } from "./marks_agreement.ts";
import { readItems } from "./ifeval_data.ts";

const FOLDER = join(import.meta.dirname as string, "data", "marks");

interface Line {
  readonly key: number;
  readonly index: number;
  readonly id: string;
  readonly prompt: string;
  readonly phrases: readonly string[];
}

const linesOf = (name: string): readonly Line[] =>
  readFileSync(join(FOLDER, name), "utf8").trim().split("\n").map((line) => JSON.parse(line) as Line);

const sample = linesOf("ifeval-120.sample.jsonl");
const readers = readdirSync(FOLDER).filter((name) => /^ifeval-120\.[a-z]\.jsonl$/.test(name)).sort();
const readings = new Map(readers.map((name) => [name.at(-7)!, linesOf(name)]));

const markings = (lines: readonly Line[]): readonly Marking[] =>
  lines.map(({ phrases }, at) => ({ text: sample[at]!.prompt, phrases }));
const pairs = (one: readonly Marking[], other: readonly Marking[]) =>
  one.map((marking, at): [Marking, Marking] => [marking, other[at]!]);

test("readings are of the sample, 120 constraints over all 25 types, and their phrases stand in the prompts", () => {
  expect(sample).toHaveLength(120);
  expect(new Set(sample.map(({ id }) => id)).size).toBe(25);
  expect([...readings.keys()]).toEqual(["a", "b"]);
  for (const lines of readings.values()) {
    expect(lines.map(({ key, index, id }) => [key, index, id])).toEqual(
      sample.map(({ key, index, id }) => [key, index, id]),
    );
    lines.forEach(({ phrases }, at) => phrases.forEach((phrase) => expect(sample[at]!.prompt).toContain(phrase)));
  }
});

test("with each reader the locator agrees as docs/marks.md says, and the readers with each other", () => {
  const items = readItems();
  const located = sample.map((one): Line => {
    const { phrases } = locateInstructions(items.get(one.key)!)[one.index]!;
    return { ...one, phrases };
  });
  const report: Record<string, { readonly f1: number; readonly overlap: number }> = {};
  for (const [reader, lines] of readings) {
    report[`locator and ${reader}`] = agreementOf(pairs(markings(located), markings(lines)));
  }
  const [one, other] = [...readings.values()];
  report["reader a and b"] = agreementOf(pairs(markings(one!), markings(other!)));
  const documented = { "locator and a": 0.916, "locator and b": 0.925, "reader a and b": 0.966 };
  expect(Object.keys(report)).toEqual(Object.keys(documented));
  for (const [pair, f1] of Object.entries(documented)) {
    expect(report[pair]!.f1, pair).toBeCloseTo(f1, 3);
    expect(report[pair]!.overlap, pair).toBe(1);
  }
});

/**
 * Failures on GSM8K's and HumanEval+'s own solutions: which sentences of the prompt the right token needs. What readers,
 * causal marks (made by test/bench/marks.ts with SmolLM2-135M-Instruct.Q4_1), as many sentences drawn at random and the
 * first sentence agree with reader a and b.
 */
const SENTENCE_READINGS = {
  "gsm8k-40": { readers: 0.941, causal: [0.394, 0.383], random: [0.216, 0.219], first: [0.3, 0.298] },
  "humanevalplus-20": { readers: 0.984, causal: [0.094, 0.098], random: [0.092, 0.097], first: [0, 0] },
};

describe.each(Object.entries(SENTENCE_READINGS))("%s", (name, documented) => {
  const read = <Row>(part: string): readonly Row[] =>
    readFileSync(join(FOLDER, `${name}.${part}.jsonl`), "utf8").trim().split("\n").map((line) =>
      JSON.parse(line) as Row
    );
  const cases = read<Omit<SentenceMarks, "marked">>("sample");
  const readings = ["a", "b"].map((reader) =>
    read<{ readonly key: string; readonly phrases: readonly string[] }>(reader)
  );

  test("readings are of the sample's cases, their phrases sentences of the prompts", () => {
    expect(cases).toHaveLength(Number(name.split("-")[1]));
    for (const lines of readings) {
      expect(lines.map(({ key }) => key)).toEqual(cases.map(({ key }) => key));
      lines.forEach(({ phrases }, at) =>
        phrases.forEach((phrase) => expect(cases[at]!.sentences, cases[at]!.key).toContain(phrase))
      );
    }
  });

  test("the readers agree with each other as docs/marks.md says", () => {
    const [one, other] = readings.map((lines) =>
      lines.map(({ phrases }, at) => ({ text: cases[at]!.prompt, phrases }))
    );
    expect(agreementOf(pairs(one!, other!)).f1).toBeCloseTo(documented.readers, 2);
  });

  test("causal marks agree with each reader as docs/marks.md says", () => {
    const marks = new Map(
      read<Pick<SentenceMarks, "key" | "marked">>("causal").map(({ key, marked }) => [key, marked]),
    );
    const marked = cases.map((one): SentenceMarks => ({ ...one, marked: marks.get(one.key)! }));
    readings.forEach((lines, reader) => {
      const found = sentenceAgreement(marked, new Map(lines.map(({ key, phrases }) => [key, phrases])));
      expect(found.cases).toBe(cases.length);
      for (const way of ["causal", "random", "first"] as const) {
        expect(found[way], `${way}, reader ${reader}`).toBeCloseTo(documented[way][reader]!, 3);
      }
    });
  });
});
