/** Each kernel against its plain TypeScript reference, at shapes that don't fill panels, chunks or lanes. */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { relativeError } from "../../test/compare.ts";
import { matricesOn } from "../../test/matrices.ts";
import { seededRandom } from "../../test/random.ts";
import type { Device } from "../device/device.ts";
import { sharedDevice } from "../../test/shared_device.ts";
import { RULES } from "../engine.ts";
import {
  columns4,
  type ElementType,
  packPanels,
  packRawPanels,
  PANEL,
  panelBytes,
  panelsOf,
  unpackPanels,
} from "./panels.ts";
import {
  type BlockEncodingName,
  type EncodingName,
  ENCODINGS,
  expand,
  halfToNumber,
  isBlockEncoding,
} from "../model/encodings.ts";
import type { AdapterInfo } from "../device/adapter_info.ts";
import { argmaxReference, argmaxRows, embedTokens } from "./decode.ts";
import { edgeBytes, edgeReference, edges, headEdgeReference, headEdges } from "./edges.ts";
import { packBlocks } from "./blocks.ts";
import {
  expertProduct,
  expertSum,
  route,
  routeBackward,
  routeBackwardReference,
  routeReference,
  scaleRows,
  slotPanels,
  sortByExpert,
} from "./experts.ts";
import { findLargest, heads, matmul, matmulReference, matmulTransposed, whole } from "./matmul.ts";
import { addBias, addBiasReference } from "./bias.ts";
import {
  layerNormBackwardReference,
  layerNormReference,
  norm,
  normBackward,
  normLinear,
  rmsNorm,
  rmsNormBackward,
  rmsNormBackwardReference,
  rmsNormReference,
} from "./norm.ts";
import { softcap, softcapBackward, softcapReference, softcapSlope } from "./softcap.ts";
import {
  rotate,
  rotateBackward,
  rotateBackwardReference,
  rotateGiven,
  rotateReference,
  rotationAngles,
} from "./rotate.ts";
import { plainRotation } from "../model/rotary.ts";
import { addRowDot, moveRows, rowDot, rowDotReference } from "./row-moves.ts";
import { HIDDEN, softmax, softmaxBackward, softmaxBackwardReference, softmaxReference } from "./softmax.ts";
import { logSumExp, logSumExpReference } from "./log-sum-exp.ts";
import { topTokens, topTokensReference } from "./top-tokens.ts";
import {
  activationReference,
  gated,
  gatedBackward,
  gatedBackwardReference,
  gatedReference,
  plain,
  plainBackward,
  plainBackwardReference,
} from "./activation.ts";

const isOften = (type: EncodingName) => type === "Q4_1" || type === "Q6_K";
const BLOCK_TYPES = (Object.keys(ENCODINGS) as EncodingName[]).filter(isBlockEncoding);
// Written by test/reference/gguf_blocks.py with the gguf package.
const goldenBlocks = JSON.parse(
  readFileSync(new URL("../../test/data/gguf/blocks.json", import.meta.url), "utf8"),
) as Readonly<Record<string, { readonly blocks: string }>>;

/** So many blocks of a type, of the golden ones whose numbers are all finite, over and over. */
function finiteBlocks(type: BlockEncodingName, count: number): Uint8Array {
  const { bytes, elements } = ENCODINGS[type];
  const all = Uint8Array.from(atob(goldenBlocks[type]!.blocks), (character) => character.charCodeAt(0));
  const values = new Float32Array(elements);
  const finite = Array.from({ length: all.length / bytes }, (_, i) => all.subarray(i * bytes, (i + 1) * bytes))
    .filter((block) => {
      expand(type, block, values);
      return values.every((value) => Math.abs(value) < 1000);
    });
  const result = new Uint8Array(count * bytes);
  for (let i = 0; i < count; i++) result.set(finite[i % finite.length]!, i * bytes);
  return result;
}

const TOLERANCE = 2e-6;
let device: Device;
const random = seededRandom(7);

beforeAll(async () => {
  device = await sharedDevice();
});

const { upload, uploadVector, zeros, download } = matricesOn(() => device);
const rowsOf = (values: Float32Array, rows: number, columns: number): number[][] =>
  Array.from({ length: rows }, (_, row) => Array.from(values.subarray(row * columns, (row + 1) * columns)));

/**
 * The ways of sharing A: subgroup broadcast on software adapters, workgroup memory on hardware; and the large tiles of an
 * adapter that compiles them quickly.
 */
const TILINGS: Readonly<Record<string, Partial<AdapterInfo>>> = {
  "as on this adapter": {},
  "through workgroup memory": { lanes: 0 },
  "as lavapipe's since 26.2": { name: "llvmpipe: Mesa 26.2.6" },
};

