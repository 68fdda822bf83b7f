/** Parts of the loop that need no model: which pairs are held out, what counts as done, accuracies by hand, the document. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { accuraciesOf, bestRun, type HeldAnswer } from "./answers.ts";
import { isShakedown, loopDocument } from "./document.ts";
import { doneWith, heldPairsFile, keepDone, readLines, trainedPairsFile, weightFile, writeLines } from "./files.ts";
import { drawHeld, exportArguments, splitPairs } from "./pairs.ts";
import { heldDeltasOf, type LoopNumbers } from "./numbers.ts";
import { checkpointSteps } from "./run.ts";
import { type Arm, ARMS, LOOP_SETTINGS, namesOf, runsOf } from "./settings.ts";

let home = "";
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "culprit-loop-"));
  await mkdir(join(home, "weights"));
});
afterAll(() => rm(home, { recursive: true }));

const keys = Array.from({ length: 10 }, (_, at) => `training/${at}`);
const settings = { ...LOOP_SETTINGS, arms: ["plain", "relevance"] as Arm[] };

test("a fifth of the pairs is held out, the same ones of every arm and in whatever order they come", async () => {
  const held = drawHeld(keys, settings);
  expect(held.size).toBe(2);
  expect(drawHeld(keys.toReversed(), settings)).toEqual(held);
  expect(drawHeld(keys, { ...settings, seed: 2 })).not.toEqual(held);
  expect([drawHeld(keys.slice(0, 2), settings).size, drawHeld(keys.slice(0, 1), settings).size]).toEqual([1, 0]);
  const rows = keys.map((key) => ({ key, chosen_weights: [1], rejected_weights: [1] }));
  for (const arm of settings.arms) await writeLines(weightFile(home, arm), rows);
  await splitPairs(home, settings);
  for (const arm of settings.arms) {
    const trained = await readLines<{ key: string }>(trainedPairsFile(home, arm));
    expect(trained.map(({ key }) => key)).toEqual(keys.filter((key) => !held.has(key)));
  }
  expect(new Set((await readLines<{ key: string }>(heldPairsFile(home))).map(({ key }) => key))).toEqual(held);
  await writeLines(weightFile(home, "relevance"), rows.slice(1));
  await expect(splitPairs(home, settings)).rejects.toThrow(
    /relevance\.jsonl: has other pairs than the first arm; remove/,
  );
});

test("arms differ by formula and weights alone; seeds come before arms, so that a stopped run has whole seeds", () => {
  const asked = (arm: Arm) =>
    exportArguments(home, arm, { model: "m", benchmark: "b", settings }).filter((one) => !one.endsWith(".jsonl"));
  const words = (Object.keys(ARMS) as Arm[]).map((arm) => asked(arm).slice(-3).join(" "));
  expect(words).toEqual([
    "instruction-share/1 --weights relevance",
    "instruction-share/1 --weights relevance",
    "prompt-share/1 --weights relevance",
    "instruction-share/1 --weights uniform",
    "instruction-share/1 --weights shuffled",
    "divergence/1 --weights relevance",
    "uncertainty/1 --weights relevance",
  ]);
  expect(runsOf({ ...settings, seeds: 2 }).map(({ arm, seed }) => `${arm} ${seed}`)).toEqual(
    ["plain 1", "relevance 1", "plain 2", "relevance 2"],
  );
  expect(checkpointSteps({ ...settings, steps: 50, saveEvery: 20 })).toEqual([20, 40, 50]);
  expect(checkpointSteps({ ...settings, steps: 40, saveEvery: 20 })).toEqual([20, 40]);
  expect(namesOf("plain,relevance", Object.keys(ARMS), "--arms")).toEqual(["plain", "relevance"]);
  expect(() => namesOf("plain,best", Object.keys(ARMS), "--arms")).toThrow(
    /^--arms: "best" is not known; give of: plain/,
  );
});

test("what was made with other settings is refused, and not taken for the same", async () => {
  const path = join(home, "one.json");
  expect(await doneWith(path, { steps: 3 })).toBe(null);
  await keepDone(path, { steps: 3 }, { loss: 1 });
  expect(await doneWith(path, { steps: 3 })).toEqual({ loss: 1 });
  await expect(doneWith(path, { steps: 4 })).rejects.toThrow(/one\.json: was made with other settings; name another/);
});

/** Prompts a to d: 1, 2, 3 and 2 instructions. */
function answers(strict: readonly number[], tokens: number): ReadonlyMap<string, HeldAnswer> {
  return new Map(["a", "b", "c", "d"].map((key, at) => [key, {
    key,
    instructions: [1, 2, 3, 2][at]!,
    strict: strict[at]!,
    loose: Math.min(strict[at]! + 1, [1, 2, 3, 2][at]!),
    tokens: tokens + at,
  }]));
}

