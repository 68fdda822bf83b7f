/** Masking experiments with a scripted model, whose every prediction is known. */
import { describe, expect, test } from "vitest";
import type { AttributionRequest, GenerateRequest, ScoreRequest, ScoreResult } from "../gpu/engine.ts";
import {
  MASKING_DEFAULTS,
  type MaskingEngine,
  type MaskingSettings,
  runMasking,
  SHARES,
} from "../server/masking/experiment.ts";
import type { MaskingCase } from "../server/masking/masking_case.ts";
import { probe } from "../server/masking/probe.ts";
import { RANKINGS } from "../server/masking/ranking.ts";
import { REPLACEMENTS } from "../server/masking/replacement.ts";
import { areaOf, compareRankings, summarise, tokensUntil } from "../server/masking/summary.ts";
import { seededRandom } from "./random.ts";

const [TARGET, CONTRAST, OTHER, NEUTRAL] = [1, 2, 3, 9];

/** Position p has the id 100 + p; the first and the last of the prompt are special; two tokens of the answer follow. */
function scriptedCase(key: string, tokens = 12): MaskingCase {
  return {
    key,
    inputIds: Array.from({ length: tokens }, (_, position) => 100 + position),
    promptTokens: tokens - 2,
    special: Array.from({ length: tokens }, (_, position) => position === 0 || position === tokens - 3),
    target: TARGET,
    contrast: CONTRAST,
  };
}

interface Script {
  /** What the model predicts when these positions are masked, ascending. */
  readonly predict: (masked: readonly number[]) => { readonly argmax: number; readonly delta: number };
  /** Input relevance by position, the same for every rule but for its sign under `gradient`. */
  readonly relevance: (position: number) => number;
}

/** A model that sees which positions are masked, whichever way it was done. */
function scriptedEngine({ predict, relevance }: Script, tokens = 12) {
  const seen = { scored: 0, generated: 0 };
  const maskedOf = ({ inputIds, replace = [], hidden = [] }: ScoreRequest) => {
    const gone = new Set([...replace.map(({ position }) => inputIds[position]!), ...hidden.map((p) => inputIds[p]!)]);
    const left = new Set(inputIds.filter((id) => !gone.has(id)));
    return Array.from({ length: tokens }, (_, position) => position).filter((position) => !left.has(100 + position));
  };
  const engine: MaskingEngine = {
    attributeMany: (requests: readonly AttributionRequest[]) =>
      Promise.resolve(requests.map(({ inputIds, target, contrast, rule }) => ({
        rule,
        inputIds,
        target: { id: target!, logit: 5 },
        contrast: { id: contrast, logit: 1 },
        logitDifference: 4,
        layers: 1,
        nodeRelevance: Float32Array.from(
          { length: 2 * inputIds.length },
          (_, at) => relevance(at % inputIds.length) * (rule === "gradient" ? -1 : 1),
        ),
        adapter: "scripted",
        seconds: 0,
      }))),
    score: (requests: readonly ScoreRequest[]) => {
      seen.scored += requests.length;
      return Promise.resolve(requests.map((request): ScoreResult => {
        const { argmax, delta } = predict(maskedOf(request));
        return {
          argmax: { id: argmax, logit: 0 },
          target: { id: request.target!, logit: delta },
          contrast: { id: request.contrast!, logit: 0 },
          logitDifference: delta,
          tokens: [],
          top: [],
          logNormaliser: 20,
        };
      }));
    },
    generate: (requests: readonly GenerateRequest[]) => {
      seen.generated += requests.length;
      return Promise.resolve(requests.map((request) => ({
        ids: [predict(maskedOf(request)).argmax, 50],
        stop: "eos" as const,
        end: null,
        first: [],
      })));
    },
  };
  return { engine, seen };
}

/** Flips away once token 4 is masked, to the contrast once 4 and 6 are. */
const causal: Script = {
  predict: (masked) => ({
    argmax: !masked.includes(4) ? TARGET : masked.includes(6) ? CONTRAST : OTHER,
    delta: 4 - 3 * Number(masked.includes(4)) - 2 * Number(masked.includes(6)) + masked.length / 100,
  }),
  relevance: (position) => position === 4 ? 3 : position === 6 ? 2 : -position / 10,
};
const settings: MaskingSettings = { ...MASKING_DEFAULTS, neutral: NEUTRAL, budget: 5 };