describe.each(Object.entries(TILINGS))("matrix products %s", (_, changes) => {
  const tiled = () => ({ ...device, info: { ...device.info, ...changes } });
  // Other adapters take seconds to compile such a kernel: two types, of one plane of codes and of two.
  const blockTypes = changes.name === undefined ? BLOCK_TYPES : BLOCK_TYPES.filter(isOften);

  test.each(
    [["nt", 19, 37, 45], ["nn", 19, 37, 45], ["nt", 1, 3, 2], ["nn", 33, 260, 129], ["nt", 16, 64, 64]] as const,
  )(
    "%s of %i x %i x %i",
    async (mode, m, n, k) => {
      const a = random.normals(m * k);
      const b = random.normals(n * k);
      const [rows, columns] = mode === "nt" ? [n, k] : [k, n];
      const c = zeros(m, n);
      const run = (scale: number, accumulate: boolean) =>
        matmul(tiled(), {
          mode,
          m,
          n,
          k,
          a: whole(upload(a, m, k), k),
          b: whole(upload(b, rows, columns), columns),
          c: whole(c, n),
          scale,
          accumulate,
        });
      run(1, false);
      expect(relativeError(await download(c, m, n), matmulReference(mode, a, b, m, n, k))).toBeLessThan(TOLERANCE);
      run(-0.5, true);
      const half = matmulReference(mode, a, b, m, n, k).map((value) => value / 2);
      expect(relativeError(await download(c, m, n), half)).toBeLessThan(TOLERANCE);
    },
  );

  test.each([["bf16", "nt"], ["bf16", "nn"], ["f16", "nt"], ["f16", "nn"]] as const)(
    "%s weights, %s",
    async (type: ElementType, mode) => {
      const [m, n, k] = [5, 23, 70];
      const [rows, columns] = mode === "nt" ? [n, k] : [k, n];
      // Finite halves and bf16 of moderate size: clear the top exponent bit, set the next.
      const raw = Uint16Array.from(
        { length: n * k },
        () => (random.integer(0, 0xffff) & 0x8fff) | (type === "bf16" ? 0x3000 : 0x2000),
      );
      const numbers = type === "bf16"
        ? new Float32Array(Uint32Array.from(raw, (word) => word << 16).buffer)
        : Float32Array.from(raw, halfToNumber);
      const packed = new Uint16Array(panelBytes(rows, columns, type) / 2);
      packRawPanels(raw, rows, columns, packed);
      const weights = device.allocate(packed.byteLength, "test weights");
      device.write(weights, 0, new Uint8Array(packed.buffer));
      const a = random.normals(m * k);
      const c = zeros(m, n);
      matmul(tiled(), {
        mode,
        m,
        n,
        k,
        a: whole(upload(a, m, k), k),
        b: { ...whole(weights, columns), type },
        c: whole(c, n),
      });
      expect(relativeError(await download(c, m, n), matmulReference(mode, a, numbers, m, n, k))).toBeLessThan(
        TOLERANCE,
      );
    },
  );

  describe.each(blockTypes)("%s weights", (type) => {
    /** Weights [rows, columns] made of golden blocks, on the device, and as the numbers that they stand for. */
    function blocks(rows: number, columns: number) {
      const bytes = finiteBlocks(type, rows * columns / ENCODINGS[type].elements);
      const numbers = new Float32Array(rows * columns);
      expand(type, bytes, numbers);
      const packed = new Uint32Array(panelBytes(rows, columns, type) / 4);
      packBlocks(type, bytes, rows, columns, packed, (row) => {
        throw new Error(`row ${row} is not finite`);
      });
      const buffer = device.allocate(packed.byteLength, "test weights");
      device.write(buffer, 0, packed);
      return { buffer, numbers };
    }
    const identity = (size: number) =>
      Float32Array.from({ length: size * size }, (_, i) => i % (size + 1) === 0 ? 1 : 0);

    test.each(["nt", "nn"] as const)(
      "%s with the identity gives each weight's float32, to the last bit",
      async (mode) => {
        const [rows, columns] = mode === "nt" ? [20, 256] : [36, 512];
        const { buffer, numbers } = blocks(rows, columns);
        const [m, n, k] = mode === "nt" ? [columns, rows, columns] : [rows, columns, rows];
        const c = zeros(m, n);
        matmul(tiled(), {
          mode,
          m,
          n,
          k,
          a: whole(upload(identity(m), m, m), m),
          b: { ...whole(buffer, columns), type },
          c: whole(c, n),
        });
        const found = await download(c, m, n);
        const expected = mode === "nt"
          ? Float32Array.from({ length: m * n }, (_, i) => numbers[(i % n) * columns + Math.floor(i / n)] as number)
          : numbers;
        // A zero's sign is lost in a sum.
        expect(found.findIndex((value, i) => value !== expected[i])).toBe(-1);
      },
    );

    // The same kernel: two types are enough.
    test.runIf(isOften(type)).each(["nt", "nn"] as const)("%s with activations", async (mode) => {
      const [m, n, k] = mode === "nt" ? [5, 23, 512] : [19, 768, 37];
      const [rows, columns] = mode === "nt" ? [n, k] : [k, n];
      const { buffer, numbers } = blocks(rows, columns);
      const a = random.normals(m * k);
      const c = zeros(m, n);
      matmul(tiled(), {
        mode,
        m,
        n,
        k,
        a: whole(upload(a, m, k), k),
        b: { ...whole(buffer, columns), type },
        c: whole(c, n),
      });
      expect(relativeError(await download(c, m, n), matmulReference(mode, a, numbers, m, n, k))).toBeLessThan(
        TOLERANCE,
      );
    });
  });

  test("a batch over heads that share key heads, and back", async () => {
    const [rows, queryHeads, keyHeads, dimension] = [21, 6, 2, 8];
    const keys = panelsOf(rows) * PANEL;
    const q = random.normals(rows * queryHeads * dimension);
    const k = random.normals(rows * keyHeads * dimension);
    const scores = device.allocate(queryHeads * panelBytes(rows, keys), "test scores");
    const scoreOperand = {
      buffer: scores,
      base: 0,
      step: panelsOf(rows) * columns4(keys),
      outer: 0,
      stride: columns4(keys),
    };
    const head = (values: Float32Array, count: number, h: number) =>
      Array.from(
        { length: rows * dimension },
        (_, i) => values[Math.floor(i / dimension) * count * dimension + h * dimension + i % dimension] as number,
      );
    const queries = heads(upload(q, rows, queryHeads * dimension), queryHeads * dimension, dimension);
    matmul(tiled(), {
      mode: "nt",
      m: rows,
      n: keys,
      k: dimension,
      batch: queryHeads,
      group: queryHeads / keyHeads,
      a: queries,
      b: heads(upload(k, rows, keyHeads * dimension), keyHeads * dimension, dimension),
      c: scoreOperand,
    });
    const found = new Float32Array(await device.read(scores, 0, queryHeads * panelBytes(rows, keys)));
    const size = panelBytes(rows, keys) / 4;
    const gradient = new Float64Array(rows * keyHeads * dimension);
    for (let h = 0; h < queryHeads; h++) {
      const keyHead = Math.floor(h / (queryHeads / keyHeads));
      const expected = matmulReference("nt", head(q, queryHeads, h), head(k, keyHeads, keyHead), rows, rows, dimension);
      const wide = unpackPanels(found.subarray(h * size, (h + 1) * size), rows, keys);
      const narrow = expected.map((_, i) => wide[Math.floor(i / rows) * keys + i % rows] as number);
      expect(relativeError(narrow, expected)).toBeLessThan(TOLERANCE);
      matmulReference("tn", expected, head(q, queryHeads, h), rows, dimension, rows).forEach((value, i) => {
        gradient[Math.floor(i / dimension) * keyHeads * dimension + keyHead * dimension + i % dimension]! += value;
      });
    }
    const out = zeros(rows, keyHeads * dimension);
    const back = {
      m: keys,
      n: dimension,
      q: rows,
      batch: keyHeads,
      heads: queryHeads / keyHeads,
      x: scoreOperand,
      y: queries,
      c: heads(out, keyHeads * dimension, dimension),
    };
    for (const [accumulate, times] of [[false, 1], [true, 2]] as const) {
      matmulTransposed(tiled(), { ...back, accumulate });
      const sums = gradient.map((value) => times * value);
      expect(relativeError(await download(out, rows, keyHeads * dimension), sums)).toBeLessThan(TOLERANCE);
    }
  });
});

