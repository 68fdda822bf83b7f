/** Ablation experiments: orders, the curves of a made-up model, and what many say together. */
import { expect, test } from "vitest";
import type { ComponentTotalsResult, LoadedModel, ScoreRequest } from "../../gpu/engine.ts";
import type { ModelConfig } from "../../gpu/model/config.ts";
import { concentration } from "../../schema/tables/ablation_values.ts";
import { type AblationSettings, runAblation } from "./experiment.ts";
import { componentRankings, componentsOf } from "./ranking.ts";
import { areaOfFlip, compareAblations, lostAt, summariseAblations } from "./summary.ts";

const TOTALS = {
  heads: [Float32Array.of(1, -2, 3), Float32Array.of(3, 0.5, -1)],
  neurons: [Float32Array.of(0, 4, 2, -1, 5, 1), Float32Array.of(7, -3)],
};
const settings: AblationSettings = {
  units: ["heads"],
  rankings: ["attnlrp", "random", "lowest"],
  counts: { heads: [1, 2, 4], neurons: [1, 2, 4] },
  seeds: [1, 2],
};

test("orders are by relevance, controls from the same layers and from the end", () => {
  const components = new Map([["attnlrp" as const, componentsOf(TOTALS, "heads", [0, 0])]]);
  const options = { unit: "heads", names: settings.rankings, seeds: [1, 2], most: 4 } as const;
  const [top, one, other, lowest] = componentRankings("a", components, options);
  const places = (order: readonly { readonly layer: number; readonly index: number }[]) =>
    order.map(({ layer, index }) => `${layer}.${index}`);
  // Of equal ones the earlier layer first.
  expect(places(top!.order)).toEqual(["1.2", "2.0", "1.0", "2.1"]);
  expect(top).toMatchObject({ relevance: [3, 3, 1, 0.5], positive: 7.5, seed: null });
  expect([1, 2, 3, 4].map((count) => concentration(top!, count))).toEqual([0.4, 0.8, 7 / 7.5, 1]);
  expect(places(lowest!.order)).toEqual(["1.1", "2.2", "2.1", "1.0"]);
  expect(concentration(lowest!, 4)).toBeCloseTo(1.5 / 7.5);
  for (const random of [one!, other!]) {
    expect(random.order.map(({ layer }) => layer)).toEqual([1, 2, 1, 2]);
    expect(new Set(places(random.order)).size).toBe(4);
    expect([random.relevance, random.positive, concentration(random, 1)]).toEqual([null, null, null]);
  }
  expect(componentRankings("a", components, options)).toEqual([top, one, other, lowest]);
  const seeds = Array.from({ length: 20 }, (_, seed) => seed + 1);
  const drawn = componentRankings("a", components, { ...options, names: ["random"], seeds });
  expect(new Set(drawn.map(({ order }) => places(order).join())).size).toBeGreaterThan(5);
});

test("a neuron of an expert is named by both numbers", () => {
  const { nameOf, layerOf } = componentsOf(TOTALS, "neurons", [3, 0]);
  expect([0, 3, 5, 6, 7].map(nameOf)).toEqual([
    { layer: 1, index: 0, expert: 0 },
    { layer: 1, index: 1, expert: 1 },
    { layer: 1, index: 1, expert: 2 },
    { layer: 2, index: 0 },
    { layer: 2, index: 1 },
  ]);
  expect([5, 6].map(layerOf)).toEqual([1, 2]);
});

/** A model whose delta is 6 less what the ablated heads are relevant for: it writes 1 above 2, 2 below 0, 5 between. */
function toyModel(asked: ScoreRequest[]): LoadedModel {
  const score = (requests: readonly ScoreRequest[]) => {
    asked.push(...requests);
    return Promise.resolve(requests.map(({ ablate }) => {
      const lost = (ablate?.heads ?? []).reduce((sum, { layer, index }) => sum + TOTALS.heads[layer - 1]![index]!, 0);
      const delta = 6 - lost;
      return {
        argmax: { id: delta > 2 ? 1 : delta >= 0 ? 5 : 2, logit: 0 },
        target: { id: 1, logit: 0 },
        contrast: { id: 2, logit: -delta },
        logitDifference: delta,
        tokens: [],
        top: [],
        logNormaliser: 1,
      };
    }));
  };
  const componentTotals = () => Promise.resolve(TOTALS as unknown as ComponentTotalsResult);
  const config = { mlp: [{ kind: "gated" }, { kind: "gated" }] } as unknown as ModelConfig;
  return { score, componentTotals, config } as Partial<LoadedModel> as LoadedModel;
}