describe("one case", () => {
  test("the causal tokens flip it first by AttnLRP and CP-LRP, last by the orders that are the other way round", async () => {
    const { engine } = scriptedEngine(causal);
    const { curves, skipped } = await runMasking(engine, [scriptedCase("a")], { ...settings, budget: 20 });
    expect(skipped).toEqual([]);
    expect(curves).toHaveLength((RANKINGS.length - 1 + 3) * REPLACEMENTS.length);
    for (const { ranking, away, contrast, maskable, steps } of curves) {
      expect(maskable).toBe(8);
      expect(steps).toHaveLength(9);
      expect(ranking.order.toSorted((a, b) => a - b), "prompt without specials").toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      if (ranking.name === "attnlrp" || ranking.name === "cplrp") expect([away, contrast]).toEqual([1, 2]);
      if (ranking.name === "gradient" || ranking.name === "lowest") expect([away, contrast]).toEqual([8, 8]);
      if (ranking.name === "random") {
        const [four, six] = [ranking.order.indexOf(4) + 1, ranking.order.indexOf(6) + 1];
        expect([away, contrast]).toEqual([four, Math.max(four, six)]);
      }
      expect(ranking.positive).toBe(ranking.name === "random" ? null : ranking.name === "gradient" ? 6 : 2);
    }
    expect(curves[0]!.ranking.order.slice(0, 4)).toEqual([4, 6, 1, 2]);
    expect(curves[0]!.steps.slice(0, 3).map(({ delta }) => delta)).toEqual([4, 1.01, -0.98]);
    expect(curves[0]!.steps[1]!.probability).toBeCloseTo(Math.exp(1.01 - 20), 12);
  });

  test("every replacement masks the same tokens, and only those of the scope", async () => {
    const { engine } = scriptedEngine(causal);
    const { curves } = await runMasking(engine, [scriptedCase("a")], { ...settings, scope: "all", budget: 20 });
    for (const name of RANKINGS) {
      const own = curves.filter(({ ranking }) => ranking.name === name && (ranking.seed ?? 1) === 1);
      expect(own.map(({ replacement }) => replacement)).toEqual([...REPLACEMENTS]);
      expect(new Set(own.map(({ steps }) => JSON.stringify(steps))).size).toBe(1);
      expect(own[0]!.ranking.order.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 10, 11]);
    }
  });

  test("the same tokens masked in another order are computed once", async () => {
    const { engine, seen } = scriptedEngine(causal);
    const one = { ...settings, rankings: ["attnlrp", "cplrp"], replacements: ["neutral"] } as const;
    await runMasking(engine, [scriptedCase("a")], { ...one, rankings: ["attnlrp"] });
    const alone = seen.scored;
    await runMasking(engine, [scriptedCase("a")], one);
    expect(seen.scored).toBe(2 * alone);
  });

  test("cases that do not fail as said, or have nothing to mask, are told apart and not dropped in silence", async () => {
    const { engine } = scriptedEngine({ ...causal, predict: () => ({ argmax: OTHER, delta: 1 }) });
    expect(await runMasking(engine, [scriptedCase("a")], settings)).toEqual({
      curves: [],
      skipped: [{ key: "a", reason: "target_not_argmax" }],
    });
    const all = { ...scriptedCase("b"), special: Array(12).fill(true) };
    expect((await runMasking(scriptedEngine(causal).engine, [all], settings)).skipped).toEqual([
      { key: "b", reason: "nothing_to_mask" },
    ]);
  });

  test("comprehensiveness and sufficiency are ERASER's means over five shares", async () => {
    const { engine } = scriptedEngine(causal);
    const { curves } = await runMasking(engine, [scriptedCase("a")], settings);
    const { ranking: { order }, comprehensiveness, sufficiency, steps } = curves[0]!;
    const delta = (masked: readonly number[]) => causal.predict(masked.toSorted((a, b) => a - b)).delta;
    const average = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    // 1, 5 and 10 % of 8 tokens are one token, 20 % two, 50 % four.
    const counts = SHARES.map((share) => Math.ceil(share * 8));
    expect(counts).toEqual([1, 1, 1, 2, 4]);
    expect(comprehensiveness.delta).toBeCloseTo(average(counts.map((n) => 4 - delta(order.slice(0, n)))), 12);
    expect(sufficiency.delta).toBeCloseTo(average(counts.map((n) => 4 - delta(order.slice(n)))), 12);
    const p = (value: number) => Math.exp(value - 20);
    expect(comprehensiveness.probability)
      .toBeCloseTo(average(counts.map((n) => p(4) - p(delta(order.slice(0, n))))), 15);
    expect(steps[0]!.delta).toBe(4);
  });

  test("rollouts come only at flips, and their whole answer is what is checked", async () => {
    const { engine, seen } = scriptedEngine(causal);
    const answers: number[][] = [];
    const check = (_: MaskingCase, ids: readonly number[]) => {
      answers.push([...ids]);
      return Promise.resolve(ids.includes(CONTRAST));
    };
    const one = { ...settings, rankings: ["attnlrp"], replacements: ["mean"] } as const;
    const { curves: [curve] } = await runMasking(engine, [scriptedCase("a")], one, { check });
    expect(curve!.rollouts).toEqual([
      { tokens: 1, ids: [OTHER, 50], passed: false },
      { tokens: 2, ids: [CONTRAST, 50], passed: true },
    ]);
    expect(answers).toEqual([[110, 111, OTHER, 50], [110, 111, CONTRAST, 50]]);
    expect(tokensUntil(curve!, "passes")).toBe(2);
    expect(seen.generated).toBe(2);
    const { curves: [silent] } = await runMasking(engine, [scriptedCase("a")], one);
    expect(silent!.rollouts).toEqual([]);
  });
});

