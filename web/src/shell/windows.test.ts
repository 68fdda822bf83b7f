import { expect, test } from "vitest";
import { readWindows } from "./windows.ts";

test.each([0, 1, 1024, 1025, 12374])("windows cover %i tokens once, in order, bounded", async (total) => {
  let running = 0;
  let most = 0;
  const windows = await readWindows(total, 1024, async (from, count) => {
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
    return Array.from({ length: count }, (_, index) => from + index);
  });
  expect(windows.flat()).toEqual(Array.from({ length: total }, (_, index) => index));
  expect(Math.max(0, ...windows.map((window) => window.length))).toBeLessThanOrEqual(1024);
  expect(most).toBeLessThanOrEqual(4);
});
