/** The doctor's checks hold on this adapter, and tell an adapter that computes something else. */
import { beforeAll, expect, test } from "vitest";
import type { Device } from "../device/device.ts";
import { sharedDevice } from "../../test/shared_device.ts";
import { RULES } from "../engine.ts";
import { checkDevice, relativeError } from "./check.ts";
import { estimate, measureSpeed } from "./speed.ts";

let device: Device;
beforeAll(async () => {
  device = await sharedDevice();
});

/** The device with other numbers where it reads results back. */
function wrong(change: (value: number, index: number) => number): Device {
  return {
    ...device,
    read: async (buffer, offset, bytes) =>
      new Float32Array(await device.read(buffer, offset, bytes)).map(change).buffer,
  };
}

test("this adapter passes: every golden model by every rule, conservation and products", async () => {
  const { golden, conservation, product, holds } = await checkDevice(device);
  expect(golden.map(({ model, rule }) => `${model} ${rule}`)).toEqual(
    ["demo-1m", "olmo3-a"].flatMap((model) => RULES.map((rule) => `${model} ${rule}`)),
  );
  for (const value of [...golden, conservation, product]) expect(value).toMatchObject({ holds: true });
  expect(Math.max(...golden.map(({ error }) => error))).toBeLessThan(1e-4);
  expect(holds).toBe(true);
});

test.each<[string, (value: number, index: number) => number]>([
  ["inverts all signs", (value) => -value],
  ["is off by a thousandth", (value) => value * 1.001],
  ["loses a value of many", (value, index) => index === 0 ? 0 : value],
  ["makes something that is no number", (value, index) => index === 0 ? NaN : value],
])("an adapter that %s is found out by the short check", async (_, change) => {
  expect((await checkDevice(wrong(change), { short: true })).holds).toBe(false);
});

test("a product alone that is wrong is found out", async () => {
  const checked = new Set<GPUBuffer>();
  const skips: Device = {
    ...device,
    allocate: (bytes, label, lasting) => {
      const buffer = device.allocate(bytes, label, lasting);
      if (label === "product to check") checked.add(buffer);
      return buffer;
    },
    run: (dispatch) => dispatch.bindings.some((buffer) => checked.has(buffer)) ? undefined : device.run(dispatch),
  };
  const { product, holds } = await checkDevice(skips, { short: true });
  expect({ product: product.holds, holds }).toEqual({ product: false, holds: false });
});

test("what is no number is never a small error", () => {
  expect(relativeError([NaN, 1], [1, 1])).toBeNaN();
  expect(relativeError([1], [1, 1])).toBe(Infinity);
  expect(relativeError([1, 2], [1, 4])).toBe(0.5);
});

test("speed is a number of this adapter, estimates follow from it", async () => {
  const { gflops, estimates } = await measureSpeed(device);
  expect(gflops).toBeGreaterThan(0.1);
  expect(gflops).toBeLessThan(1e6);
  expect(estimates.map(({ parameters }) => parameters)).toEqual([1e8, 1e9, 8e9]);
  // 4 operations for each of 10^9 parameters and 500 tokens, at half of 10^12 a second.
  expect(estimate(1e9, 1000, 3e9)).toEqual({ parameters: 1e9, tokens: 500, seconds: 4, weightBytes: 2e9, fits: true });
  expect(estimate(1e9, 1000, 1e9).fits).toBe(false);
  expect(estimate(1e9, 1000, undefined).fits).toBeNull();
});