test.each([[3, 5], [17, 64], [40, 130]])("RMS norm and its two backward rules, %i x %i", async (rows, columns) => {
  const epsilon = 1e-5;
  const [x, dy, g] = [random.normals(rows * columns), random.normals(rows * columns), random.normals(rows * columns)];
  const w = random.normals(columns);
  const [input, weight, y] = [upload(x, rows, columns), uploadVector(w), zeros(rows, columns)];
  const r = device.allocate(panelsOf(rows) * PANEL * 4, "test scale");
  rmsNorm(device, { rows, columns, epsilon, x: input, weight, y, r });
  const reference = rowsOf(x, rows, columns).map((row) => rmsNormReference(row, Array.from(w), epsilon));
  expect(relativeError(await download(y, rows, columns), reference.flatMap((row) => row.y))).toBeLessThan(TOLERANCE);
  const sum = upload(g, rows, columns);
  rmsNorm(device, { rows, columns, epsilon, x: input, weight, y: sum, r, accumulate: true });
  const added = reference.flatMap((row) => row.y).map((value, i) => value + (g[i] as number));
  expect(relativeError(await download(sum, rows, columns), added)).toBeLessThan(TOLERANCE);
  const scales = new Float32Array(await device.read(r, 0, rows * 4));
  expect(relativeError(scales, reference.map((row) => row.r))).toBeLessThan(TOLERANCE);
  for (const rule of ["constant", "exact"] as const) {
    const gradient = upload(g, rows, columns);
    const backward = { rule, rows, columns, dy: upload(dy, rows, columns), weight, r, x: input, g: gradient };
    rmsNormBackward(device, { ...backward, accumulate: true });
    const back = rowsOf(dy, rows, columns).flatMap((row, index) =>
      rmsNormBackwardReference(rule, rowsOf(x, rows, columns)[index] as number[], Array.from(w), row, epsilon)
    );
    const expected = back.map((value, i) => value + (g[i] as number));
    expect(relativeError(await download(gradient, rows, columns), expected), rule).toBeLessThan(TOLERANCE);
    rmsNormBackward(device, { ...backward, accumulate: false });
    expect(relativeError(await download(gradient, rows, columns), back), rule).toBeLessThan(TOLERANCE);
  }
});

test.each(["head", "projection"] as const)(
  "norms of q and k over each %s, rotated, and back by both rules",
  async (over) => {
    const [rows, queryHeads, keyHeads, headDimension, theta, epsilon] = [19, 5, 2, 16, 10_000, 1e-6];
    const heads = queryHeads + keyHeads;
    const width = (heads + keyHeads) * headDimension;
    // The parts of a row that share a norm: first head and number of heads.
    const slices: readonly (readonly [number, number])[] = over === "head"
      ? Array.from({ length: heads }, (_, head) => [head, 1] as const)
      : [[0, queryHeads], [queryHeads, keyHeads]];
    const x = random.normals(rows * width);
    const dout = random.normals(rows * heads * headDimension);
    const w = random.normals((over === "head" ? 2 : heads) * headDimension);
    const positions = Array.from({ length: panelsOf(rows) * PANEL }, (_, row) => row * 37);
    const angleValues = rotationAngles(positions, plainRotation(theta, headDimension), headDimension, positions);
    const angles = device.allocate(angleValues.byteLength, "test angles");
    device.write(angles, 0, angleValues);
    const shape = {
      rows,
      queryHeads,
      keyHeads,
      headColumns: headDimension,
      dimension: headDimension,
      headNorms: over,
      weight: uploadVector(w),
      angles,
      r: device.allocate(slices.length * panelsOf(rows) * PANEL * 4, "test scale"),
      x: upload(x, rows, width),
    };
    const out = zeros(rows, heads * headDimension);
    rotate(device, { ...shape, epsilon, out });
    const part = (values: Float32Array, columns: number, row: number, [first, count]: readonly [number, number]) =>
      Array.from(
        values.subarray(row * columns + first * headDimension, row * columns + (first + count) * headDimension),
      );
    const weightOf = ([first, count]: readonly [number, number]) =>
      Array.from(
        over === "projection"
          ? w.subarray(first * headDimension, (first + count) * headDimension)
          : w.subarray(first < queryHeads ? 0 : headDimension, first < queryHeads ? headDimension : 2 * headDimension),
      );
    const each = (compute: (row: number, slice: readonly [number, number]) => number[]) =>
      Array.from({ length: rows }, (_, row) => slices.map((slice) => compute(row, slice))).flat(2);
    const turned = each((row, slice) =>
      rotateReference(
        part(x, width, row, slice),
        weightOf(slice),
        positions[row] as number,
        theta,
        epsilon,
        slice[1],
      )
    );
    // Angles are rounded to float32 as in transformers; at position 666 that moves a cosine by up to 3e-5.
    expect(relativeError(await download(out, rows, heads * headDimension), turned)).toBeLessThan(1e-4);
    for (const rule of ["constant", "exact"] as const) {
      const dx = zeros(rows, width);
      rotateBackward(device, { ...shape, rule, factor: 0.25, dout: upload(dout, rows, heads * headDimension), dx });
      const found = await download(dx, rows, width);
      const expected = each((row, slice) =>
        rotateBackwardReference(
          rule,
          part(x, width, row, slice),
          weightOf(slice),
          part(dout, heads * headDimension, row, slice),
          positions[row] as number,
          theta,
          epsilon,
          slice[1],
        ).map((value) => value / 4)
      );
      expect(relativeError(each((row, slice) => part(found, width, row, slice)), expected), rule).toBeLessThan(
        1e-4,
      );
      const values = Array.from({ length: rows }, (_, row) => part(found, width, row, [heads, keyHeads])).flat();
      expect(values.every((value) => value === 0), "columns of v are left alone").toBe(true);
    }
  },
);

