/** What docs/diagnosis.md says of the classifier on a real model, worked out again from the stored labels and results. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT } from "../server/base/settings.ts";
import { compareLabels, type Label, parseLabels } from "../server/diagnosis/labels.ts";
import { readStoredRun } from "../server/wild/check.ts";
import type { StoredResult } from "../server/wild/results.ts";

const { results } = await readStoredRun(join(ROOT, "docs", "in-the-wild"));
/** What a reader says, by the cases' keys. */
function labelsOf(reader: string): ReadonlyMap<string, Label> {
  const name = `smollm2.reader-${reader}.jsonl`;
  const text = readFileSync(join(import.meta.dirname!, "data", "labels", name), "utf8");
  return new Map(parseLabels(text, name).map((label) => [label.key, label]));
}
const [a, b] = [labelsOf("a"), labelsOf("b")];

/** A case that both readers labelled, with what the classifier says. */
interface Read {
  readonly result: StoredResult;
  readonly classifier: Label;
  readonly readers: readonly [Label, Label];
}

const read = [...a.keys()].map((key): Read => {
  const result = results.find((one) => one.key === key && one.outcome !== null)!;
  const classifier = { outcome: result.outcome!, pattern: result.pattern };
  return { result, classifier, readers: [a.get(key)!, b.get(key)!] };
});
const both = (of: (label: Label) => boolean) => ({ readers }: Read) => readers.every(of);
const rounded = (value: number | null) => Number(value!.toFixed(2));

test("39 failures of two benchmarks are read by both", () => {
  expect([...b.keys()]).toEqual([...a.keys()]);
  const counts = Map.groupBy(read, ({ result }) => result.benchmark);
  expect([...counts].map(([name, own]) => [name, own.length]).sort()).toEqual([
    ["gsm8k-reference", 20],
    ["humanevalplus-reference", 19],
  ]);
});

test("kappas of readers and classifier", () => {
  const kappas = (one: (of: Read) => Label, other: (of: Read) => Label) => {
    const { outcome, pattern } = compareLabels(read.map((each) => [one(each), other(each)]));
    return [rounded(outcome.kappa), rounded(pattern.kappa)];
  };
  expect(kappas(({ readers }) => readers[0], ({ readers }) => readers[1])).toEqual([0.92, 0.85]);
  expect(kappas(({ classifier }) => classifier, ({ readers }) => readers[0])).toEqual([0.48, 0.11]);
  expect(kappas(({ classifier }) => classifier, ({ readers }) => readers[1])).toEqual([0.48, 0.11]);
});

test("where it goes wrong", () => {
  const of = (keep: (label: Label) => boolean) => read.filter(({ classifier }) => keep(classifier));
  const oit = of(({ pattern }) => pattern === "oit");
  expect([oit.length, oit.filter(both(({ pattern }) => pattern?.includes("urt") === true)).length]).toEqual([15, 12]);
  const unmarked = of(({ outcome, pattern }) => outcome !== "nc_ia_ag" && pattern === null);
  expect([unmarked.length, unmarked.filter(both(({ pattern }) => pattern !== null)).length]).toEqual([9, 5]);
  const graph = of(({ outcome }) => outcome === "nc_ia_m_ag");
  expect([graph.length, graph.filter(both(({ outcome }) => outcome === "nc_ia_ag")).length]).toEqual([14, 7]);
});

describe("a higher bound of what nameable tokens hand on", () => {
  const outcomeWith = ({ result: { measures } }: Read, bound: number): Label["outcome"] => {
    const of = (name: string) => measures![name]!;
    if (of("namedShare") >= 0.5 && of("centreTokens") <= 8) return "m_ia";
    return of("transferMass") >= 0.2 && of("transferNamed") >= bound ? "nc_ia_m_ag" : "nc_ia_ag";
  };
  const isEven = ({ result }: Read) => createHash("sha256").update(result.key).digest()[0]! % 2 === 0;
  const kappaWith = (own: readonly Read[], bound: number, reader: 0 | 1) =>
    rounded(
      compareLabels(own.map((each) => [{ outcome: outcomeWith(each, bound), pattern: null }, each.readers[reader]]))
        .outcome.kappa,
    );

  test("is what the classifier does at a third", () => {
    for (const each of read) expect(outcomeWith(each, 1 / 3), each.result.key).toBe(each.classifier.outcome);
  });

  test("helps on the half that it is chosen on, and changes nothing on the other", () => {
    const [even, odd] = [read.filter(isEven), read.filter((each) => !isEven(each))];
    expect([even.length, odd.length]).toEqual([24, 15]);
    expect(([0, 1] as const).map((reader) => kappaWith(even, 1 / 3, reader))).toEqual([0.46, 0.45]);
    expect(([0, 1] as const).map((reader) => kappaWith(even, 1 / 2, reader))).toEqual([0.73, 0.73]);
    for (const bound of [1 / 3, 1 / 2]) {
      expect(([0, 1] as const).map((reader) => kappaWith(odd, bound, reader))).toEqual([0.52, 0.52]);
    }
  });
});