test("an early stop finds the first flip exactly where predictions flip to and fro, and scores less", async () => {
  const random = seededRandom(11);
  let [scored, saved] = [0, 0];
  for (let round = 0; round < 15; round++) {
    const cases = Array.from({ length: 5 }, (_, index) => scriptedCase(`${round}/${index}`, 30));
    const chance = random.next() / 2;
    const predictions = new Map<string, number>();
    const script: Script = {
      predict: (masked) => {
        const key = masked.join();
        if (masked.length === 0) return { argmax: TARGET, delta: 2 };
        if (!predictions.has(key)) {
          predictions.set(key, random.next() < chance ? (random.next() < 0.5 ? CONTRAST : OTHER) : TARGET);
        }
        return { argmax: predictions.get(key)!, delta: masked.length };
      },
      relevance: (position) => Math.sin(position * 7 + round),
    };
    const { engine, seen } = scriptedEngine(script, 30);
    const whole = await runMasking(engine, cases, { ...settings, budget: 20 });
    const all = seen.scored;
    for (const stopAt of ["away", "contrast"] as const) {
      seen.scored = 0;
      const { curves } = await runMasking(engine, cases, { ...settings, budget: 20, stopAt });
      scored += seen.scored;
      saved += all - seen.scored;
      curves.forEach((curve, index) => {
        const full = whole.curves[index]!;
        expect(curve[stopAt]).toBe(full[stopAt]);
        expect(curve.away).toBe(full.away);
        expect(curve.steps).toEqual(full.steps.slice(0, (full[stopAt] ?? full.steps.length) + 1));
        expect(curve.comprehensiveness).toEqual(full.comprehensiveness);
      });
    }
  }
  expect(saved / (scored + saved), "share of the forward passes saved").toBeGreaterThan(0.2);
});

test("random orders hang on seed and case alone", async () => {
  const { engine } = scriptedEngine(causal);
  const orders = async (keys: readonly string[], seeds: readonly number[]) => {
    const { curves } = await runMasking(engine, keys.map((key) => scriptedCase(key)), {
      ...settings,
      rankings: ["random"],
      replacements: ["mean"],
      seeds,
    });
    return curves.map(({ ranking: { order } }) => order.join());
  };
  const [first, second] = await orders(["a", "b"], [1]);
  expect(first).not.toBe(second);
  expect(await orders(["b"], [1])).toEqual([second]);
  expect(await orders(["a"], [2])).not.toEqual([first]);
});

