import { expect, test } from "vitest";
import { describeBytes, describePlan, describeSeconds } from "./plan_words.ts";

test.each([
  [0.04, "less than a second"],
  [1.26, "about 1.3 s"],
  [89, "about 89 s"],
  [90, "about 1.5 min"],
  [754, "about 13 min"],
  [5400, "about 1.5 h"],
  [400_000, "about 110 h"],
])("%s seconds are %s", (seconds, words) => {
  expect(describeSeconds(seconds)).toBe(words);
});

test.each([[6_639_424, "6.6 MB"], [208_238_379, "208 MB"], [24e9, "24 GB"], [1.24e9, "1.2 GB"]])(
  "%s bytes are %s",
  (bytes, words) => {
    expect(describeBytes(bytes)).toBe(words);
  },
);

test("a plan tells one run by itself, many with the longest, and nothing when nothing is missing", () => {
  const plan = {
    __typename: "Plan" as const,
    runs: 1,
    longest: 106,
    seconds: 12,
    gpuBytes: 7e6,
    hostBytes: 2e8,
    fits: true,
    why: "",
    adapter: "A",
  };
  expect(describePlan(plan)).toBe("Takes about 12 s, 7.0 MB on the device and 200 MB beside it.");
  expect(describePlan({ ...plan, runs: 1417 })).toBe(
    "1,417 runs take about 12 s; the longest, of 106 tokens, 7.0 MB on the device and 200 MB beside it.",
  );
  expect(describePlan({ ...plan, runs: 0 })).toBe("Nothing is missing: every result is stored.");
});
