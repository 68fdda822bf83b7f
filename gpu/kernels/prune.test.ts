/** The two passes over tiles of edges against their plain references, and against pruning of all edges at once. */
import { beforeAll, describe, expect, test } from "vitest";
import { seededRandom } from "../../test/random.ts";
import type { Device } from "../device/device.ts";
import { sharedDevice } from "../../test/shared_device.ts";
import { packPanels, PANEL, panelBytes, panelsOf } from "./panels.ts";
import { massBin, orderEdges } from "../explanation/prune.ts";
import { BINS } from "./edge_bins.ts";
import {
  countEdges,
  countEdgesReference,
  counterBytes,
  EDGE_WORDS,
  emitEdges,
  emitEdgesReference,
  HISTOGRAM_BYTES,
  REACHED,
  readCounters,
  readEmitted,
  readHistogram,
  WANTED,
} from "./prune.ts";
import type { ScoreBlock } from "./softmax.ts";

let device: Device;
beforeAll(async () => {
  device = await sharedDevice();
});

const random = seededRandom(11);

interface Tile {
  readonly block: ScoreBlock;
  readonly rows: number[][];
  readonly buffer: GPUBuffer;
}

/** A tile of causal edges of all sizes, some of them zero, some of them equal, some subnormal. */
function tile(firstQuery: number, queries: number, firstKey: number): Tile {
  const keys = panelsOf(firstQuery + queries) * PANEL - firstKey;
  const block = { heads: 1, firstQuery, queries, firstKey, keys, window: null };
  const rows = Array.from({ length: queries }, (_, query) =>
    Array.from({ length: keys }, (_, key) => {
      if (firstKey + key > firstQuery + query || random.next() < 0.1) return 0;
      if (random.next() < 0.1) return random.next() < 0.5 ? 0.25 : -0.25;
      return Math.fround(random.normal() * 10 ** random.integer(-6, 2));
    }));
  const buffer = device.allocate(panelBytes(queries, keys), "tile");
  device.write(buffer, 0, packPanels(rows.flat(), queries, keys));
  return { block, rows, buffer };
}

function makeTiles() {
  const tiles = [tile(0, 48, 0), tile(48, 32, 16), tile(80, 21, 48)];
  const tokens = 101;
  const flags = Array.from(
    { length: panelsOf(tokens) * PANEL },
    (_, token) => token >= tokens || token % 5 === 0 ? 0 : token % 3 === 0 ? WANTED | REACHED : WANTED,
  );
  const flagBuffer = device.allocate(flags.length * 4, "flags");
  device.write(flagBuffer, 0, Uint32Array.from(flags));
  return { tiles, flags, flagBuffer, tokens };
}

test("the histogram is the reference's, count by count and bit by bit", async () => {
  const { tiles, flags, flagBuffer } = makeTiles();
  const histogram = device.allocate(HISTOGRAM_BYTES, "histogram");
  for (const { block, buffer } of tiles) countEdges(device, block, buffer, flagBuffer, histogram);
  const found = readHistogram(await device.read(histogram, 0, HISTOGRAM_BYTES));
  const expected = countEdgesReference(tiles, flags);
  expect(found).toEqual(expected);
  expect(Array.from(expected.counts).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(1000);
});

test("sums beyond 32 bits are carried", async () => {
  // 70,016 times the largest lower half: more than 2^32.
  const [queries, keys] = [547, 128];
  const value = new Float32Array(new Uint32Array([0x3f80ffff]).buffer)[0] as number;
  const block = { heads: 1, firstQuery: 0, queries, firstKey: 0, keys, window: null };
  const buffer = device.allocate(panelBytes(queries, keys), "tile");
  device.write(buffer, 0, packPanels(new Float32Array(queries * keys).fill(value), queries, keys));
  const flagBuffer = device.allocate(panelsOf(queries) * PANEL * 4, "flags");
  device.write(flagBuffer, 0, new Uint32Array(panelsOf(queries) * PANEL).fill(WANTED));
  const histogram = device.allocate(HISTOGRAM_BYTES, "histogram");
  countEdges(device, block, buffer, flagBuffer, histogram);
  const { counts, lows } = readHistogram(await device.read(histogram, 0, HISTOGRAM_BYTES));
  expect([counts[0x3f80], lows[0x3f80]]).toEqual([queries * keys, queries * keys * 0xffff]);
  expect(queries * keys * 0xffff).toBeGreaterThan(2 ** 32);
  // The sum is what float64 gives for equal numbers.
  expect(massBin({ counts, lows }, 1).total).toBe(queries * keys * value);
});

describe.each([0.3, 0.85, 1])("mass %d", (mass) => {
  test.each([-1, 0.3, 5])("the emitted edges are the reference's, floor %d", async (floor) => {
    const { tiles, flags, flagBuffer, tokens } = makeTiles();
    const { bin } = massBin(countEdgesReference(tiles, flags), mass);
    expect(bin).toBeLessThan(BINS);
    const expected = emitEdgesReference(tiles, flags, { bin, floor });
    const capacity = 101 * 101;
    const counters = device.allocate(counterBytes(flags.length), "counters");
    const out = device.allocate(capacity * EDGE_WORDS * 4, "edges");
    for (const { block, buffer } of tiles) {
      emitEdges(device, block, buffer, flagBuffer, { counters, out, capacity, bin, floor });
    }
    const { emitted, reaching, marks } = readCounters(await device.read(counters, 0, counterBytes(flags.length)));
    expect([emitted, reaching]).toEqual([expected.edges.length, expected.reaching]);
    expect([...marks]).toEqual(expected.marks);
    const edges = orderEdges(readEmitted(await device.read(out, 0, emitted * EDGE_WORDS * 4)), tokens);
    const list = Array.from(edges.weights, (weight, edge) => [edges.targets[edge], edges.sources[edge], weight]);
    const ordered = expected.edges.toSorted((a, b) => a[0] - b[0] || a[1] - b[1]);
    expect(list).toEqual(ordered);
  });
});