test.each([null, 7, 25])(
  "softmax over the keys that each query sees in a window of %s, and its Jacobian",
  async (window) => {
    const [headCount, firstQuery, queries, firstKey] = [3, 32, 21, window === 7 ? 16 : 0];
    const keys = panelsOf(firstQuery + queries) * PANEL - firstKey;
    const size = panelBytes(queries, keys);
    const both = [random.normals(headCount * queries * keys, 5), random.normals(headCount * queries * keys)] as const;
    const [scores, dp] = both.map((values) => {
      const buffer = device.allocate(headCount * size, "test scores");
      for (let head = 0; head < headCount; head++) {
        const part = values.subarray(head * queries * keys, (head + 1) * queries * keys);
        device.write(buffer, head * size, packPanels(part, queries, keys));
      }
      return buffer;
    }) as [GPUBuffer, GPUBuffer];
    const readPadded = async (buffer: GPUBuffer) => {
      const packed = new Float32Array(await device.read(buffer, 0, headCount * size));
      const padded = panelsOf(queries) * PANEL;
      return Array.from(
        { length: headCount },
        (_, head) =>
          rowsOf(unpackPanels(packed.subarray(head * size / 4, (head + 1) * size / 4), padded, keys), padded, keys),
      );
    };
    const read = async (buffer: GPUBuffer) =>
      (await readPadded(buffer)).flatMap((rows) => rows.slice(0, queries)).flat();
    const block = { heads: headCount, firstQuery, queries, firstKey, keys, window };
    softmax(device, block, scores);
    const probabilities = rowsOf(both[0], headCount * queries, keys).map((row, index) =>
      softmaxReference(
        row,
        Math.max(firstKey, firstQuery + index % queries + 1 - (window ?? Infinity)) - firstKey,
        firstQuery + index % queries - firstKey,
      )
    );
    expect(relativeError(await read(scores), probabilities.flat())).toBeLessThan(TOLERANCE);
    const past = (await readPadded(scores)).flatMap((rows) => rows.slice(queries)).flat();
    expect(past.every((value) => value === 0), "rows past the last query").toBe(true);
    const ds = device.allocate(headCount * size, "test score gradients");
    softmaxBackward(device, block, scores, dp, ds, 0.25);
    const pulled = rowsOf(both[1], headCount * queries, keys).flatMap((row, index) =>
      softmaxBackwardReference(probabilities[index] as number[], row).map((value) => value / 4)
    );
    expect(relativeError(await read(ds), pulled)).toBeLessThan(TOLERANCE);
  },
);

test("softmax with a number for each key, some of them hidden from everybody", async () => {
  const [headCount, queries, firstRow] = [2, 21, 16];
  const keys = panelsOf(queries) * PANEL;
  const size = panelBytes(queries, keys);
  const scores = random.normals(headCount * queries * keys, 5);
  const buffer = device.allocate(headCount * size, "test scores");
  for (let head = 0; head < headCount; head++) {
    const part = scores.subarray(head * queries * keys, (head + 1) * queries * keys);
    device.write(buffer, head * size, packPanels(part, queries, keys));
  }
  const bias = random.normals(firstRow + keys, 3);
  // The first query sees the first key alone, which is hidden: its row is zeros.
  for (const key of [0, 5, 6]) bias[firstRow + key] = HIDDEN;
  const block = { heads: headCount, firstQuery: 0, queries, firstKey: 0, keys, window: null };
  softmax(device, block, buffer, { buffer: uploadVector(bias), firstRow });
  const packed = new Float32Array(await device.read(buffer, 0, headCount * size));
  const found = Array.from(
    { length: headCount },
    (_, head) => Array.from(unpackPanels(packed.subarray(head * size / 4, (head + 1) * size / 4), queries, keys)),
  ).flat();
  const expected = rowsOf(scores, headCount * queries, keys).flatMap((row, index) => {
    const query = index % queries;
    if (query === 0) return row.map(() => 0);
    return softmaxReference(row.map((score, key) => score + (bias[firstRow + key] as number)), 0, query);
  });
  expect(relativeError(found, expected)).toBeLessThan(TOLERANCE);
});

test.each(["attnlrp", "cplrp"] as const)("edges of a block of queries, whole and by head, %s", async (rule) => {
  const [headCount, firstRow, firstQuery, queries, firstKey, scale] = [3, 48, 32, 21, 16, 0.25];
  const keys = panelsOf(firstQuery + queries) * PANEL - firstKey;
  const block = { heads: headCount, firstRow, firstQuery, queries, firstKey, keys, window: null };
  // Hidden pairs: P and dS are 0, dP and S are whatever the products gave.
  const seen = (index: number) => firstKey + index % keys <= firstQuery + Math.floor(index / keys) % queries;
  const fill = (hidden: boolean) =>
    random.normals(headCount * queries * keys).map((value, index) => hidden || seen(index) ? value : 0);
  const [p, dp, ds, s] = [fill(false), fill(true), fill(false), fill(true)];
  const place = (values: Float32Array) => {
    const buffer = device.allocate(headCount * panelBytes(queries, keys), "test scores");
    for (let head = 0; head < headCount; head++) {
      const part = values.subarray(head * queries * keys, (head + 1) * queries * keys);
      device.write(buffer, head * panelBytes(queries, keys), packPanels(part, queries, keys));
    }
    return buffer;
  };
  const matrices = {
    probability: place(p),
    probabilityGradient: place(dp),
    scoreGradient: place(ds.map((value) => value * scale)),
    scores: place(s),
    scale,
  };
  const own = random.normals(firstRow + firstQuery + queries);
  const out = device.allocate(edgeBytes(block), "test edges");
  edges(device, rule, block, matrices, uploadVector(own), out);
  // Tokens are numbered from the sequence's start in the reference, from the block's in the matrices.
  const numbers = (values: Float32Array, head: number) => [
    ...Array.from({ length: firstQuery }, () => []),
    ...rowsOf(values, headCount * queries, keys).slice(head * queries, (head + 1) * queries)
      .map((row) => [...new Array<number>(firstKey).fill(0), ...row]),
  ];
  const perHead = Array.from({ length: headCount }, (_, head) => ({
    probability: numbers(p, head),
    probabilityGradient: numbers(dp, head),
    scoreGradient: numbers(ds, head),
    scores: numbers(s, head),
  }));
  const expected = Array.from(
    { length: queries * keys },
    (_, index) =>
      edgeReference(
        rule,
        perHead,
        Array.from(own.subarray(firstRow)),
        firstQuery + Math.floor(index / keys),
        firstKey + index % keys,
      ),
  );
  expect(relativeError(await download(out, queries, keys), expected)).toBeLessThan(TOLERANCE);

  const pairs = [[32, 19], [52, 52], [37, 36]] as const;
  const pairBuffer = device.allocate(64, "test pairs");
  device.write(pairBuffer, 0, Uint32Array.from(pairs.flat()));
  const terms = device.allocate(pairs.length * headCount * 8, "test terms");
  headEdges(device, rule, block, matrices, { buffer: pairBuffer, count: pairs.length }, terms);
  const split = pairs.flatMap(([target, source]) =>
    perHead.flatMap((head) => {
      const { ov, qk } = headEdgeReference(rule, head, target, source);
      return [ov, qk];
    })
  );
  const found = new Float32Array(await device.read(terms, 0, split.length * 4));
  expect(relativeError(found, split)).toBeLessThan(TOLERANCE);
});

