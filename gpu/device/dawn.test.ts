import { afterAll, expect, test } from "vitest";
import { allocationBytes } from "./buffers.ts";
import { openDevice } from "./dawn.ts";

const device = await openDevice();
afterAll(() => device.close());

test("a buffer that was freed is used again, and is zero again", async () => {
  const first = device.allocate(64, "first");
  device.write(first, 0, Uint32Array.from({ length: 16 }, (_, index) => index + 1));
  device.free(first);
  const second = device.allocate(64, "second");
  expect(second).toBe(first);
  expect([...new Uint32Array(await device.read(second, 0, 64))]).toEqual(new Array(16).fill(0));
  device.free(second);
});

test("who frees and asks in the same order gets the same buffers, so that recorded bindings fit again", () => {
  const ask = () => [32, 32, 48].map((bytes) => device.allocate(bytes, "asked"));
  const before = ask();
  before.toReversed().forEach((buffer) => device.free(buffer));
  const again = ask();
  expect(again.every((buffer, index) => buffer === before[index])).toBe(true);
  again.forEach((buffer) => device.free(buffer));
});

test("work on a freed buffer that was recorded before is done before the buffer is used again", async () => {
  const source = device.allocate(16, "source");
  const out = device.allocate(16, "copy");
  device.write(source, 0, Uint32Array.of(7, 7, 7, 7));
  device.copy(source, 0, out, 0, 16);
  device.free(source);
  const next = device.allocate(16, "next");
  device.write(next, 0, Uint32Array.of(1, 1, 1, 1));
  expect([...new Uint32Array(await device.read(out, 0, 16))]).toEqual([7, 7, 7, 7]);
  device.free(next);
  device.free(out);
});

test("memory in use counts what is allocated, not what is kept", () => {
  const before = device.allocatedBytes();
  const buffer = device.allocate(1024, "counted");
  expect(device.allocatedBytes()).toBe(before + 1024);
  device.free(buffer);
  expect(device.allocatedBytes()).toBe(before);
});

test("what is kept makes room when more is asked for than was ever in use together", async () => {
  const small = device.allocate(10 * 2 ** 20, "small");
  device.free(small);
  const large = device.allocate(12 * 2 ** 20, "large");
  const again = device.allocate(10 * 2 ** 20, "small again");
  // The kept one was destroyed to make room: a destroyed buffer would fail here.
  expect(again).not.toBe(small);
  device.write(again, 0, Uint32Array.of(3));
  expect(new Uint32Array(await device.read(again, 0, 4))[0]).toBe(3);
  device.free(large);
  device.free(again);
});

test("sizes that differ little share a buffer, none takes half as much again as was asked for, large ones nothing", () => {
  expect(allocationBytes(3)).toBe(16);
  expect(allocationBytes(100)).toBe(128);
  expect(allocationBytes(1000)).toBe(allocationBytes(1024));
  for (const asked of [17, 129, 1000, 5000, 123_456, 10_000_001]) {
    expect(allocationBytes(asked)).toBeGreaterThanOrEqual(asked);
    expect(allocationBytes(asked)).toBeLessThan(asked * 1.5 + 16);
    expect(allocationBytes(asked) % 16).toBe(0);
  }
  expect(allocationBytes(100_000_001)).toBe(100_000_016);
  expect(allocationBytes(1_000_001, true)).toBe(1_000_016);
});

test("advance waits for the submission before, and flush for all", async () => {
  const buffer = device.allocate(16, "advanced");
  device.write(buffer, 0, Uint32Array.of(1, 2, 3, 4));
  await device.advance();
  device.clear(buffer);
  await device.advance();
  await device.flush();
  expect(new Uint32Array(await device.read(buffer, 0, 4))[0]).toBe(0);
  device.free(buffer);
});

test("advance says that the device is lost", async () => {
  const doomed = await openDevice();
  const buffer = doomed.allocate(16, "doomed");
  doomed.write(buffer, 0, Uint32Array.of(1));
  await doomed.advance();
  doomed.close();
  await doomed.lost;
  await expect(doomed.advance()).rejects.toThrow(/device lost/);
});
