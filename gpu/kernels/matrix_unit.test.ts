/** A matrix unit that does not compile, as on every adapter without one, is left alone with one line. */
import { afterEach, expect, test, vi } from "vitest";
import { openDevice } from "../device/dawn.ts";
import { matmul, whole } from "./matmul.ts";
import { checkMatrixUnit } from "./matrix_unit.ts";
import { packPanels, panelBytes, unpackPanels } from "./panels.ts";

afterEach(() => vi.restoreAllMocks());

test("a unit whose kernel fails is turned off, said in one line, and products go on without it", async () => {
  const plain = await openDevice();
  const unit = { M: 16, N: 16, K: 16, largest: plain.allocate(16, "largest"), state: "unchecked" as const };
  const device = { ...plain, matrixUnit: { ...unit, state: unit.state as "unchecked" | "good" | "off" } };
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  const before = device.allocatedBytes();
  await checkMatrixUnit(device);
  expect(device.matrixUnit.state).toBe("off");
  expect(warn).toHaveBeenCalledTimes(1);
  expect(warn.mock.calls[0]?.[0]).toMatch(/^.+: matrix unit not used: .+$/);
  expect(device.allocatedBytes()).toBe(before);

  const identity = Float32Array.from({ length: 256 }, (_, index) => index % 17 === 0 ? 1 : 0);
  const [a, b, c] = [1, 2, 3].map(() => device.allocate(panelBytes(16, 16), "matrix")) as [
    GPUBuffer,
    GPUBuffer,
    GPUBuffer,
  ];
  device.write(a, 0, packPanels(identity, 16, 16));
  device.write(b, 0, packPanels(identity, 16, 16));
  matmul(device, { mode: "nt", m: 16, n: 16, k: 16, a: whole(a, 16), b: whole(b, 16), c: whole(c, 16) });
  const found = new Float32Array(await device.read(c, 0, panelBytes(16, 16)));
  expect(unpackPanels(found, 16, 16)).toEqual(identity);
  plain.close();
});