const ACTIVATIONS = ["silu", "gelu-tanh", "gelu-erf"] as const;

test.each(ACTIVATIONS)("a linear unit gated by %s and its three backward rules", async (activation) => {
  const [rows, columns] = [18, 24];
  const x = random.normals(rows * 2 * columns, 2);
  const dw = random.normals(rows * columns);
  const pairs = Array.from(dw, (gradient, i) => {
    const at = Math.floor(i / columns) * 2 * columns + i % columns;
    return { gate: x[at] as number, up: x[at + columns] as number, gradient };
  });
  const input = upload(x, rows, 2 * columns);
  const w = zeros(rows, columns);
  gated(device, activation, rows, columns, input, w);
  const expected = pairs.map(({ gate, up }) => gatedReference(activation, gate, up));
  expect(relativeError(await download(w, rows, columns), expected)).toBeLessThan(TOLERANCE);
  for (const rule of RULES) {
    const dx = zeros(rows, 2 * columns);
    gatedBackward(device, activation, { rule, rows, columns, x: input, dw: upload(dw, rows, columns), dx });
    const back = pairs.map(({ gate, up, gradient }) => gatedBackwardReference(activation, rule, gate, up, gradient));
    const reference = new Float64Array(rows * 2 * columns);
    back.forEach(({ dgate, dup }, i) => {
      const at = Math.floor(i / columns) * 2 * columns + i % columns;
      reference[at] = dgate;
      reference[at + columns] = dup;
    });
    expect(relativeError(await download(dx, rows, 2 * columns), reference), rule).toBeLessThan(TOLERANCE);
  }
});

test.each(ACTIVATIONS)("%s alone and its backward rules, far from 0 too", async (activation) => {
  const [rows, columns] = [18, 24];
  const x = random.normals(rows * columns, 3);
  x.set([0, -60, 60, -12, 12, -4.5, 1e-6]);
  const dw = random.normals(rows * columns);
  const input = upload(x, rows, columns);
  const w = zeros(rows, columns);
  plain(device, activation, rows, columns, input, w);
  const expected = Array.from(x, (value) => activationReference(activation, value));
  expect(relativeError(await download(w, rows, columns), expected)).toBeLessThan(TOLERANCE);
  for (const rule of RULES) {
    const dx = zeros(rows, columns);
    plainBackward(device, activation, { rule, rows, columns, x: input, dw: upload(dw, rows, columns), dx });
    const back = Array.from(dw, (value, i) => plainBackwardReference(activation, rule, x[i] as number, value));
    expect(relativeError(await download(dx, rows, columns), back), rule).toBeLessThan(TOLERANCE);
  }
});

test.each([[3, 5], [17, 64], [40, 130]])("LayerNorm and its two backward rules, %i x %i", async (rows, columns) => {
  const epsilon = 1e-5;
  const [x, dy, g] = [random.normals(rows * columns), random.normals(rows * columns), random.normals(rows * columns)];
  const [w, b] = [random.normals(columns), random.normals(columns)];
  const padded = new Float32Array(2 * columns4(columns) * 4);
  padded.set(w);
  padded.set(b, columns4(columns) * 4);
  const [input, weight, y] = [upload(x, rows, columns), uploadVector(padded), zeros(rows, columns)];
  const r = device.allocate(panelsOf(rows) * PANEL * 4, "test scale");
  const shape = { kind: "layer", rows, columns, weight, r } as const;
  const added = (values: readonly number[]) => values.map((value, i) => value + (g[i] as number));
  norm(device, { ...shape, epsilon, x: input, y });
  const reference = rowsOf(x, rows, columns).map((row) =>
    layerNormReference(row, Array.from(w), Array.from(b), epsilon)
  );
  const wanted = reference.flatMap((row) => row.y);
  expect(relativeError(await download(y, rows, columns), wanted)).toBeLessThan(TOLERANCE);
  const sum = upload(g, rows, columns);
  norm(device, { ...shape, epsilon, x: input, y: sum, accumulate: true });
  expect(relativeError(await download(sum, rows, columns), added(wanted))).toBeLessThan(TOLERANCE);
  const scales = new Float32Array(await device.read(r, 0, rows * 4));
  expect(relativeError(scales, reference.map((row) => row.r))).toBeLessThan(TOLERANCE);
  for (const rule of ["constant", "exact"] as const) {
    const gradient = upload(g, rows, columns);
    const backward = { ...shape, rule, dy: upload(dy, rows, columns), x: input, g: gradient };
    normBackward(device, { ...backward, accumulate: true });
    const back = rowsOf(dy, rows, columns).flatMap((row, index) =>
      layerNormBackwardReference(rule, rowsOf(x, rows, columns)[index] as number[], Array.from(w), row, epsilon)
    );
    expect(relativeError(await download(gradient, rows, columns), added(back)), rule).toBeLessThan(TOLERANCE);
    normBackward(device, { ...backward, accumulate: false });
    expect(relativeError(await download(gradient, rows, columns), back), rule).toBeLessThan(TOLERANCE);
    const whole = new Float32Array(await device.read(gradient, 0, panelBytes(rows, columns)));
    expect(whole.filter((value) => value !== 0).length, "padding stays zero").toBeLessThanOrEqual(rows * columns);
  }
});

