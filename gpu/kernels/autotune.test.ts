/** Tuning finds a tile, keeps it, survives a broken file, and changes no bit of a product. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { seededRandom } from "../../test/random.ts";
import { tune } from "./autotune.ts";
import type { Device } from "../device/device.ts";
import { openDevice } from "../device/dawn.ts";
import { candidateTiles, type Matmul, matmul, tileKey, whole } from "./matmul.ts";
import { packPanels, panelBytes } from "./panels.ts";
import type { WeightMatrix } from "./weight_matrix.ts";

const ROWS = 512;
const COLUMNS = 528;
const before = Deno.env.get("CULPRIT_HOME");
const home = mkdtempSync(join(tmpdir(), "culprit-autotune-"));
let device: Device;
let matrix: WeightMatrix;

beforeAll(async () => {
  Deno.env.set("CULPRIT_HOME", home);
  device = await openDevice();
  const buffer = device.allocate(panelBytes(ROWS, COLUMNS), "weights");
  device.write(buffer, 0, packPanels(seededRandom(3).normals(ROWS * COLUMNS), ROWS, COLUMNS));
  matrix = { shards: [{ buffer, firstRow: 0, rows: ROWS, type: "f32" }], rows: ROWS, columns: COLUMNS };
});
afterAll(() => {
  device?.close();
  if (before === undefined) Deno.env.delete("CULPRIT_HOME");
  else Deno.env.set("CULPRIT_HOME", before);
  rmSync(home, { recursive: true });
});

const matrices = () => [matrix];
const fresh = (changes: Partial<Device["info"]> = {}) => ({
  ...device,
  info: { ...device.info, ...changes },
  tiles: new Map(),
});
const cacheFile = () => {
  const folder = join(home, "autotune");
  const [file] = readdirSync(folder);
  return join(folder, file as string);
};

test("tiles are found, kept in a file, read again, and found again where the file is broken", async () => {
  const first = fresh();
  await tune(first, matrices());
  const candidates = candidateTiles(first);
  expect(first.tiles.size).toBeGreaterThan(0);
  for (const tile of first.tiles.values()) expect(candidates).toContainEqual(tile);
  expect(Object.keys(JSON.parse(readFileSync(cacheFile(), "utf8"))).sort()).toEqual([...first.tiles.keys()].sort());

  // What the file says is taken: another candidate than the one found.
  const [key, tile] = [...first.tiles][0] as [string, { ROWS: number; COLS: number }];
  const other = candidates.find(({ ROWS: rows }) => rows !== tile.ROWS);
  const entries = { ...Object.fromEntries(first.tiles), [key]: other };
  writeFileSync(cacheFile(), JSON.stringify(entries));
  const second = fresh();
  await tune(second, matrices());
  expect(second.tiles.get(key)).toEqual(other);

  for (const broken of ["", "{", "null", '{"a": null}', JSON.stringify({ [key]: { ROWS: 3, COLS: 900 } })]) {
    writeFileSync(cacheFile(), broken);
    const again = fresh();
    await tune(again, matrices());
    expect([...again.tiles.keys()].sort()).toEqual([...first.tiles.keys()].sort());
    expect(candidates).toContainEqual(again.tiles.get(key));
  }
});

test("CULPRIT_AUTOTUNE=off leaves the defaults", async () => {
  Deno.env.set("CULPRIT_AUTOTUNE", "off");
  try {
    const off = fresh();
    await tune(off, matrices());
    expect(off.tiles.size).toBe(0);
  } finally {
    Deno.env.delete("CULPRIT_AUTOTUNE");
  }
});

// Hardware's kernels run here too, forced by an adapter that tells of no subgroups.
test.each([["as on this adapter", {}], ["hardware's", { lanes: 0 }]] as const)(
  "every tile gives the same bits, %s, and a row those of any pack",
  async (_, changes) => {
    const random = seededRandom(4);
    const m = 150;
    for (const mode of ["nt", "nn"] as const) {
      const [n, k] = mode === "nt" ? [ROWS, COLUMNS] : [COLUMNS, ROWS];
      const values = random.normals(m * k);
      const product = async (tile: { ROWS: number; COLS: number } | undefined, rows: number): Promise<Float32Array> => {
        const tuned = fresh(changes);
        const a = device.allocate(panelBytes(rows, k), "rows");
        const c = device.allocate(panelBytes(rows, n), "product");
        device.write(a, 0, packPanels(values.subarray(0, rows * k), rows, k));
        const shape: Matmul = {
          mode,
          m: rows,
          n,
          k,
          a: whole(a, k),
          b: whole(matrix.shards[0]!.buffer, COLUMNS),
          c: whole(c, n),
        };
        if (tile) tuned.tiles.set(tileKey(tuned, shape), tile);
        matmul(tuned, shape);
        const found = new Float32Array(await device.read(c, 0, panelBytes(rows, n)));
        device.free(a);
        device.free(c);
        return found;
      };
      const whole150 = await product(undefined, m);
      expect(whole150.some((value) => value !== 0)).toBe(true);
      for (const tile of candidateTiles(fresh(changes))) expect(await product(tile, m)).toEqual(whole150);
      // The first panels of the product hold the first rows.
      const alone = await product(undefined, 16);
      expect(alone).toEqual(whole150.subarray(0, alone.length));
    }
  },
);
