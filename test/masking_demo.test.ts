/** Masking the demo model: curves against transformers (test/reference/masking.py), the verb, reproducibility. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Engine, LoadedModel } from "../gpu/engine.ts";
import { sharedEngine } from "./shared_device.ts";
import { loadTokenizer } from "../gpu/model/tokenizer.ts";
import { type FileCase, readCases } from "../server/masking/case_file.ts";
import { MASKING_DEFAULTS, runMasking } from "../server/masking/experiment.ts";
import { probe } from "../server/masking/probe.ts";
import { SCOPES } from "../server/masking/ranking.ts";
import type { Replacement } from "../server/masking/replacement.ts";
import { culprit, refused } from "./command_line.ts";
import { relativeError } from "./compare.ts";

const ROOT = join(import.meta.dirname as string, "..");
const FOLDER = join(ROOT, "models", "demo-1m");
const CASES = join(FOLDER, "failure-cases-divergence.jsonl");
const ITEMS = ["demo-ifeval", "demo-math"].flatMap((name) => [
  "--items",
  join(ROOT, "models", "benchmarks", `${name}.jsonl`),
]);

interface Golden {
  readonly neutral: number;
  readonly budget: number;
  readonly curves: readonly {
    readonly key: string;
    readonly scope: typeof SCOPES[number];
    readonly replacement: Replacement;
    readonly maskable: number;
    readonly order: readonly number[];
    readonly steps: readonly { readonly delta: number; readonly probability: number; readonly argmax: number }[];
    readonly comprehensiveness: { readonly probability: number; readonly delta: number };
    readonly sufficiency: { readonly probability: number; readonly delta: number };
  }[];
}
const golden = JSON.parse(readFileSync(join(ROOT, "test", "data", "masking.json"), "utf8")) as Golden;

let engine: Engine;
let model: LoadedModel;
let cases: readonly FileCase[];
const folder = mkdtempSync(join(tmpdir(), "culprit-mask-"));
beforeAll(async () => {
  engine = await sharedEngine();
  model = await engine.loadModel(FOLDER);
  cases = await readCases(CASES, model.config, await loadTokenizer(FOLDER), undefined);
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

test.each(SCOPES)("AttnLRP's curves of six real failures equal transformers', %s", async (scope) => {
  const own = golden.curves.filter((curve) => curve.scope === scope);
  const keys = new Set(own.map(({ key }) => key));
  expect(keys.size).toBe(6);
  const { curves, skipped } = await runMasking(model, cases.filter(({ key }) => keys.has(key)), {
    ...MASKING_DEFAULTS,
    rankings: ["attnlrp"],
    scope,
    budget: golden.budget,
    neutral: golden.neutral,
  });
  expect(skipped).toEqual([]);
  for (const expected of own) {
    const found = curves.find(({ key, replacement }) => key === expected.key && replacement === expected.replacement)!;
    const place = `${expected.key} ${expected.replacement}`;
    expect(found.maskable, place).toBe(expected.maskable);
    expect(found.ranking.order.slice(0, golden.budget), place).toEqual(expected.order);
    expect(found.steps.map(({ argmax }) => argmax), place).toEqual(expected.steps.map(({ argmax }) => argmax));
    for (const field of ["delta", "probability"] as const) {
      const values = (steps: readonly Golden["curves"][number]["steps"][number][]) => steps.map((step) => step[field]);
      expect(relativeError(values(found.steps), values(expected.steps)), `${place} ${field}`).toBeLessThan(1e-4);
      for (const measure of ["comprehensiveness", "sufficiency"] as const) {
        // Relative to the largest term of the mean.
        const scale = Math.max(...values(expected.steps).map(Math.abs));
        expect(Math.abs(found[measure][field] - expected[measure][field]) / scale, `${place} ${measure}`)
          .toBeLessThan(1e-4);
      }
    }
  }
});

test("a probe of the top tokens moves delta, and numbers are those of score", async () => {
  const { inputIds, target, contrast } = cases[0]!;
  const request = { inputIds, target, contrast };
  const [attribution] = await model.attributeMany([{ ...request, rule: "attnlrp" }]);
  const relevance = attribution!.nodeRelevance.subarray(0, inputIds.length);
  const top = relevance.indexOf(Math.max(...relevance.subarray(1)));
  const [result] = await probe(model, [{ ...request, positions: [top], claim: "overweighted" }]);
  const [direct] = await model.score([{ ...request, attentionBias: [{ position: top, bias: -Math.log(10) }] }]);
  expect(result!.weakened.delta).toBe(direct!.logitDifference);
  expect(result!.change).toBe(result!.weakened.delta - result!.before.delta);
  expect(result!.movesAsClaimed).toBe(true);
});

describe("culprit mask", () => {
  const base = ["mask", "--model", FOLDER, "--cases", CASES, "--limit", "3", "--budget", "4", "--max-tokens", "24"];

  test("prints a line for each curve and one of totals, the same again from the same seed", async () => {
    const args = [...base, ...ITEMS, "--replacements", "remove,attention", "--rankings", "attnlrp,random", "--json"];
    const { code, out, err } = await culprit(args);
    expect([code, err]).toEqual([0, ""]);
    const lines = out.trim().split("\n").map((line) => JSON.parse(line));
    const curves = lines.slice(0, -1);
    const total = lines.at(-1);
    expect(curves).toHaveLength(3 * 2 * (1 + 3));
    expect(total).toMatchObject({ kind: "summary", cases: 3, skipped: [], settings: { budget: 4, seeds: [1, 2, 3] } });
    expect(total.summaries).toHaveLength(4);
    expect(total.comparisons).toHaveLength(2);
    for (const curve of curves) {
      expect(curve.delta).toHaveLength(5);
      expect(curve.argmax).toHaveLength(5);
      expect(curve.masked).toHaveLength(4);
      expect(curve.rollouts).toHaveLength(new Set([curve.away, curve.contrast].filter((at) => at !== null)).size);
      for (const { tokens, ids, passed } of curve.rollouts) {
        expect(typeof passed).toBe("boolean");
        // The engine ends a completion before its end token, which may be what the prediction flipped to.
        expect([curve.argmax[tokens], undefined]).toContain(ids[0]);
      }
    }
    const short = [
      ...base,
      "--replacements",
      "remove",
      "--rankings",
      "random",
      "--seeds",
      "1",
      "--limit",
      "1",
      "--json",
    ];
    const [once, again, other] = [await culprit(short), await culprit(short), await culprit([...short, "--seed", "2"])];
    expect(again.out).toBe(once.out);
    expect(other.out).not.toBe(once.out);
  });

  test("prints tables for people", async () => {
    const { code, out } = await culprit([...base, "--replacements", "mean", "--rankings", "attnlrp,lowest"]);
    expect(code).toBe(0);
    expect(out).toMatch(
      /^3 cases, at most 4 tokens of the prompt masked\n\nmean\n {2}ranking +area under +flipped by .*\n +flip rate /,
    );
    expect(out).toMatch(
      /\n {2}attnlrp - lowest: -?\d\.\d{3} \[-?\d\.\d{3}, -?\d\.\d{3}\], (above zero|zero is inside)\n$/,
    );
  });

  test("heads and neurons: a line for each curve, the most relevant ones lose more than controls", async () => {
    const args = [
      ...["mask", "--model", FOLDER, "--cases", CASES, "--limit", "2", "--heads", "--neurons", "--counts", "1,4"],
      ...["--rankings", "attnlrp,random", "--seeds", "2"],
    ];
    const { code, out, err } = await culprit([...args, "--json"]);
    expect([code, err]).toEqual([0, ""]);
    const lines = out.trim().split("\n").map((text) => JSON.parse(text));
    const curves = lines.slice(0, -1);
    expect(curves).toHaveLength(2 * 2 * 3);
    for (const curve of curves) {
      expect(curve.counts).toEqual([0, 1, 4]);
      expect([curve.delta, curve.probability, curve.argmax].map(({ length }) => length)).toEqual([3, 3, 3]);
      expect(curve.ablated).toHaveLength(4);
      expect(curve.components).toBe(curve.unit === "heads" ? 16 : 1536);
    }
    const { summaries, comparisons, settings } = lines.at(-1);
    expect(settings).toMatchObject({ units: ["heads", "neurons"], seeds: [1, 2] });
    expect(summaries).toHaveLength(4);
    for (const { lost } of comparisons) expect(lost.value).toBeGreaterThan(0);
    const text = await culprit([...args, "--limit", "1"]);
    expect(text.out).toMatch(/^1 cases, heads or neurons set to zero at every token\n\nheads\n {2}ranking +area/);
    expect(text.out).toContain("\nneurons\n");
  });

  const line = readFileSync(CASES, "utf8").split("\n")[0]!;
  const broken = (name: string, change: object) => {
    const path = join(folder, name);
    writeFileSync(path, JSON.stringify({ ...JSON.parse(line), ...change }));
    return path;
  };
  test.each<[string, string[], RegExp]>([
    ["a ranking that is none", ["--rankings", "attnlrp,best"], /^--rankings: "best" is not known; give of: attnlrp/],
    ["an option of tokens beside heads", ["--heads"], /^--budget: is of tokens; leave it out beside --heads/],
    ["counts of tokens", ["--counts", "1,2"], /^--counts: is of heads and neurons; give --heads or --neurons too/],
    ["a budget that is none", ["--budget", "0"], /^--budget: "0" is no count; give/],
    ["a file that is not there", ["--cases", "/nowhere.jsonl"], /^\/nowhere\.jsonl: cannot be read \(ENOENT\); give/],
    [
      "an id past the vocabulary",
      ["--cases", broken("id.jsonl", { target: { id: 99999 } })],
      /id\.jsonl:1: token id 99999 is not in the model's vocabulary of 2048; give/,
    ],
    ["no target", ["--cases", broken("target.jsonl", { target: undefined })], /target\.jsonl:1: target: .*; give/],
    [
      "items of another benchmark",
      ["--items", join(FOLDER, "training-log.jsonl")],
      /training-log\.jsonl: holds no item of these cases; give/,
    ],
  ])("refuses %s with one line", async (_, args, message) => {
    await refused([...base, ...args], message);
  });
});