test.each(["rms", "layer"] as const)("the linear part of a norm whose scale is given, %s", async (kind) => {
  const [rows, columns] = [19, 42];
  const [x, w] = [random.normals(rows * columns), random.normals(columns)];
  const scales = random.normals(panelsOf(rows) * PANEL);
  const y = zeros(rows, columns);
  normLinear(device, {
    kind,
    rows,
    columns,
    weight: uploadVector(w),
    r: uploadVector(scales),
    x: upload(x, rows, columns),
    y,
  });
  const expected = rowsOf(x, rows, columns).flatMap((row, index) => {
    const mean = kind === "layer" ? row.reduce((sum, value) => sum + value, 0) / columns : 0;
    return row.map((value, i) => (w[i] as number) * (value - mean) * (scales[index] as number));
  });
  expect(relativeError(await download(y, rows, columns), expected)).toBeLessThan(TOLERANCE);
});

test("a bias is added to every row", async () => {
  const [rows, columns] = [19, 26];
  const [x, b] = [random.normals(rows * columns), random.normals(columns)];
  const y = upload(x, rows, columns);
  addBias(device, rows, columns, uploadVector(b), y);
  const expected = rowsOf(x, rows, columns).flatMap((row) => addBiasReference(row, Array.from(b)));
  expect(relativeError(await download(y, rows, columns), expected)).toBeLessThan(TOLERANCE);
});

test("a soft cap, and its slope for several gradients that share what is capped", async () => {
  const [rows, columns, cap, targets] = [32, 20, 3, 2];
  const x = random.normals(rows * columns, 4);
  x.set([1e4, -1e4]);
  const dx = random.normals(targets * rows * columns);
  const [uncapped, gradient] = [upload(x, rows, columns), upload(dx, targets * rows, columns)];
  softcapBackward(device, rows / PANEL, columns, cap, uncapped, gradient, targets);
  const pulled = Array.from(dx, (value, i) => value * softcapSlope(x[i % (rows * columns)] as number, cap));
  expect(relativeError(await download(gradient, targets * rows, columns), pulled)).toBeLessThan(TOLERANCE);
  softcap(device, rows / PANEL, columns, cap, uncapped);
  const expected = Array.from(x, (value) => softcapReference(value, cap));
  expect(relativeError(await download(uncapped, rows, columns), expected)).toBeLessThan(TOLERANCE);
});

test("heads without norms, of which a part turns and whose last columns are padding", async () => {
  const [rows, heads, columns] = [19, 3, 16];
  const rotation = plainRotation(10_000, 10);
  const positions = Array.from({ length: panelsOf(rows) * PANEL }, (_, row) => row * 11);
  const values = rotationAngles(positions, rotation, columns, positions);
  const angles = device.allocate(values.byteLength, "test angles");
  device.write(angles, 0, values);
  const width = (heads + 1) * columns;
  const x = random.normals(rows * width);
  const shape = {
    rows,
    queryHeads: heads - 1,
    keyHeads: 1,
    headColumns: columns,
    dimension: 14,
    headNorms: "none",
    weight: angles,
    angles,
    r: angles,
    x: upload(x, rows, width),
  } as const;
  const out = zeros(rows, heads * columns);
  rotateGiven(device, { ...shape, out });
  const turn = (row: readonly number[], position: number, direction: number) =>
    row.map((value, column) => {
      const d = column % columns;
      const pair = d % (columns / 2);
      const angle = pair < 5 ? position * (rotation.frequencies[pair] as number) * direction : 0;
      const other = d < columns / 2 ? -(row[column + columns / 2] as number) : row[column - columns / 2] as number;
      return value * Math.cos(angle) + other * Math.sin(angle);
    });
  const turned = rowsOf(x, rows, width).flatMap((row, at) => turn(row.slice(0, heads * columns), at * 11, 1));
  expect(relativeError(await download(out, rows, heads * columns), turned)).toBeLessThan(TOLERANCE);
  const whole = zeros(rows, width);
  rotateGiven(device, { ...shape, out: whole, withValues: true });
  const besideValues = rowsOf(x, rows, width).flatMap((row, at) => [
    ...turned.slice(at * heads * columns, (at + 1) * heads * columns),
    ...row.slice(heads * columns),
  ]);
  expect(relativeError(await download(whole, rows, width), besideValues)).toBeLessThan(TOLERANCE);
  const dout = random.normals(rows * heads * columns);
  const dx = zeros(rows, width);
  rotateBackward(device, { ...shape, rule: "exact", factor: 0.25, dout: upload(dout, rows, heads * columns), dx });
  const back = rowsOf(dout, rows, heads * columns)
    .flatMap((row, at) => turn(row, at * 11, -1).map((value) => value / 4));
  const found = rowsOf(await download(dx, rows, width), rows, width).flatMap((row) => row.slice(0, heads * columns));
  expect(relativeError(found, back)).toBeLessThan(TOLERANCE);
});