test("accuracies are IFEval's, an arm's the mean over its seeds, differences paired by prompt", () => {
  const base = answers([0, 1, 0, 2], 10);
  const runs = [
    { arm: "plain", seed: 1, answers: answers([1, 1, 0, 2], 20) },
    { arm: "plain", seed: 2, answers: answers([1, 2, 1, 2], 20) },
    // It did not answer d: nobody's answer to it counts.
    { arm: "relevance", seed: 1, answers: new Map([...answers([1, 1, 3, 0], 8)].filter(([key]) => key !== "d")) },
  ] as const;
  const found = accuraciesOf(base, runs, 1)!;
  expect([found.prompts, found.instructions]).toEqual([3, 6]);
  const [before, plain, relevance] = found.rows;
  // Of 6 instructions 1; of 3 prompts none.
  expect(before!.measures.strict.value).toBeCloseTo(1 / 6, 12);
  expect(before!.measures.loose.value).toBeCloseTo(4 / 6, 12);
  expect(before!.measures.promptStrict.value).toBe(0);
  expect(before!.measures.promptLoose.value).toBeCloseTo(2 / 3, 12);
  expect(before!.measures.tokens.value).toBe(11);
  expect(plain!.bySeed.map((value) => value.toFixed(6))).toEqual([2 / 6, 4 / 6].map((value) => value.toFixed(6)));
  expect(plain!.measures.strict.value).toBeCloseTo(3 / 6, 12);
  expect(plain!.measures.promptStrict.value).toBeCloseTo((1 / 3 + 2 / 3) / 2, 12);
  expect(plain!.lessBase!.strict.value).toBeCloseTo(2 / 6, 12);
  expect(plain!.lessPlain).toBe(null);
  expect(relevance!.measures.strict.value).toBeCloseTo(5 / 6, 12);
  expect(relevance!.lessPlain!.strict.value).toBeCloseTo(2 / 6, 12);
  expect(relevance!.lessBase!.tokens.value).toBe(-2);
  expect(plain!.lessBase!.strict.low).toBeLessThan(plain!.lessBase!.strict.value);
  expect(bestRun(found)).toEqual({ arm: "relevance", seed: 1 });
  expect(accuraciesOf(new Map(), runs, 1)).toBe(null);
  expect(bestRun(accuraciesOf(base, [], 1)!)).toBe(undefined);
});

/** A run whose held-out deltas are these. */
const trained = (arm: Arm, seed: number, before: readonly number[], after: readonly number[]) => ({
  arm,
  seed,
  result: {
    pairs: 4,
    steps: 3,
    loss: { first: 0.7, last: 0.5 },
    delta: { before: 3, after: 1 },
    held: { before, after },
  },
});

test("held-out deltas are averaged over seeds pair by pair", () => {
  const rows = heldDeltasOf([trained("plain", 1, [2, 4], [1, 0]), trained("plain", 2, [2, 4], [3, 2])], 1);
  expect(rows).toMatchObject([{ arm: "plain", seeds: 2, before: { value: 3 }, after: { value: 1.5, count: 2 } }]);
  // Changes: (1 + 3) / 2 - 2 and (0 + 2) / 2 - 4.
  expect(rows[0]!.change).toMatchObject({ value: -1.5, low: -3, high: 0 });
  expect(heldDeltasOf([trained("plain", 1, [], [])], 1)).toEqual([]);
});

test("a document says what it is of, and that a small run is no result", () => {
  const run = trained("plain", 1, [2, 4], [1, 0]);
  const { held: _held, ...result } = run.result;
  const numbers: LoopNumbers = {
    format: "culprit-loop/1",
    settings,
    model: "m",
    modelHash: "0123456789abcdef01",
    training: "training-prompts-1",
    held: "ifeval",
    pairs: { answers: 20, failures: 12, searched: 12, pairs: 10 },
    weights: [{ arm: "plain", pairs: 10, flat: 1 }],
    heldPairs: 2,
    runs: [{ arm: "plain", seed: 1, result }],
    heldDeltas: heldDeltasOf([run], 1),
    accuracies: accuraciesOf(answers([0, 1, 0, 2], 10), [{ ...run, answers: answers([1, 1, 3, 2], 20) }], 1),
    series: null,
    timed: [{ part: "training", seconds: 60 }],
    adapter: "none",
    cores: 2,
    figures: [],
    folder: "the-loop",
  };
  const text = loopDocument(numbers);
  expect(text).toContain("**A shakedown, no result**");
  expect(text).toContain("20 of at most 2000 training prompts were answered");
  expect(text).toContain("| plain | 1 | 0.700 | 0.500 | 3.00 | 1.00 |");
  expect(text).toContain("4 prompts with 8 instructions.");
  expect(text).toMatch(/\| before training \| 37\.5 \[/);
  expect(text).toMatch(/\| plain \| 87\.5 \[.*\| 87\.5 \|\n/);
  expect(text).toContain("*No checkpoints were attributed.*");
  expect(isShakedown(numbers)).toBe(true);
  const large = {
    ...numbers,
    weights: [{ arm: "plain" as const, pairs: 200, flat: 1 }],
    accuracies: { ...numbers.accuracies!, prompts: 541 },
  };
  expect(isShakedown(large)).toBe(false);
  expect(loopDocument(large)).not.toContain("shakedown");
});
