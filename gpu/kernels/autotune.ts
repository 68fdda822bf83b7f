/**
 * Which tile is fastest for a model's products on this adapter: measured once, briefly, when a model is loaded, and kept
 * in a file. Tiles differ over rows and columns only, never in the order of summation, so tuning changes no number.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { cacheFolder } from "../device/cache_folder.ts";
import type { Device, Tile } from "../device/device.ts";
import { candidateTiles, type Matmul, matmul, tileKey, tileRowClasses, whole } from "./matmul.ts";
import { readSource } from "../device/source.ts";
import { checkMatrixUnit } from "./matrix_unit.ts";
import { columns4, panelBytes } from "./panels.ts";
import type { WeightMatrix } from "./weight_matrix.ts";

/** Smaller matrices take the default tile: there is nothing to gain. */
const SMALLEST_ELEMENTS = 2 ** 18;
/** A tile must be this much faster than the default to be kept: timings differ by chance. */
const GAIN = { hardware: 0.95, software: 0.8 };
const ROUNDS = 2;

/** Tunes the products of a block's matrices. CULPRIT_AUTOTUNE=off leaves the defaults. Checks the matrix unit before. */
export async function tune(device: Device, matrices: readonly WeightMatrix[]): Promise<void> {
  await checkMatrixUnit(device);
  if (!device.tiles || Deno.env.get("CULPRIT_AUTOTUNE") === "off") return;
  const products = productsOf(device, matrices).filter((product) => !device.tiles?.has(tileKey(device, product)));
  if (products.length === 0) return;
  const file = tuningFile(device);
  const known = readTiles(file, candidateTiles(device));
  const missing = products.filter((product) => !known.has(tileKey(device, product)));
  for (const product of missing) known.set(tileKey(device, product), await fastest(device, product));
  if (missing.length > 0) writeTiles(file, known);
  for (const product of products) {
    const key = tileKey(device, product);
    device.tiles.set(key, known.get(key) as Tile);
  }
}

type WeightProduct = Pick<Matmul, "mode" | "m" | "n" | "k" | "b">;

/** Forward and backward products of matrices, for each class of rows. */
function productsOf(device: Device, matrices: readonly WeightMatrix[]): WeightProduct[] {
  return matrices.flatMap(({ shards, columns }) => {
    const [shard] = shards;
    if (!shard || shard.rows * columns < SMALLEST_ELEMENTS) return [];
    const b = { ...whole(shard.buffer, columns), type: shard.type };
    return tileRowClasses(device).flatMap((m) => [
      { mode: "nt" as const, m, n: shard.rows, k: columns, b },
      { mode: "nn" as const, m, n: columns, k: shard.rows, b },
    ]);
  });
}

/**
 * Milliseconds by which work is timed: of the clock, or on a software adapter, which computes in this process, of its
 * processor time, on which other processes that want the same cores have less effect.
 */
function clockOf({ info: { kind } }: Device): () => number {
  if (kind === "hardware") return () => performance.now();
  return () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
}

async function fastest(device: Device, product: WeightProduct): Promise<Tile> {
  const { mode, m, n, k, b } = product;
  const key = tileKey(device, product);
  const a = device.allocate(panelBytes(m, k), "rows to tune with");
  const c = device.allocate(panelBytes(m, n), "product to tune with");
  const tiles = candidateTiles(device);
  const best = new Map<Tile, number>();
  // Hardware needs several products at once to be measured at all; software takes long for one.
  const isHardware = device.info.kind === "hardware";
  const repeats = isHardware ? 8 : 1;
  const measured = { ...device, tiles: new Map<string, Tile>() };
  const now = clockOf(device);
  try {
    device.write(a, 0, new Float32Array(panelBytes(m, k) / 4).fill(1 / columns4(k)));
    // The first round compiles and counts for nothing.
    for (let round = 0; round <= ROUNDS; round++) {
      for (const tile of tiles) {
        measured.tiles.set(key, tile);
        const start = now();
        for (let repeat = 0; repeat < repeats; repeat++) {
          matmul(measured, { mode, m, n, k, a: whole(a, k), b, c: whole(c, n) });
        }
        await device.flush();
        if (round > 0) best.set(tile, Math.min(best.get(tile) ?? Infinity, now() - start));
      }
    }
  } finally {
    device.destroy(a);
    device.destroy(c);
  }
  const [first, ...others] = tiles as [Tile, ...Tile[]];
  const time = (tile: Tile) => best.get(tile) as number;
  const winner = others.reduce((one, other) => time(other) < time(one) ? other : one, first);
  return time(winner) < GAIN[isHardware ? "hardware" : "software"] * time(first) ? winner : first;
}

/** A file for each adapter, driver and version of the kernels. */
function tuningFile({ info: { name, lanes } }: Device): string {
  const hash = createHash("sha256");
  for (const text of [name, String(lanes), readSource("matmul"), readSource("matmul-tile"), readSource("blocks.inc")]) {
    hash.update(`${text}\0`);
  }
  return join(cacheFolder(), "autotune", `${hash.digest("hex").slice(0, 16)}.json`);
}

/** The tiles of a file; none where it is missing, broken, or names a tile that is no candidate. */
function readTiles(file: string, candidates: readonly Tile[]): Map<string, Tile> {
  const tiles = new Map<string, Tile>();
  try {
    for (const [key, value] of Object.entries(JSON.parse(readFileSync(file, "utf8")) as Record<string, Tile>)) {
      const tile = candidates.find(({ ROWS, COLS }) => ROWS === value.ROWS && COLS === value.COLS);
      if (tile) tiles.set(key, tile);
    }
  } catch {
    return new Map();
  }
  return tiles;
}

/** Written beside and renamed, so that another process never reads half a file. A cache that cannot be kept is no error. */
function writeTiles(file: string, tiles: ReadonlyMap<string, Tile>): void {
  try {
    mkdirSync(join(file, ".."), { recursive: true });
    const partial = `${file}.${Deno.pid}`;
    writeFileSync(partial, JSON.stringify(Object.fromEntries(tiles), null, 1));
    renameSync(partial, file);
  } catch {
    // A read-only folder: the next process measures again.
  }
}