describe.each([true, false])("experts, shares of those chosen divided by their sum: %s", (normalised) => {
  const [rows, experts, count] = [32, 6, 2];
  const logits = random.normals(rows * experts, 2);
  const words = (length: number) => device.allocate(length * 4, "test words");
  const routing = () => {
    const made = {
      rows,
      experts,
      count,
      normalised,
      logits: upload(logits, rows, experts),
      chosen: words(rows * count),
      shares: words(rows * count),
    };
    route(device, made);
    return made;
  };
  const reference = rowsOf(logits, rows, experts).map((row) => routeReference(row, count, normalised));

  test("which are chosen, with which shares; and back", async () => {
    const made = routing();
    const chosen = new Uint32Array(await device.read(made.chosen, 0, rows * count * 4));
    expect(Array.from(chosen)).toEqual(reference.flatMap((row) => row.chosen));
    const shares = new Float32Array(await device.read(made.shares, 0, rows * count * 4));
    const expected = reference.flatMap((row) => row.shares);
    expect(relativeError(shares, expected)).toBeLessThan(TOLERANCE);
    const targets = 2;
    const gradient = random.normals(targets * rows * count);
    const dlogits = zeros(targets * rows, experts);
    routeBackward(device, {
      ...made,
      targets,
      factor: 0.5,
      gradient: uploadVector(gradient.map((value, index) => value * (expected[index % expected.length] as number))),
      dlogits,
    });
    const pulled = rowsOf(gradient, targets * rows, count).flatMap((row, index) =>
      routeBackwardReference(rowsOf(logits, rows, experts)[index % rows] as number[], count, normalised, row)
        .map((value) => value / 2)
    );
    // The reference's differences are good to about 1e-9.
    expect(relativeError(await download(dlogits, targets * rows, experts), pulled)).toBeLessThan(2e-5);
  });

  test("assignments stand in panels of their expert, and what no assignment fills is marked", async () => {
    const panels = slotPanels(rows * count, experts);
    const lists = { slots: words(PANEL * panels), experts: words(panels) };
    // What a buffer held before is no list.
    device.write(lists.slots, 0, new Uint32Array(PANEL * panels));
    device.write(lists.experts, 0, new Uint32Array(panels));
    sortByExpert(device, rows * count, experts, routing().chosen, lists);
    const none = 0xffffffff;
    const assigned = reference.flatMap((row) => row.chosen);
    const wanted = Array.from({ length: experts }, (_, expert) => {
      const own = assigned.flatMap((one, assignment) => one === expert ? [assignment] : []);
      const places = panelsOf(own.length) * PANEL;
      return { expert, slots: [...own, ...new Array<number>(places - own.length).fill(none)] };
    });
    const slots = wanted.flatMap((one) => one.slots);
    expect(slots, "some panel is not full").toContain(none);
    expect(Array.from(new Uint32Array(await device.read(lists.slots, 0, slots.length * 4)))).toEqual(slots);
    const owners = wanted.flatMap(({ expert, slots }) => new Array<number>(slots.length / PANEL).fill(expert));
    expect(owners.length, "some panel is left over").toBeLessThan(panels);
    expect(Array.from(new Uint32Array(await device.read(lists.experts, 0, panels * 4)))).toEqual(
      [...owners, ...new Array<number>(panels - owners.length).fill(none)],
    );
  });

  test("products with each assignment's expert, of several targets, and their sums", async () => {
    const [hidden, width, targets] = [20, 12, 2];
    const made = routing();
    const lists = {
      slots: words(PANEL * slotPanels(rows * count, experts)),
      experts: words(slotPanels(rows * count, experts)),
    };
    sortByExpert(device, rows * count, experts, made.chosen, lists);
    const assigned = reference.flatMap((row) => row.chosen);
    // Each expert begins with a panel of rows; two parts of the matrix, as where one buffer is too small.
    const weights = random.normals(experts * width * hidden);
    const own = (expert: number) => weights.subarray(expert * width * hidden, (expert + 1) * width * hidden);
    const part = (first: number, last: number) => {
      const all = new Float32Array((last - first) * PANEL * hidden);
      for (let expert = first; expert < last; expert++) all.set(own(expert), (expert - first) * PANEL * hidden);
      return {
        buffer: upload(all, (last - first) * PANEL, hidden),
        firstRow: first * PANEL,
        rows: (last - first) * PANEL,
        type: "f32" as const,
      };
    };
    const weight = { shards: [part(0, 4), part(4, 6)], rows: experts * PANEL, columns: hidden, type: "f32" } as const;
    const product = { weight, expertRows: width, experts, lists, panels: slotPanels(rows * count, experts), targets };
    const x = random.normals(targets * rows * hidden);
    const y = zeros(targets * rows * count, width);
    expertProduct(device, {
      ...product,
      mode: "nt",
      limit: rows * count,
      a: upload(x, targets * rows, hidden),
      rowsFrom: count,
      c: y,
    });
    const inRows = rowsOf(x, targets * rows, hidden);
    const expected = Array.from({ length: targets * rows * count }, (_, assignment) =>
      Array.from(matmulReference(
        "nt",
        inRows[Math.floor(assignment / count)] as number[],
        own(assigned[assignment % (rows * count)] as number),
        1,
        width,
        hidden,
      )));
    expect(relativeError(await download(y, targets * rows * count, width), expected.flat())).toBeLessThan(TOLERANCE);

    // Back, over the first panel of rows only.
    const few = PANEL;
    const dy = random.normals(targets * few * count * width);
    const dx = zeros(targets * few * count, hidden);
    expertProduct(device, {
      ...product,
      mode: "nn",
      limit: few * count,
      a: upload(dy, targets * few * count, width),
      rowsFrom: 1,
      c: dx,
    });
    const back = rowsOf(dy, targets * few * count, width).map((row, assignment) =>
      Array.from(matmulReference("nn", row, own(assigned[assignment % (few * count)] as number), 1, hidden, width))
    );
    expect(relativeError(await download(dx, targets * few * count, hidden), back.flat())).toBeLessThan(TOLERANCE);

    for (const shares of [undefined, made.shares]) {
      const before = random.normals(targets * few * hidden);
      const out = upload(before, targets * few, hidden);
      const all = { rows: few, columns: hidden, count, targets, y: dx, scale: 0.5, out, ...(shares ? { shares } : {}) };
      expertSum(device, { ...all, accumulate: true });
      const sums = Array.from({ length: targets * few * hidden }, (_, at) => {
        const row = Math.floor(at / hidden);
        const terms = Array.from({ length: count }, (_, rank) => {
          const share = shares ? reference[row % few]?.shares[rank] as number : 1;
          return share * (back[row * count + rank]?.[at % hidden] as number);
        });
        return (before[at] as number) + terms.reduce((sum, term) => sum + term, 0) / 2;
      });
      expect(relativeError(await download(out, targets * few, hidden), sums)).toBeLessThan(TOLERANCE);
      expertSum(device, { ...all, accumulate: false });
      const alone = sums.map((value, at) => value - (before[at] as number));
      expect(relativeError(await download(out, targets * few, hidden), alone)).toBeLessThan(TOLERANCE);
    }

    scaleRows(device, few * count, hidden, made.shares, dx, targets);
    const scaled = back.flatMap((row, assignment) => {
      const at = assignment % (few * count);
      return row.map((value) => value * (reference[Math.floor(at / count)]?.shares[at % count] as number));
    });
    expect(relativeError(await download(dx, targets * few * count, hidden), scaled)).toBeLessThan(TOLERANCE);
  });
});

test("rows of an embedding, scaled, set and added, from two parts of the matrix", async () => {
  const [count, columns] = [5, 22];
  const matrix = random.normals(48 * columns);
  const shards = [[0, 32], [32, 16]].map(([firstRow = 0, rows = 0]) => ({
    buffer: upload(matrix.slice(firstRow * columns, (firstRow + rows) * columns), rows, columns),
    firstRow,
    rows,
    type: "f32" as const,
  }));
  const tokens = device.allocate(64, "test tokens");
  const ids = [40, 3, 31, 32, 3];
  device.write(tokens, 0, Uint32Array.from(ids));
  const x = zeros(count, columns);
  const embedding = { count, tokens, matrix: { shards, rows: 48, columns, type: "f32" }, x, scale: 1.5 } as const;
  embedTokens(device, embedding);
  const expected = ids.flatMap((id) => Array.from(matrix.subarray(id * columns, (id + 1) * columns), (v) => v * 1.5));
  expect(relativeError(await download(x, count, columns), expected)).toBeLessThan(TOLERANCE);
  embedTokens(device, { ...embedding, accumulate: true });
  expect(relativeError(await download(x, count, columns), expected.map((value) => 2 * value))).toBeLessThan(TOLERANCE);
});