const one = { key: "a", inputIds: [3, 4], promptTokens: 2, special: [], target: 1, contrast: 2 };

test("curves say when the prediction leaves the target and reaches the contrast; shared steps are computed once", async () => {
  const asked: ScoreRequest[] = [];
  const { curves, skipped } = await runAblation(toyModel(asked), [one, { ...one, key: "b", target: 9 }], settings);
  expect(skipped).toEqual([{ key: "b", reason: "target_not_argmax" }]);
  const [top, , , lowest] = curves;
  expect(top).toMatchObject({ unit: "heads", components: 6, counts: [0, 1, 2, 4], away: 2, contrast: 4 });
  expect(top!.steps.map(({ delta }) => delta)).toEqual([6, 3, 0, -1.5]);
  expect(top!.steps.map(({ argmax }) => argmax)).toEqual([1, 1, 5, 2]);
  expect(top!.steps[0]!.probability).toBeCloseTo(Math.exp(-1));
  expect(lowest).toMatchObject({ away: null, contrast: null });
  const sets = asked.map(({ ablate }) =>
    JSON.stringify([...(ablate?.heads ?? [])].map((head) => Object.values(head)).toSorted())
  );
  const ofFirst = sets.slice(0, -1);
  expect(new Set(ofFirst).size).toBe(ofFirst.length);
});

test("flip rates, losses and paired differences over cases", async () => {
  const cases = [one, { ...one, key: "c" }, { ...one, key: "d" }];
  const { curves } = await runAblation(toyModel([]), cases, settings);
  const [top, random, lowest] = summariseAblations(curves, settings, 1);
  expect(top).toMatchObject({ unit: "heads", ranking: "attnlrp", cases: 3, counts: [1, 2, 4] });
  expect(top!.away.rate).toEqual([0, 1, 1]);
  expect(top!.away.area).toEqual({ value: 2 / 3, low: 2 / 3, high: 2 / 3, count: 3 });
  expect(top!.contrast.rate).toEqual([0, 0, 1]);
  expect(top!.lost.map(({ value }) => value)).toEqual([3, 6, 7.5]);
  expect(top!.concentration!.map(({ value }) => Number(value.toFixed(9)))).toEqual([0.4, 0.8, 1]);
  expect(random!.concentration).toBeNull();
  expect(lowest!.away.rate).toEqual([0, 0, 0]);
  const [againstRandom, againstLowest] = compareAblations(curves, settings, 1);
  expect(againstLowest).toMatchObject({ first: "attnlrp", second: "lowest", beats: true });
  // AttnLRP loses 3, 6, 7.5 and lowest -2, -3, -1.5: differences 5, 9, 9.
  expect(againstLowest!.lost.value).toBeCloseTo(23 / 3);
  const byHand = cases.map(({ key }) => {
    const own = curves.filter((curve) => curve.key === key && curve.ranking.name === "random");
    const areas = own.map(({ away }) => areaOfFlip(away, [1, 2, 4]));
    return 2 / 3 - areas.reduce((sum, area) => sum + area, 0) / 2;
  });
  expect(againstRandom!.difference.value).toBeCloseTo(byHand.reduce((sum, value) => sum + value, 0) / 3);
});

test("a model with fewer heads than asked keeps its last step", async () => {
  const wide = { ...settings, counts: { heads: [2, 50], neurons: [2, 50] }, units: ["heads", "neurons"] } as const;
  const { curves } = await runAblation(toyModel([]), [one], wide);
  expect(curves[0]!.counts).toEqual([0, 2]);
  expect(lostAt(curves[0]!, 50)).toBe(lostAt(curves[0]!, 2));
  expect(summariseAblations(curves, wide, 1)[0]!.lost.map(({ value }) => value)).toEqual([6, 6]);
});
