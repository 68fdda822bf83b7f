import { expect, test } from "vitest";
import { commonStart } from "./compare_answers.ts";

const ids = (...list: number[]) => list.map((id) => ({ id }));

test.each([
  [ids(1, 2, 3), ids(1, 2, 4), 2],
  [ids(1, 2, 3), ids(1, 2), 2],
  [ids(1), ids(1), 1],
  [ids(2), ids(1), 0],
  [ids(), ids(1), 0],
])("answers begin alike up to the first token that differs", (one, other, count) => {
  expect(commonStart(one, other)).toBe(count);
  expect(commonStart(other, one)).toBe(count);
});