test("inner products of rows; rows gathered and scattered", async () => {
  const [rows, columns] = [35, 22];
  const [a, b] = [random.normals(rows * columns), random.normals(rows * columns)];
  const out = device.allocate(2 * panelsOf(rows) * PANEL * 4, "test relevance");
  rowDot(device, rows, columns, upload(a, rows, columns), upload(b, rows, columns), out, 48);
  const found = new Float32Array(await device.read(out, 48 * 4, rows * 4));
  expect(relativeError(found, rowDotReference(a, b, rows, columns))).toBeLessThan(TOLERANCE);

  // The first 12 columns of both, b wider than a, of the rows from the second panel on.
  const wider = random.normals(rows * 30);
  const add = random.normals(rows);
  const sums = device.allocate(panelsOf(rows) * PANEL * 4, "test sums");
  addRowDot(device, {
    first: PANEL,
    rows: rows - PANEL,
    columns: 12,
    factor: 0.25,
    a: { buffer: upload(a, rows, columns), columns },
    b: { buffer: upload(wider, rows, 30), columns: 30 },
    add: uploadVector(add),
    out: sums,
  });
  const cut = (values: Float32Array, width: number) => rowsOf(values, rows, width).flatMap((row) => row.slice(0, 12));
  const dots = rowDotReference(cut(a, columns), cut(wider, 30), rows, 12);
  const added = dots.map((value, row) => row < PANEL ? 0 : (add[row] as number) + value / 4);
  expect(relativeError(new Float32Array(await device.read(sums, 0, rows * 4)), added)).toBeLessThan(TOLERANCE);

  const chosen = [34, 0, 17, 18, 3];
  const list = device.allocate(64, "test rows");
  device.write(list, 0, Uint32Array.from(chosen));
  const gathered = zeros(chosen.length, columns);
  moveRows(device, "gather", chosen.length, columns, list, upload(a, rows, columns), gathered);
  const expected = chosen.flatMap((row) => Array.from(a.subarray(row * columns, (row + 1) * columns)));
  expect(Array.from(await download(gathered, chosen.length, columns))).toEqual(expected);
  const part = zeros(chosen.length, columns);
  moveRows(device, "gather", chosen.length, columns, list, upload(a, rows, columns), part, 8);
  expect(Array.from(await download(part, chosen.length, columns)))
    .toEqual(expected.map((value, index) => index % columns < 8 ? 0 : value));
  const scattered = zeros(rows, columns);
  moveRows(device, "scatter", chosen.length, columns, list, gathered, scattered);
  const back = await download(scattered, rows, columns);
  rowsOf(back, rows, columns).forEach((row, index) => {
    const original = Array.from(a.subarray(index * columns, (index + 1) * columns));
    expect(row).toEqual(chosen.includes(index) ? original : original.map(() => 0));
  });
});

test.each([1, 300, 70_000])("the largest absolute value of %i numbers, as bits", async (count) => {
  const values = random.normals(count * 4);
  values[count * 2] = -9.25;
  const x = device.allocate(count * 16, "numbers");
  device.write(x, 0, values);
  const out = device.allocate(16, "largest");
  findLargest(device, x, out);
  expect(new Float32Array(await device.read(out, 0, 4))[0]).toBe(9.25);
});

test("the largest of each row, the first of equal ones", async () => {
  const [rows, columns] = [18, 1003];
  const values = random.normals(rows * columns);
  values[5 * columns + 1002] = values[5 * columns + 7] = 9;
  values.fill(-1, 6 * columns, 7 * columns);
  const out = device.allocate(panelsOf(rows) * PANEL * 4, "test places");
  argmaxRows(device, rows, columns, upload(values, rows, columns), out);
  const found = new Uint32Array(await device.read(out, 0, rows * 4));
  expect([...found]).toEqual(rowsOf(values, rows, columns).map(argmaxReference));
  expect([found[5], found[6]]).toEqual([7, 0]);
});

test("the largest values of each row in order, of equal ones the first", async () => {
  const [rows, columns, count] = [18, 1003, 11];
  const values = random.normals(rows * columns);
  values[5 * columns + 1002] = values[5 * columns + 7] = 9;
  values.fill(-1, 6 * columns, 7 * columns);
  const padded = panelsOf(rows) * PANEL;
  const ids = device.allocate(padded * count * 4, "test places");
  const logits = device.allocate(padded * count * 4, "test values");
  topTokens(device, { rows, columns, count, x: upload(values, rows, columns), ids, logits });
  const foundIds = new Uint32Array(await device.read(ids, 0, rows * count * 4));
  const foundLogits = new Float32Array(await device.read(logits, 0, rows * count * 4));
  const expected = rowsOf(values, rows, columns).map((row) => topTokensReference(row, count));
  expect([...foundIds]).toEqual(expected.flat());
  expect([...foundLogits]).toEqual(expected.flatMap((row, index) => row.map((id) => values[index * columns + id])));
  expect(expected[5]?.slice(0, 2)).toEqual([7, 1002]);
});

test.each([[18, 1003], [3, 50_257], [17, 4]])("the log-sum-exp of each row, %d of %d values", async (rows, columns) => {
  const values = random.normals(rows * columns).map((value) => 10 * value);
  // Rows far from zero, and one whose largest value is all that counts.
  for (let column = 0; column < columns; column++) values[columns + column]! += 5000;
  values[2 * columns + columns - 1] = 4000;
  const result = device.allocate(panelsOf(rows) * PANEL * 4, "test sums");
  logSumExp(device, { rows, columns, x: upload(values, rows, columns), result });
  const found = new Float32Array(await device.read(result, 0, rows * 4));
  rowsOf(values, rows, columns).forEach((row, index) => {
    const exact = logSumExpReference(row);
    // The result itself is a float32: half its last digit, and the sum's own error.
    expect(Math.abs(found[index]! - exact)).toBeLessThan(TOLERANCE + Math.abs(exact) * 2 ** -23);
  });
  expect(found[2]).toBe(4000);
});
