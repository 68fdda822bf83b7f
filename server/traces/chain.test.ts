/** The chain against random walks: every row a state that moves by its own relevance, until a token holds it. */
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../test/random.ts";
import { chainOf, type ChainParts, type ChainRow } from "./chain.ts";

const sum = (values: Iterable<number>): number => [...values].reduce((all, value) => all + value, 0);

/** A prompt of two sentences with tokens around them, steps of random lengths, one of which nobody explains. */
function randomParts(seed: number, endsInStep: boolean): ChainParts {
  const random = seededRandom(seed);
  const columns = [{ start: 1, end: 3 }, { start: 4, end: 4 + random.integer(1, 3) }];
  const steps: { start: number; end: number }[] = [];
  for (let index = 0; index < 5; index++) {
    const start = steps.at(-1)?.end ?? columns[1]!.end + 1;
    steps.push({ start, end: start + random.integer(1, 4) });
  }
  const tokens = steps.at(-1)!.end;
  const special = Array.from({ length: tokens }, (_, token) => token === 0 || random.next() < 0.1);
  const explained = steps.filter((_, index) => index !== 2);
  const row = (own: ChainRow["own"]): ChainRow => {
    const before = own === null ? tokens : own.end - 1;
    const relevance = new Float32Array(tokens);
    for (let token = 0; token < before; token++) relevance[token] = random.normal();
    return { own, value: 1, tokens: 1, relevance };
  };
  return {
    columns: [...columns, ...(endsInStep ? steps.slice(0, -1) : steps)],
    special,
    rows: endsInStep ? explained.map(row) : [...explained.map(row), row(null)],
  };
}

/**
 * The same by walking: a row moves to tokens by |relevance|; a token of an explained step that steers no chat goes on as
 * its step, its own among them; every other token keeps what comes. Signed: the walk carries the sign.
 */
function walk({ special, rows }: ChainParts, signed: boolean): { held: Float64Array; visits: Float64Array } {
  const tokens = special.length;
  const held = new Float64Array(tokens);
  const visits = new Float64Array(tokens);
  const rowOf = (token: number) =>
    special[token]
      ? -1
      : rows.findIndex(({ own }, index) =>
        own !== null && token >= own.start && token < own.end && index < rows.length
      );
  let here = new Float64Array(rows.length);
  here[rows.length - 1] = 1;
  for (let step = 0; step < 250; step++) {
    const next = new Float64Array(rows.length);
    rows.forEach(({ own, relevance }, index) => {
      const all = sum(relevance.map(Math.abs));
      if (here[index] === 0 || all === 0) return;
      relevance.forEach((value, token) => {
        const isOwn = own !== null && token >= own.start && token < own.end && !special[token];
        // What goes round in a step keeps its sign: it is the same relevance, on its way out.
        const moved = here[index]! * (signed && !isOwn ? value : Math.abs(value)) / all;
        const to = rowOf(token);
        if (to < 0) held[token]! += moved;
        else next[to]! += moved;
        if (to !== index) visits[token]! += moved;
      });
    });
    here = next;
  }
  return { held, visits };
}

describe.each([false, true])("the last step is the error: %s", (endsInStep) => {
  test.each(Array.from({ length: 20 }, (_, seed) => seed))("random rows, seed %i", (seed) => {
    const parts = randomParts(seed, endsInStep);
    const { columns, special } = parts;
    const found = chainOf(parts);
    for (const signed of [false, true]) {
      const { held, visits } = walk(parts, signed);
      const heat = signed ? found.signedHeat : found.heat;
      visits.forEach((value, token) => expect(Math.abs(heat[token]! - value)).toBeLessThan(1e-9));
      const weights = signed ? found.signedWeights : found.weights;
      columns.forEach(({ start, end }, column) => {
        const own = [...visits.keys()].filter((token) => token >= start && token < end && !special[token]);
        expect(Math.abs(weights[column]! - sum(own.map((token) => visits[token]!)))).toBeLessThan(1e-9);
      });
      if (!signed) expect(Math.abs(sum(held) - 1)).toBeLessThan(1e-9);
    }
  });

  test("shares of a row and of all that ends somewhere sum to 1, and every weight is passed on", () => {
    const parts = randomParts(77, endsInStep);
    const { rows, weights } = chainOf(parts);
    rows.forEach(({ shares, own, special, absolute, signed }, index) => {
      expect(sum(shares) + own + special).toBeCloseTo(1, 12);
      expect(absolute).toBeCloseTo(sum(parts.rows[index]!.relevance.map(Math.abs)), 4);
      signed.forEach((value, column) => expect(Math.abs(value)).toBeLessThanOrEqual(shares[column]! * absolute + 1e-6));
    });
    const explained = new Set(parts.rows.flatMap(({ own }) => own === null ? [] : [own.start]));
    const ends = parts.columns.flatMap(({ start }, column) => explained.has(start) ? [] : [weights[column]!]);
    expect(sum(ends) + sum(rows.map(({ lost }) => lost))).toBeCloseTo(1, 12);
    expect(rows.at(-1)!.weight).toBe(1);
  });
});

test("a row without relevance loses all that reaches it", () => {
  const parts: ChainParts = {
    columns: [{ start: 1, end: 2 }, { start: 2, end: 3 }],
    special: [true, false, false],
    rows: [
      { own: { start: 2, end: 3 }, value: 0, tokens: 1, relevance: new Float32Array(3) },
      { own: null, value: 1, tokens: 1, relevance: Float32Array.of(0, 1, -3) },
    ],
  };
  const { rows, weights, signedWeights } = chainOf(parts);
  expect(weights).toEqual([0.25, 0.75]);
  expect(signedWeights).toEqual([0.25, -0.75]);
  expect(rows.map(({ lost }) => lost)).toEqual([0.75, 0]);
});
