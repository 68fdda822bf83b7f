/** Curves of heads and neurons: random orders averaged, older counts left out, flips at their step. */
import { expect, test } from "vitest";
import type { Pair } from "../heat/documents.ts";
import { ablationCurves, drawAblations, nameOf } from "./ablation_curves.ts";
import type { Ablation, AblationRanking } from "./ablation_documents.ts";

const experiment = (ranking: AblationRanking, counts: readonly number[], deltas: readonly number[], more = {}) =>
  ({
    id: "",
    unit: "HEADS",
    ranking,
    seed: 0,
    components: 16,
    flipAway: null,
    flipToContrast: null,
    steps: counts.map((ablated, at) => ({
      ablated,
      delta: deltas[at],
      argmax: 1,
      argmaxText: "",
      concentration: null,
    })),
    ablated: [],
    adapter: "",
    ...more,
  }) as unknown as Ablation;

const stored = [
  experiment("RANDOM", [0, 1, 4], [5, 5, 3]),
  experiment("RANDOM", [0, 1, 4], [5, 3, 2]),
  experiment("ATTNLRP", [0, 1, 4], [5, 1, -2], { flipAway: 4 }),
  experiment("ATTNLRP", [0, 2], [5, 0]),
  experiment("ATTNLRP", [0, 1, 4], [9, 9, 9], { unit: "NEURONS" }),
];

test("a curve a ranking, of the newest counts, random orders averaged", () => {
  const curves = ablationCurves(stored, "HEADS");
  expect(curves.map(({ ranking, deltas }) => [ranking, deltas])).toEqual([
    ["ATTNLRP", [5, 1, -2]],
    ["RANDOM", [5, 4, 2.5]],
  ]);
  expect(ablationCurves([], "HEADS")).toEqual([]);
});

test("steps stand at equal distances and are named", () => {
  const pair = { target: { text: "," }, contrast: { text: "." } } as unknown as Pair;
  const drawing = drawAblations(ablationCurves(stored, "HEADS"), "HEADS", pair, "case");
  expect(drawing.name).toBe("ablation-heads-case");
  expect(drawing.note).toContain("with 0, 1, 4 heads at zero at every token");
  expect(drawing.title).toBe("Delta against heads at zero for AttnLRP, random");
});

test("heads and neurons are named in words", () => {
  const place = { layer: 3, index: 7, expert: null, relevance: 1 };
  expect(nameOf("HEADS", place)).toBe("head 7 of block 3");
  expect(nameOf("NEURONS", { ...place, expert: 2 })).toBe("neuron 7 of expert 2 of block 3");
});
