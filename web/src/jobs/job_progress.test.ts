import { expect, test } from "vitest";
import { amountOf, timeOf } from "./job_progress.ts";

const job = {
  kind: "ATTRIBUTE",
  status: "RUNNING",
  done: 30,
  total: 120,
  startedAt: "2026-01-01T00:00:00Z",
  finishedAt: null,
} as const;

test("amounts are in the units of the work", () => {
  expect(amountOf(job)).toBe("30 of 120");
  expect(amountOf({ ...job, kind: "IMPORT", done: 2_500_000, total: 12_000_000 })).toBe("2.5 MB of 12 MB");
  expect(amountOf({ ...job, kind: "FETCH_MODEL", done: 80, total: 1240 })).toBe("80 MB of 1.2 GB");
  expect(amountOf({ ...job, total: 1 })).toBe("");
  expect(amountOf({ ...job, total: 0 })).toBe("");
});

test("what is left is told from what was done, and what a job took when it has ended", () => {
  expect(timeOf(job, "2026-01-01T00:00:20Z")).toBe("about 60 s left");
  expect(timeOf({ ...job, done: 0 }, "2026-01-01T00:00:20Z")).toBe("");
  expect(timeOf({ ...job, startedAt: null }, "2026-01-01T00:00:20Z")).toBe("");
  expect(timeOf({ ...job, status: "COMPLETED", finishedAt: "2026-01-01T00:02:00Z" }, "2026-01-02T00:00:00Z"))
    .toBe("took about 2 min");
});
