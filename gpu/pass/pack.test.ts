import { describe, expect, test } from "vitest";
import { seededRandom } from "../../test/random.ts";
import type { AttributionRequest, Rule } from "../engine.ts";
import { fillPacks, type Pack } from "./pack.ts";
import { PANEL, panelsOf } from "../kernels/panels.ts";

const request = (inputIds: readonly number[], rule: Rule = "attnlrp"): AttributionRequest => ({
  inputIds,
  contrast: 1,
  rule,
});
const ids = (length: number, first = 0) => Array.from({ length }, (_, index) => index === 0 ? first : index % 7);
const rowsOf = ({ sequences }: Pack) => sequences.reduce((rows, { length }) => rows + panelsOf(length) * PANEL, 0);

/** What must hold of any packs of requests. */
function check(requests: readonly AttributionRequest[], packs: readonly Pack[], mostRows: number): void {
  expect(packs.flatMap(({ members }) => members.map((member) => member.request)).sort((a, b) => a - b))
    .toEqual(requests.map((_, index) => index));
  for (const pack of packs) {
    for (const { request: index, sequence } of pack.members) {
      const { inputIds } = requests[index] as AttributionRequest;
      expect(pack.sequences[sequence]?.slice(0, inputIds.length)).toEqual(inputIds);
    }
    if (pack.sequences.length === 1) continue;
    expect(rowsOf(pack)).toBeLessThanOrEqual(mostRows);
    expect(pack.members.map(({ sequence }) => sequence)).toEqual(pack.sequences.map((_, index) => index));
    expect(new Set(pack.members.map((member) => requests[member.request]?.rule)).size).toBe(1);
  }
}

test("several token pairs, rules and positions of a prompt are one pack of one sequence", () => {
  const prompt = ids(40);
  const requests = [
    request(prompt.slice(0, 12)),
    request(prompt),
    request(prompt, "cplrp"),
    request(prompt.slice(0, 33), "gradient"),
    request(prompt.slice(0, 12)),
  ];
  const packs = fillPacks(requests, 1024);
  check(requests, packs, 1024);
  expect(packs).toHaveLength(1);
  expect(packs[0]?.sequences).toEqual([prompt]);
  expect(packs[0]?.members.map((member) => requests[member.request]?.inputIds.length)).toEqual([40, 40, 33, 12, 12]);
});

test("a prompt that is the beginning of several others joins one of them", () => {
  const requests = [request([5, 1]), request([5, 1, 2]), request([5, 1, 3]), request([5])];
  const packs = fillPacks(requests, 1024);
  check(requests, packs, 1024);
  expect(packs.reduce((count, { sequences }) => count + sequences.length, 0)).toBe(2);
});

test("more pairs of one prompt than a pack takes are several packs, each as long as it must be", () => {
  const requests = Array.from({ length: 300 }, (_, index) => request(ids(1 + index)));
  const packs = fillPacks(requests, 128);
  check(requests, packs, 128);
  expect(packs.map(({ sequences }) => sequences[0]?.length)).toEqual([300, 172, 44]);
});

describe("prompts of different lengths", () => {
  test("lie side by side up to the bound, longest first; a longer one goes alone", () => {
    const requests = [100, 20, 33, 200, 16, 90].map((length, index) => request(ids(length, 100 + index)));
    const packs = fillPacks(requests, 128);
    check(requests, packs, 128);
    expect(packs.map(({ sequences }) => sequences.map(({ length }) => length))).toEqual([
      [200],
      [100, 16],
      [90, 20],
      [33],
    ]);
  });

  test("random ones of all rules", () => {
    const random = seededRandom(3);
    for (let round = 0; round < 50; round++) {
      const requests = Array.from({ length: random.integer(0, 60) }, () => {
        const inputIds = Array.from({ length: random.integer(1, 50) }, () => random.integer(0, 1));
        return request(inputIds, (["attnlrp", "cplrp", "gradient"] as const)[random.integer(0, 2)] as Rule);
      });
      const mostRows = 16 * random.integer(1, 20);
      const packs = fillPacks(requests, mostRows);
      check(requests, packs, mostRows);
      // First fit never leaves two packs of one rule half empty.
      const half = packs.filter((pack) => pack.sequences.length > 1 && rowsOf(pack) <= mostRows / 2);
      expect(new Set(half.map((pack) => requests[pack.members[0]?.request ?? 0]?.rule)).size).toBe(half.length);
    }
  });
});
