/** Rows of an embedding matrix in parts against a plain look-up, for each type of its elements. */
import { beforeAll, expect, test } from "vitest";
import { relativeError } from "../../test/compare.ts";
import { seededRandom } from "../../test/random.ts";
import { sharedDevice } from "../../test/shared_device.ts";
import type { Device } from "../device/device.ts";
import { embedTokens } from "./decode.ts";
import { packPanels, packRawPanels, panelBytes, unpackPanels } from "./panels.ts";

const random = seededRandom(7);
let device: Device;
beforeAll(async () => device = await sharedDevice());

const [VOCABULARY, HIDDEN] = [70, 37];
/** Rows of each part of the matrix: a part ends where a panel of 16 rows does. */
const PARTS = [32, 32, 6];
/** From every part, some twice, the last row too. */
const TOKENS = [0, 31, 32, 69, 5, 5, 63, 64, 40, 12, 1, 69, 33, 2, 3, 4, 17];

test.each(["f32", "bf16"] as const)("embed-tokens: %s rows, scaled, written and added", async (type) => {
  // bf16 keeps the upper half of a float's bits: these values lose nothing.
  const numbers = Float32Array.from({ length: VOCABULARY * HIDDEN }, () => random.integer(-128, 127) / 64);
  const halves = Uint16Array.from(new Uint32Array(numbers.buffer), (word) => word >>> 16);
  let firstRow = 0;
  const shards = PARTS.map((rows) => {
    const [from, to] = [firstRow * HIDDEN, (firstRow + rows) * HIDDEN];
    const buffer = device.allocate(panelBytes(rows, HIDDEN, type), "test part");
    if (type === "f32") device.write(buffer, 0, packPanels(numbers.subarray(from, to), rows, HIDDEN));
    else {
      const packed = new Uint16Array(panelBytes(rows, HIDDEN, type) / 2);
      packRawPanels(halves.subarray(from, to), rows, HIDDEN, packed);
      device.write(buffer, 0, new Uint8Array(packed.buffer));
    }
    const shard = { buffer, firstRow, rows, type };
    firstRow += rows;
    return shard;
  });
  const tokens = device.allocate(TOKENS.length * 4, "test tokens");
  device.write(tokens, 0, Uint32Array.from(TOKENS));
  const bytes = panelBytes(TOKENS.length, HIDDEN);
  const x = device.allocate(bytes, "test rows");
  const matrix = { rows: VOCABULARY, columns: HIDDEN, shards };
  const download = async () => unpackPanels(new Float32Array(await device.read(x, 0, bytes)), TOKENS.length, HIDDEN);
  const rows = (scale: number) =>
    TOKENS.flatMap((token) => Array.from(numbers.subarray(token * HIDDEN, (token + 1) * HIDDEN), (one) => scale * one));

  embedTokens(device, { count: TOKENS.length, tokens, matrix, x });
  expect(relativeError(await download(), rows(1))).toBe(0);
  embedTokens(device, { count: TOKENS.length, tokens, matrix, x, scale: 0.5, accumulate: true });
  expect(relativeError(await download(), rows(1.5))).toBe(0);
});
