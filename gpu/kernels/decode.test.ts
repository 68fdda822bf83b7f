/** Attention of new rows to a cache of keys and values against a plain reference, and alone to the last bit. */
import { beforeAll, describe, expect, test } from "vitest";
import { relativeError } from "../../test/compare.ts";
import { matricesOn } from "../../test/matrices.ts";
import { seededRandom } from "../../test/random.ts";
import { sharedDevice } from "../../test/shared_device.ts";
import type { Device } from "../device/device.ts";
import {
  type CachePlace,
  cacheStore,
  decodeAttention,
  decodeAttentionReference,
  decodeScratchBytes,
  newestRow,
  placeWords,
} from "./decode.ts";
import { panelBytes } from "./panels.ts";
import { HIDDEN } from "./softmax.ts";

const TOLERANCE = 2e-6;
const random = seededRandom(7);
let device: Device;
beforeAll(async () => {
  device = await sharedDevice();
});

const { upload, list, download } = matricesOn(() => device);

/** The cache row of each position that a place sees. */
const slotsOf = ({ end, shared, sharedStart, ownStart }: CachePlace) =>
  Array.from(
    { length: end },
    (_, position) => position < shared ? sharedStart + position : ownStart + position - shared,
  );

interface Shape {
  readonly queryHeads: number;
  readonly keyHeads: number;
  readonly headColumns: number;
  readonly cap: number | null;
  readonly window: number | null;
}

/** A cache of random keys and values, places in it, and new rows. */
function prepare({ queryHeads, keyHeads, headColumns }: Shape, places: readonly CachePlace[], cacheRows: number) {
  const query = queryHeads * headColumns;
  const key = keyHeads * headColumns;
  const rows = places.length;
  const old = random.normals(cacheRows * 2 * key);
  const rotated = random.normals(rows * (query + key));
  const x = random.normals(rows * (query + 2 * key));
  const cache = upload(old, cacheRows, 2 * key);
  const shape = { queryHeads, keyHeads, headColumns, cache };
  cacheStore(device, {
    ...shape,
    rows,
    rotated: upload(rotated, rows, query + key),
    x: upload(x, rows, query + 2 * key),
    targetRows: list(Uint32Array.from(places, newestRow)),
  });
  const stored = Array.from({ length: cacheRows }, (_, row) => old.subarray(row * 2 * key, (row + 1) * 2 * key));
  places.forEach((place, row) => {
    const keys = rotated.subarray(row * (query + key) + query, (row + 1) * (query + key));
    const values = x.subarray(row * (query + 2 * key) + query + key, (row + 1) * (query + 2 * key));
    stored[newestRow(place)] = Float32Array.of(...keys, ...values);
  });
  return { shape, rotated, stored, query, key };
}

type Prepared = ReturnType<typeof prepare>;

/** What the heads write for some of the places, [rows, q]. */
async function attend(
  adapter: Device,
  { queryHeads, headColumns, cap, window }: Shape,
  { shape, rotated, query, key }: Prepared,
  places: readonly CachePlace[],
  { from = 0, bias, longest = Math.max(...places.map(({ end }) => end)) }: {
    readonly from?: number;
    readonly bias?: GPUBuffer;
    readonly longest?: number;
  } = {},
): Promise<Float32Array> {
  const rows = places.length;
  const scratch = decodeScratchBytes({ rows, queryHeads, headColumns, longest });
  const out = device.allocate(panelBytes(rows, query), "test output");
  const width = query + key;
  decodeAttention(adapter, {
    ...shape,
    rows,
    rotated: upload(rotated.subarray(from * width, (from + rows) * width), rows, width),
    places: list(Uint32Array.from(places.flatMap(placeWords))),
    attention: { window, scale: 0.9 / Math.sqrt(headColumns), cap },
    longest,
    sums: device.allocate(scratch.sums, "test sums"),
    stats: device.allocate(scratch.stats, "test totals"),
    bias,
    out,
  });
  return await download(out, rows, query);
}

