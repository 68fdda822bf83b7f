/** The classifier and two blind labels of 72 demo cases: the agreement that docs/diagnosis.md reports. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { compareLabels, type Label, parseLabels } from "../server/diagnosis/labels.ts";
import { culprit, refused } from "./command_line.ts";

const ROOT = join(import.meta.dirname as string, "..");
const DEMO = join(ROOT, "models", "demo-1m");
const LABELS = ["reader-a", "reader-b"].map((name) => join(ROOT, "test", "data", "labels", `${name}.jsonl`));
const CASES = ["failure-cases", "failure-cases-divergence"].flatMap((name) => ["--cases", join(DEMO, `${name}.jsonl`)]);
const ITEMS = ["--items", join(ROOT, "models", "benchmarks", "demo-ifeval.jsonl")];

const readers = LABELS.map((path) =>
  new Map(parseLabels(readFileSync(path, "utf8"), path).map((one) => [one.key, one]))
);
const keys = [...readers[0]!.keys()];
/** Thresholds were chosen on one half. Both cases of one prompt are in one half. */
const isTuned = (key: string) => createHash("sha256").update(key.split("@")[0]!).digest()[0]! % 2 === 0;

const OUTCOMES = { "M-IA": "m_ia", "NC-IA+M-AG": "nc_ia_m_ag", "NC-IA+AG": "nc_ia_ag" } as const;
const PATTERNS = { "URT": "urt", "OIT": "oit", "URT+OIT": "urt_oit", "none": null } as const;

test("both readers label the same 72 cases, and agree as far as is documented", () => {
  expect(new Set(readers[1]!.keys())).toEqual(new Set(keys));
  const { outcome, pattern } = compareLabels(
    keys.map((key): [Label, Label] => [readers[0]!.get(key)!, readers[1]!.get(key)!]),
  );
  expect([outcome.count, keys.filter(isTuned).length]).toEqual([72, 35]);
  expect(outcome.kappa).toBeCloseTo(0.756, 3);
  expect(pattern.kappa).toBeCloseTo(0.644, 3);
});

describe("culprit diagnose", () => {
  test("agrees with the readers on cases that no threshold was chosen on, and says why", async () => {
    const args = [
      "diagnose",
      "--model",
      DEMO,
      ...CASES,
      ...ITEMS,
      ...LABELS.flatMap((path) => ["--labels", path]),
      "--json",
    ];
    const { code, out, err } = await culprit(args);
    expect([code, err]).toEqual([0, ""]);
    const lines = out.trim().split("\n").map((line) => JSON.parse(line));
    const summary = lines.pop();
    expect(lines).toHaveLength(72);
    const found = new Map<string, Label>(lines.map(({ key, outcome, pattern }) => [key, {
      outcome: OUTCOMES[outcome as keyof typeof OUTCOMES],
      pattern: PATTERNS[pattern as keyof typeof PATTERNS],
    }]));
    const held = keys.filter((key) => !isTuned(key));
    const agree = (reader: number, among: readonly string[]) =>
      compareLabels(among.map((key): [Label, Label] => [found.get(key)!, readers[reader]!.get(key)!]));
    // Documented: 0.86 and 0.61 for the pattern, 0.71 and 0.59 for the outcome, on lavapipe and on SwiftShader.
    expect(agree(1, held).pattern.kappa).toBeGreaterThan(0.86);
    expect(agree(0, held).pattern.kappa).toBeGreaterThan(0.61);
    expect(agree(1, held).outcome.kappa).toBeGreaterThan(0.71);
    expect(agree(0, held).outcome.kappa).toBeGreaterThan(0.58);
    // The command's own comparison is this one, over all cases.
    const { readers: names, pattern } = summary.agreement[1];
    expect([names, pattern.kappa]).toEqual([["classifier", "reader-b"], agree(1, keys).pattern.kappa]);
    expect(summary.agreement.map(({ readers }: { readers: string[] }) => readers.join())).toEqual([
      "classifier,reader-a",
      "classifier,reader-b",
      "reader-a,reader-b",
    ]);
    for (const { confidence, pattern, evidence } of lines) {
      expect(confidence).toBeGreaterThan(0);
      expect(confidence).toBeLessThanOrEqual(1);
      expect(evidence.probes.length).toBeGreaterThanOrEqual(pattern === "none" ? 0 : 1);
      expect(evidence.summary).toMatch(/\.$/);
    }
  });

  test("prints sentences for people", async () => {
    const { code, out } = await culprit(["diagnose", "--model", DEMO, ...CASES.slice(2), ...ITEMS, "--limit", "2"]);
    expect(code).toBe(0);
    expect(out).toMatch(/^demo-\S+ {2}(M-IA|NC-IA\+M?-?AG) {2}\S+ {2}[01]\.\d\d\n(?: {2}.+\n)* {2}.+\.\n/);
    expect(out).toMatch(/\n2 cases: .*; .*\n$/);
  });

  test.each<[string, string[], RegExp]>([
    ["no cases", [], /^--cases: is missing; give/],
    ["a rule that is none", [...CASES, "--rule", "lime"], /^--rule: lime is not known; give of: attnlrp/],
    [
      "labels that are not there",
      [...CASES, "--labels", "/nowhere.jsonl"],
      /^\/nowhere\.jsonl: cannot be read \(ENOENT\)/,
    ],
    ["a limit that is none", [...CASES, "--limit", "0"], /^--limit: "0" is no count/],
  ])("refuses %s with one line", async (_, args, message) => {
    await refused(["diagnose", "--model", DEMO, ...args], message);
  });
});
