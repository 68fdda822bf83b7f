import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { progressBar } from "./progress.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

function drawn(progress = true) {
  const notes: string[] = [];
  const bar = progressBar({ progress, note: (text) => void notes.push(text) });
  return { bar, last: () => notes.at(-1)?.replace("\r", "").trimEnd(), notes };
}

test("a bar says done, total and the time left by what came since it began", () => {
  const { bar, last } = drawn();
  bar.update({ phase: "pairs", done: 100, total: 500 });
  expect(last()).toBe("pairs    [#####-------------------]  20 %  100/500");
  vi.advanceTimersByTime(10_000);
  bar.update({ phase: "pairs", done: 200, total: 500 });
  expect(last()).toBe("pairs    [##########--------------]  40 %  200/500, 30 s left");
  vi.advanceTimersByTime(10_000);
  // Another phase begins anew.
  bar.update({ phase: "mask", done: 0, total: 10 });
  expect(last()).toBe("mask     [------------------------]   0 %  0/10");
});

test("what is under way counts for the bar and the time, not for what is done", () => {
  const { bar, last } = drawn();
  bar.update({ phase: "collect", done: 0, total: 400, detail: "decode 0/512" });
  vi.advanceTimersByTime(4000);
  bar.update({ phase: "collect", done: 0, underWay: 100, total: 400, detail: "decode 256/512" });
  expect(last()).toBe("collect  [######------------------]  25 %  0/400, 12 s left, decode 256/512");
});

test.each([[7_100, "119 min left"], [100_000, "28 h left"]])("%d seconds are told as %s", (seconds, words) => {
  const { bar, last } = drawn();
  bar.update({ phase: "graph", done: 0, total: 2 });
  vi.advanceTimersByTime(seconds * 1000);
  bar.update({ phase: "graph", done: 1, total: 2 });
  expect(last()).toContain(words);
});

test("no line is longer than a terminal, bytes are written out, and nothing is drawn elsewhere", () => {
  const { bar, last } = drawn();
  bar.update({ phase: "a very long name", done: 1, total: 3e12, unit: "bytes", detail: "word ".repeat(30) });
  expect(last()!.length).toBeLessThanOrEqual(79);
  expect(last()).toMatch(/^a very l \[-+\] {3}0 % {2}0\.0 MiB of /);
  const silent = drawn(false);
  silent.bar.update({ phase: "load", done: 0, total: 3 });
  silent.bar.end();
  expect(silent.notes).toEqual([]);
});