/** The same by the plain reference; what `hidden` names is left out. */
function reference(
  { queryHeads, keyHeads, headColumns, cap, window }: Shape,
  { rotated, stored, query, key }: Prepared,
  places: readonly CachePlace[],
  hidden: ReadonlySet<number> = new Set(),
): number[] {
  return places.flatMap((place, row) => {
    const slots = slotsOf(place).slice(window === null ? 0 : -window).filter((slot) => !hidden.has(slot));
    return Array.from({ length: queryHeads }, (_, head) => {
      const first = Math.floor(head / (queryHeads / keyHeads)) * headColumns;
      const part = (at: number) => slots.map((slot) => Array.from(stored[slot]!.subarray(at, at + headColumns)));
      const at = row * (query + key) + head * headColumns;
      const own = Array.from(rotated.subarray(at, at + headColumns));
      return decodeAttentionReference(
        { scale: 0.9 / Math.sqrt(headColumns), cap },
        own,
        part(first),
        part(key + first),
      );
    }).flat();
  });
}

/** As this adapter runs it, and as hardware does. */
const variants = () => [device, { ...device, info: { ...device.info, lanes: 0 } }];

// The second and third row share the positions before their own rows. 128 positions are one run.
const SHORT: readonly CachePlace[] = [
  { end: 1, shared: 0, sharedStart: 0, ownStart: 0 },
  { end: 45, shared: 40, sharedStart: 16, ownStart: 100 },
  { end: 73, shared: 60, sharedStart: 16, ownStart: 77 },
];
const LONG: readonly CachePlace[] = [
  { end: 300, shared: 270, sharedStart: 16, ownStart: 400 },
  { end: 128, shared: 120, sharedStart: 16, ownStart: 440 },
  { end: 2, shared: 1, sharedStart: 0, ownStart: 460 },
  { end: 129, shared: 0, sharedStart: 0, ownStart: 480 },
];

describe.each(
  [
    [4, 2, 8, null],
    [3, 1, 24, 0.7],
    [9, 3, 80, 1.1],
    [4, 1, 256, null],
  ] as const,
)("attention to a cache, %i/%i heads of %i, cap %s", (queryHeads, keyHeads, headColumns, cap) => {
  test.each([[SHORT, 128, 70], [LONG, 640, null], [LONG, 640, 70]] as const)(
    "places %#",
    async (places, cacheRows, window) => {
      const shape: Shape = { queryHeads, keyHeads, headColumns, cap, window };
      const prepared = prepare(shape, places, cacheRows);
      const expected = reference(shape, prepared, places);
      for (const adapter of variants()) {
        const together = await attend(adapter, shape, prepared, places);
        expect(relativeError(together, expected)).toBeLessThan(TOLERANCE);
        // A place alone, whose runs are fewer, and one beside longer ones give the same bits.
        for (const [row, place] of places.entries()) {
          const own = together.subarray(row * prepared.query, (row + 1) * prepared.query);
          expect(await attend(adapter, shape, prepared, [place], { from: row })).toEqual(own);
          expect(await attend(adapter, shape, prepared, [place], { from: row, longest: 700 })).toEqual(own);
        }
      }
    },
  );
});

test("what hides a cache row hides it in every run, a run that is hidden as a whole too", async () => {
  const shape: Shape = { queryHeads: 4, keyHeads: 2, headColumns: 32, cap: null, window: null };
  const prepared = prepare(shape, LONG, 640);
  const hidden = new Set(Array.from({ length: 130 }, (_, index) => 16 + index).concat([200]));
  const bias = list(Float32Array.from({ length: 640 }, (_, row) => hidden.has(row) ? HIDDEN : 0));
  const places = LONG.slice(0, 2);
  const expected = reference(shape, prepared, places, hidden);
  for (const adapter of variants()) {
    const found = await attend(adapter, shape, prepared, places, { bias });
    expect(relativeError(found, expected)).toBeLessThan(TOLERANCE);
  }
});
