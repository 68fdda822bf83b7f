import { expect, test } from "vitest";
import { seededRandom } from "../../test/random.ts";
import { bestOf, rankIn } from "./ranks.ts";

test.each([1, 3, 10, 5000])("the %i best of logits, many of them equal, are those of a sort", (count) => {
  const random = seededRandom(count);
  const logits = Float32Array.from({ length: 3000 }, () => random.integer(-200, 200) / 8);
  const sorted = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b);
  const best = bestOf(logits, count);
  expect(best).toEqual(sorted.slice(0, count));
  for (const id of best.slice(0, 20)) {
    expect(rankIn(logits, id)).toEqual({ rank: sorted.indexOf(id), logit: logits[id] });
  }
});

test("none of none", () => {
  expect(bestOf(new Float32Array(0), 3)).toEqual([]);
  expect(bestOf(Float32Array.of(1, 2), 0)).toEqual([]);
});
