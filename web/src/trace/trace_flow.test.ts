/** What flows between the parts of a trace, by numbers that are worked out by hand. */
import { expect, test } from "vitest";
import { passedOn } from "../../../figures/trace_arc.tsx";
import type { Trace, TraceRow } from "./documents.ts";
import { flowsOf, isolate, linesOf, partsOf } from "./trace_flow.ts";

const row = (values: Partial<TraceRow>): TraceRow => ({
  value: 1,
  tokens: 1,
  absolute: 10,
  own: 0,
  special: 0,
  signed: [],
  shares: [],
  weight: 0,
  signedWeight: 0,
  lost: 0,
  signedLost: 0,
  ...values,
});

/**
 * Two sentences, two steps and the error. Step 1 rests on the sentences, 3 to 1; step 2 on step 1 and itself alike, and a
 * tenth on special tokens; the error on step 2 with 0.8, on sentence 2 with 0.2, against it.
 */
const TRACE = {
  sentences: [{ start: 0, end: 4, text: "A." }, { start: 4, end: 6, text: "B." }],
  steps: [
    {
      index: 0,
      kind: "SENTENCE",
      start: 6,
      end: 8,
      text: "So C.",
      weight: 0.64,
      signedWeight: 0.64,
      row: row({ shares: [0.75, 0.25], signed: [7.5, -2.5], weight: 0.64, signedWeight: 0.64 }),
    },
    {
      index: 1,
      kind: "SENTENCE",
      start: 8,
      end: 10,
      text: "So D.",
      weight: 0.8,
      signedWeight: 0.8,
      row: row({
        own: 0.5,
        special: 0.1,
        shares: [0, 0, 0.4],
        signed: [0, 0, 4],
        weight: 0.8,
        signedWeight: 0.8,
        lost: 0.16,
      }),
    },
  ],
  error: row({ shares: [0, 0.2, 0, 0.8], signed: [0, -2, 0, 8], weight: 1, signedWeight: 1 }),
  tokenCount: 10,
} as unknown as Trace;
const parts = partsOf(TRACE, "wrong");

test("a row passes on what its own tokens leave", () => {
  expect(passedOn(TRACE.steps[1]!.row!)).toEqual([
    { to: 0, share: 0, signed: 0 },
    { to: 1, share: 0, signed: 0 },
    { to: 2, share: 0.8, signed: 0.8 },
  ]);
  expect(passedOn(row({ own: 1, shares: [0.5] }))).toEqual([]);
});

test("parts are sentences, steps and the error, and a sentence has what all rows pass on to it", () => {
  expect(parts.map(({ label }) => label)).toEqual(["prompt 1", "prompt 2", "step 1", "step 2", "error"]);
  expect(parts[0]!.weight).toBeCloseTo(0.64 * 0.75, 12);
  expect(parts[1]!.weight).toBeCloseTo(0.64 * 0.25 + 0.2, 12);
  expect(parts[1]!.signedWeight).toBeCloseTo(-0.64 * 0.25 - 0.2, 12);
  // What comes from the prompt and what is lost are all of it.
  const lost = parts.reduce((sum, part) => sum + (part.row?.lost ?? 0), 0);
  expect(parts[0]!.weight + parts[1]!.weight + lost).toBeCloseTo(1, 12);
});

test("flows of the error's relevance, the largest first", () => {
  const flows = flowsOf(parts).filter(({ share }) => share > 0).map((
    { from, to, share },
  ) => [from, to, share.toFixed(2)]);
  expect(flows).toEqual([
    [4, 3, "0.80"],
    [3, 2, "0.64"],
    [2, 0, "0.48"],
    [4, 1, "0.20"],
    [2, 1, "0.16"],
  ]);
});

test("a step alone has what it rests on, with shares of itself, and what rests on it", () => {
  const { reached, resting, ancestors, descendants, flows } = isolate(parts, 2);
  expect(reached).toEqual([0.75, 0.25, 1, 0, 0]);
  // The error rests on it through step 2.
  expect(resting.map((share) => share.toFixed(2))).toEqual(["0.00", "0.00", "1.00", "0.80", "0.64"]);
  expect([[...ancestors], [...descendants]]).toEqual([[0, 1], [3, 4]]);
  expect(flows.map(({ from, to, share }) => `${from}-${to} ${share.toFixed(2)}`)).toEqual([
    "3-2 0.80",
    "2-0 0.75",
    "4-3 0.64",
    "2-1 0.25",
  ]);
  const ofPrompt = isolate(parts, 0);
  expect([[...ofPrompt.ancestors], [...ofPrompt.descendants]]).toEqual([[], [2, 3, 4]]);
  expect(ofPrompt.resting[4]).toBeCloseTo(parts[0]!.weight, 12);
  expect([...isolate(parts, 4).ancestors]).toEqual([0, 1, 2, 3]);
});

test("runs of parts that are left out are folded, those of the prompt apart, and opened by their first", () => {
  const shape = (opened: readonly number[], isShown: (number: number) => boolean) =>
    linesOf(parts, ({ number }) => isShown(number), opened)
      .map(({ part, folded }) => part?.number ?? folded!.map(({ number }) => number));
  expect(shape([], (number) => number === 4)).toEqual([[0, 1], [2, 3], 4]);
  expect(shape([2], (number) => number === 4)).toEqual([[0, 1], 2, 3, 4]);
  expect(shape([], () => true)).toEqual([0, 1, 2, 3, 4]);
});