describe("a selection", () => {
  test("areas: a flip with the first token is 1, none within the budget is 0", () => {
    expect([areaOf(1, 4), areaOf(2, 4), areaOf(4, 4), areaOf(5, 4), areaOf(null, 4)]).toEqual([1, 0.75, 0.25, 0, 0]);
  });

  test("rates, medians with censoring, areas and paired differences", async () => {
    // Case k needs its first k + 1 tokens of AttnLRP's order; the last never flips.
    const cases = Array.from({ length: 6 }, (_, index) => scriptedCase(`${index}`));
    const needs = [1, 2, 2, 3, 5, Infinity];
    const curves = (await Promise.all(cases.map(async (one, index) => {
      const order = [4, 6, 1, 2, 3, 5, 7, 8];
      const script: Script = {
        ...causal,
        predict: (masked) => ({
          argmax: order.slice(0, needs[index]).every((position) => masked.includes(position)) &&
              needs[index] !== Infinity
            ? CONTRAST
            : TARGET,
          delta: 3 - masked.length,
        }),
      };
      const check = () => Promise.resolve(index === 0);
      return (await runMasking(scriptedEngine(script).engine, [one], settings, { check })).curves;
    }))).flat();
    const summaries = summarise(curves, settings, 7, true);
    const attnlrp = summaries.find(({ ranking, replacement }) => ranking === "attnlrp" && replacement === "mean")!;
    expect(attnlrp.cases).toBe(6);
    expect(attnlrp.away.rate).toEqual([0, 1 / 6, 3 / 6, 4 / 6, 4 / 6, 5 / 6]);
    expect(attnlrp.away.area.value).toBeCloseTo((1 + 3 + 4 + 4 + 5) / 6 / 5, 12);
    expect([attnlrp.away.reached, attnlrp.away.censored]).toEqual([5, 1]);
    expect(attnlrp.away.medianTokens).toBe(2.5);
    expect(attnlrp.away.meanTokensReached).toBe(13 / 5);
    expect(attnlrp.contrast).toEqual({ ...attnlrp.away, area: attnlrp.contrast!.area });
    expect(attnlrp.passes!.rate).toEqual([0, 1, 1, 1, 1, 1].map((value) => value / 6));
    expect(attnlrp.passes!.medianTokens, "most are censored").toBe(null);
    expect(attnlrp.delta).toEqual([3, 2, 1, 0, -1, -2]);

    const comparisons = compareRankings(curves, settings, 7);
    expect(comparisons).toHaveLength(REPLACEMENTS.length * 10);
    const lowest = comparisons.find(({ first, second }) => first === "attnlrp" && second === "lowest")!;
    const area = (name: string) => summaries.find(({ ranking }) => ranking === name)!.away.area.value;
    expect(lowest.difference.value).toBeCloseTo(area("attnlrp") - area("lowest"), 12);
    expect(lowest.difference.count).toBe(6);
    expect(lowest.beats).toBe(lowest.difference.low > 0);
    expect(compareRankings(curves, settings, 7), "a seed gives the same numbers again").toEqual(comparisons);
    const same = comparisons.find(({ first, second }) => first === "attnlrp" && second === "cplrp")!;
    expect([same.difference.low, same.difference.high, same.beats]).toEqual([0, 0, false]);
  });

  test("what an early stop hides is not reported", async () => {
    const early = { ...settings, stopAt: "away" } as const;
    const { curves } = await runMasking(scriptedEngine(causal).engine, [scriptedCase("a")], early);
    const [summary] = summarise(curves, early, 1, true);
    expect([summary!.contrast, summary!.passes, summary!.delta]).toEqual([null, null, null]);
    expect(summary!.away.rate).toEqual([0, 1, 1, 1, 1, 1]);
  });
});

describe("causal probe", () => {
  /** Delta falls with weight on token 5 and rises with weight on token 3. */
  const model = {
    score: (requests: readonly ScoreRequest[]) =>
      Promise.resolve(requests.map(({ attentionBias = [] }): ScoreResult => {
        const at = (position: number) => attentionBias.find((one) => one.position === position)?.bias ?? 0;
        const delta = 2 + at(3) - 0.5 * at(5);
        const token = { id: 0, logit: 0 };
        const argmax = { id: delta > 0 ? TARGET : CONTRAST, logit: 0 };
        return {
          argmax,
          target: token,
          contrast: token,
          logitDifference: delta,
          tokens: [],
          top: [],
          logNormaliser: 0,
        };
      })),
  };
  const request = { inputIds: [1, 2, 3, 4, 5, 6], target: TARGET, contrast: CONTRAST };
  test("moves as claimed when less of what is overweighted, or more of what is underweighted, lowers delta", async () => {
    const results = await probe(model, [
      { ...request, positions: [3], claim: "overweighted" },
      { ...request, positions: [3], claim: "underweighted" },
      { ...request, positions: [5, 5], claim: "underweighted" },
      { ...request, positions: [1], claim: "overweighted" },
    ]);
    expect(results.map(({ movesAsClaimed }) => movesAsClaimed)).toEqual([true, false, true, false]);
    const [over] = results;
    expect(over!.before).toEqual({ bias: 0, delta: 2, argmax: TARGET });
    expect(over!.weakened.delta).toBeCloseTo(2 - Math.log(10), 12);
    expect(over!.weakened.argmax).toBe(CONTRAST);
    expect(over!.strengthened.delta).toBeCloseTo(2 + Math.log(10), 12);
    expect(over!.change).toBeCloseTo(-Math.log(10), 12);
    expect(results[2]!.change).toBeCloseTo(-Math.log(10) / 2, 12);
  });
  test("a factor that is none is refused", async () => {
    await expect(probe(model, [], { factor: 1, least: 0 })).rejects.toThrow(/^factor: 1 is no factor; use/);
  });
});
