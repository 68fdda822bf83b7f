/** What work comes to, and what the planner's numbers become; the planner is told what to say. */
import { eq } from "drizzle-orm";
import { beforeAll, expect, test } from "vitest";
import { InputError } from "../gpu/errors.ts";
import { MASKING_OPTIONS } from "../schema/tables/analysis_values.ts";
import type { PlanRequest } from "../schema/services/plans.ts";
import { attributions, failureCases } from "../schema/tables/tables.ts";
import { attributionRow } from "../server/attributions/attribution_row.ts";
import { findModel } from "../server/models/find_model.ts";
import { plannedLengths, planWork, secondsAt } from "../server/planning/plan_work.ts";
import type { Planner } from "../server/planning/planner.ts";
import type { PlanQuestion } from "../server/planning/planner_process.ts";
import { storeSeries } from "../server/studies/series.ts";
import { storeModel, storePair, testDatabase } from "./database.ts";

const database = testDatabase();
let pairs: readonly number[] = [];
let smallId = 0;
let asked: PlanQuestion[] = [];

/** Says a second for every ten tokens; more than 100 do not fit. */
const planner: Planner = {
  ask: (question) => {
    asked.push(question);
    const plans = question.lengths.map((tokens) => ({
      gpuBytes: 1000 * tokens,
      hostBytes: 1,
      seconds: tokens / 10,
      fits: tokens <= 100,
      why: `${tokens} tokens`,
    }));
    return Promise.resolve({ adapter: "an adapter", plans, startSeconds: 2 });
  },
  stop: () => Promise.resolve(),
};

const plan = (request: Partial<PlanRequest>) => {
  asked = [];
  return planWork(database.connection.db, planner, {
    kind: "attribute",
    tokenPairIds: "missing",
    rule: "attnlrp",
    heads: false,
    masking: MASKING_OPTIONS,
    series: undefined,
    name: undefined,
    ...request,
  });
};

beforeAll(async () => {
  const { db } = database.connection;
  const small = smallId = await storeModel(database, { name: "small", directory: "/small", hash: "small" });
  const large = await storeModel(database, { name: "large", directory: "/large", hash: "large", parameters: 2e6 });
  const lengths = [20, 20, 50, 80, 90];
  const stored: number[] = [];
  for (const [index, tokenCount] of lengths.entries()) {
    stored.push(
      await storePair(database, index < 4 ? small : large, `case/${index}`, { delta: index === 2 ? 0.5 : 2 }),
    );
    await db.update(failureCases).set({ tokenCount }).where(eq(failureCases.key, `case/${index}`));
  }
  pairs = stored;
  await storeSeries(db, {
    name: "sizes",
    kind: "scaling",
    members: [{ model: await findModel(db, "small", "test") }, { model: await findModel(db, "large", "test") }],
  }, "test");
});

test("every model's runs are asked for at their shortest, middle and longest, and the times of the others lie between", async () => {
  expect(await plan({})).toEqual({
    runs: 5,
    longest: 90,
    // 2 to start with each model; 2 + 2 + 5 + 8, and 9; 0.03 to store each.
    seconds: expect.closeTo(2 + 17 + 2 + 9 + 5 * 0.03, 6),
    gpuBytes: 90_000,
    hostBytes: 1,
    fits: true,
    why: "90 tokens",
    adapter: "an adapter",
  });
  expect(asked.map(({ directory, lengths }) => [directory, lengths])).toEqual([["/large", [90]], [
    "/small",
    [20, 50, 80],
  ]]);
});

