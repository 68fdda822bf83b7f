/** Rows that are taken and given back. */
import { expect, test } from "vitest";
import { seededRandom } from "../../test/random.ts";
import { openRowPool } from "./row_pool.ts";

test("rows are taken from the lowest run that has room, and runs that touch are one again", () => {
  const pool = openRowPool(10);
  expect([pool.take(4), pool.take(4), pool.take(4)]).toEqual([0, 4, undefined]);
  pool.give(0, 4);
  expect([pool.take(3), pool.take(2)]).toEqual([0, 8]);
  pool.give(4, 4);
  expect(pool.take(5)).toBe(3);
  [[0, 3], [3, 5], [8, 2]].forEach(([first, rows]) => pool.give(first as number, rows as number));
  expect(pool.take(10)).toBe(0);
});

test("no row is ever taken twice", () => {
  const random = seededRandom(5);
  const pool = openRowPool(64);
  const taken: { first: number; rows: number }[] = [];
  const used = new Set<number>();
  for (let step = 0; step < 500; step++) {
    if (taken.length > 0 && random.integer(0, 1) === 0) {
      const [one] = taken.splice(random.integer(0, taken.length - 1), 1);
      for (let row = 0; row < one!.rows; row++) used.delete(one!.first + row);
      pool.give(one!.first, one!.rows);
      continue;
    }
    const rows = random.integer(1, 20);
    const first = pool.take(rows);
    if (first === undefined) continue;
    for (let row = first; row < first + rows; row++) {
      expect(used.has(row) || row >= 64).toBe(false);
      used.add(row);
    }
    taken.push({ first, rows });
  }
  taken.forEach(({ first, rows }) => pool.give(first, rows));
  expect(pool.take(64)).toBe(0);
});