test("clean pairs, named ones and those of a rule are counted, and what is stored is not", async () => {
  expect(await plan({ tokenPairIds: "clean" })).toMatchObject({ runs: 4 });
  expect(await plan({ tokenPairIds: [pairs[0]!, pairs[0]!, pairs[3]!] })).toMatchObject({ runs: 2, longest: 80 });
  const texts = { targetText: " wrong", contrastText: " right", tokenTexts: ["a", "b", " c", "d"], segments: "SIQA" };
  const result = {
    rule: "attnlrp",
    inputIds: [1, 2, 3, 4],
    target: { id: 5, logit: 3 },
    contrast: { id: 6, logit: 1 },
    logitDifference: 2,
    layers: 0,
    nodeRelevance: Float32Array.of(1, 2, 3, 4),
    adapter: "test",
    seconds: 1,
  } as const;
  await database.connection.db.insert(attributions).values(
    attributionRow({ tokenPairId: pairs[0]!, modelId: smallId, benchmark: "demo-ifeval", ...texts }, result),
  );
  expect(await plan({})).toMatchObject({ runs: 4 });
  expect(await plan({ rule: "cplrp" })).toMatchObject({ runs: 5 });
  expect(await plan({ kind: "build_graph" })).toMatchObject({ runs: 5 });
  expect(asked.every(({ kind }) => kind === "graph")).toBe(true);
  const nothing = await plan({ tokenPairIds: [pairs[0]!] });
  expect(nothing).toMatchObject({ runs: 0, seconds: 0, fits: true, adapter: null });
  expect(asked).toEqual([]);
  await database.connection.db.delete(attributions);
});

test("a study counts the clean pairs of its members on every member", async () => {
  const found = await plan({ kind: "study", tokenPairIds: undefined, series: "sizes" });
  expect(found).toMatchObject({ runs: 8, longest: 90 });
  expect(found.seconds).toBeCloseTo(2 * (2 + 2 + 2 + 8 + 9) + 8 * 0.03, 6);
  expect(asked.map(({ directory }) => directory)).toEqual(["/small", "/large"]);
});

test("masking counts the passes of every curve and its completions", async () => {
  // One replacement: 3 attributions; 7 orders of 10 tokens and 10 shares, and 256 steps, each a third of one.
  const found = await plan({ kind: "mask", tokenPairIds: [pairs[2]!] });
  expect(found.seconds).toBeCloseTo(2 + 5 * (3 + 7 * 20 / 3) + 0.8 * 256 / 3 + 0.03, 6);
  expect(found).toMatchObject({ runs: 1, longest: 50 });
});

test("ablation counts the rankings' attributions and a forward pass for every step", async () => {
  // 3 attributions; 7 orders of 5 steps of heads and 5 of neurons and the whole input, each a third of one.
  const found = await plan({ kind: "ablate", tokenPairIds: [pairs[2]!] });
  expect(found.seconds).toBeCloseTo(2 + 5 * (3 + (1 + 7 * 10) / 3) + 0.03, 6);
});

test("one run that does not fit is said, with its numbers", async () => {
  const { db } = database.connection;
  await db.update(failureCases).set({ tokenCount: 101 }).where(eq(failureCases.key, "case/4"));
  expect(await plan({})).toMatchObject({ runs: 5, fits: false, why: "101 tokens" });
});

test("pairs and series that are not there are refused", async () => {
  await expect(plan({ tokenPairIds: [pairs[0]!, 999_999] })).rejects.toThrow(InputError);
  await expect(plan({ kind: "study", tokenPairIds: undefined, series: "none" })).rejects.toThrow(InputError);
});

test("lengths to plan are the shortest, the middle and the longest, each once", () => {
  expect(plannedLengths([7])).toEqual([7]);
  expect(plannedLengths([7, 9])).toEqual([7, 9]);
  expect(plannedLengths([1, 2, 3, 4, 50])).toEqual([1, 3, 50]);
});

test("times between planned lengths lie on the line, and beyond the ends they stay", () => {
  const times = [{ tokens: 10, seconds: 1 }, { tokens: 20, seconds: 3 }];
  expect([5, 10, 15, 20].map((tokens) => secondsAt(times, tokens))).toEqual([1, 1, 2, 3]);
});
