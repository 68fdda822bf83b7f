/** Attention by tiles against a plain reference, forward and backward, and alone to the last bit. */
import { beforeAll, describe, expect, test } from "vitest";
import { relativeError } from "../../test/compare.ts";
import { seededRandom } from "../../test/random.ts";
import { sharedDevice } from "../../test/shared_device.ts";
import type { Device } from "../device/device.ts";
import {
  attentionBackward,
  attentionEdges,
  attentionForward,
  attentionHeadEdges,
  attentionReference,
  type AttentionShape,
  type TileTable,
  uploadTiles,
} from "./attention.ts";
import { edgeBytes, edgeReference, headEdgeReference, ownReference } from "./edges.ts";
import { packPanels, PANEL, panelBytes, panelsOf, unpackPanels } from "./panels.ts";
import { addRowDot } from "./row-moves.ts";
import { HIDDEN } from "./softmax.ts";

const TOLERANCE = 2e-6;
const random = seededRandom(7);
let device: Device;

interface Case {
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headColumns: number;
  readonly window: number | null;
  readonly cap: number | null;
}

/** Rows of random numbers, [tokens, columns]. */
type Rows = number[][];
const draw = (tokens: number, columns: number, scale = 1): Rows =>
  Array.from({ length: tokens }, () => Array.from(random.normals(columns, scale)));
const columnsOf = (rows: Rows, head: number, width: number, first = 0) =>
  rows.map((row) => row.slice(first + head * width, first + (head + 1) * width));

/** A sequence's q, k and v, and gradients of what the heads write, one for each target. */
interface Tokens {
  readonly projections: Rows;
  readonly gradients: readonly Rows[];
}

function drawTokens({ heads, keyValueHeads, headColumns }: Case, tokens: number, targets = 1): Tokens {
  return {
    projections: draw(tokens, (heads + 2 * keyValueHeads) * headColumns),
    gradients: Array.from({ length: targets }, () => draw(tokens, heads * headColumns)),
  };
}

/** Sequences one after the other in panels; what pads them is no zero, so that a kernel that reads it is found. */
function upload(parts: readonly Rows[], columns: number): GPUBuffer {
  const rows = parts.flatMap((part) => {
    const padding = panelsOf(part.length) * PANEL - part.length;
    return [...part, ...Array.from({ length: padding }, () => new Array<number>(columns).fill(50))];
  });
  const buffer = device.allocate(panelBytes(rows.length, columns), "test matrix");
  device.write(buffer, 0, packPanels(rows.flat(), rows.length, columns));
  return buffer;
}

interface Options {
  readonly bias?: GPUBuffer;
  readonly hasQuery?: boolean;
  readonly valueFactor?: number;
}

/** Records attention forward and backward of sequences in one pass, with gradients of all targets. */
function record(one: Case, sequences: readonly Tokens[], { bias, hasQuery = true, valueFactor = 1 }: Options) {
  const { heads, keyValueHeads, headColumns, window, cap } = one;
  let rows = 0;
  const places = sequences.map(({ projections: { length } }) => {
    const firstRow = rows;
    rows += panelsOf(length) * PANEL;
    return { firstRow, length };
  });
  const targets = sequences[0]!.gradients.length;
  const widths = [heads, heads + keyValueHeads, heads + 2 * keyValueHeads].map((count) => count * headColumns);
  const [query, both, all] = widths as [number, number, number];
  const projections = upload(sequences.map((sequence) => sequence.projections), all);
  const rotated = upload(sequences.map((sequence) => sequence.projections.map((row) => row.slice(0, both))), both);
  const gradients = {
    targets,
    rows,
    out: upload(
      Array.from({ length: targets }, (_, target) => sequences.map((sequence) => sequence.gradients[target]!)).flat(),
      query,
    ),
    inner: device.allocate(targets * heads * rows * 4, "inner products"),
    rotated: device.allocate(targets * panelBytes(rows, both), "gradients"),
    projections: device.allocate(targets * panelBytes(rows, all), "gradients"),
  };
  const tiles = uploadTiles(device, headColumns, places, device.allocate) as TileTable;
  const attention = { window, cap, scale: headColumns ** -0.5 };
  const shape: AttentionShape = { rows, heads, keyValueHeads, headColumns, attention, tiles };
  const out = device.allocate(panelBytes(rows, query), "output");
  const stats = device.allocate(rows * heads * 8, "stats");
  attentionForward(device, shape, { rotated, projections, out, stats, bias });
  if (!bias) {
    attentionBackward(device, shape, { rotated, projections, stats, gradients, hasQuery, valueFactor });
  }
  return { shape, places, buffers: { rotated, projections, stats, gradients }, out, widths: { query, both, all } };
}

/** What attention of sequences in one pass gives. */
async function run(one: Case, sequences: readonly Tokens[], options: Options = {}) {
  const { shape: { rows }, places, buffers: { gradients }, out, widths } = record(one, sequences, options);
  const { targets } = gradients;
  const { query, both, all } = widths;
  const read = async (buffer: GPUBuffer, columns: number, count: number) => {
    const packed = new Float32Array(await device.read(buffer, 0, count * panelBytes(rows, columns)));
    const values = unpackPanels(packed, count * rows, columns);
    return Array.from(
      { length: count * rows },
      (_, row) => Array.from(values.subarray(row * columns, (row + 1) * columns)),
    );
  };
  const [written, dq, dv] = [
    await read(out, query, 1),
    await read(gradients.rotated, both, targets),
    await read(gradients.projections, all, targets),
  ];
  return places.map(({ firstRow, length }) => {
    const part = (from: Rows, target = 0) => from.slice(target * rows + firstRow, target * rows + firstRow + length);
    const padding = (from: Rows) => from.slice(firstRow + length, firstRow + panelsOf(length) * PANEL).flat();
    return {
      out: part(written),
      padding: [...padding(written), ...padding(dq), ...padding(dv)],
      targets: Array.from({ length: targets }, (_, target) => ({
        rotated: part(dq, target),
        values: part(dv, target).map((row) => row.slice(both)),
      })),
    };
  });
}

/** One head by the plain reference. */
function headReference(one: Case, { projections, gradients }: Tokens, head: number, target = 0, bias?: number[]) {
  const { heads, keyValueHeads, headColumns: width, window, cap } = one;
  const keyHead = Math.floor(head * keyValueHeads / heads);
  return attentionReference({ window, cap, scale: width ** -0.5 }, {
    query: columnsOf(projections, head, width),
    key: columnsOf(projections, heads + keyHead, width),
    value: columnsOf(projections, heads + keyValueHeads + keyHead, width),
    gradient: columnsOf(gradients[target]!, head, width),
  }, bias);
}

/** The same of all heads. */
function reference(one: Case, tokens: Tokens, target = 0, bias?: number[]) {
  const { heads, keyValueHeads, headColumns: width } = one;
  const { projections } = tokens;
  const sums = (count: number) => projections.map(() => new Array<number>(count * width).fill(0));
  const [out, rotated, values] = [sums(heads), sums(heads + keyValueHeads), sums(keyValueHeads)];
  const add = (to: Rows, from: Rows, at: number) =>
    from.forEach((row, token) => row.forEach((x, i) => to[token]![at * width + i]! += x));
  for (let head = 0; head < heads; head++) {
    const keyHead = Math.floor(head * keyValueHeads / heads);
    const result = headReference(one, tokens, head, target, bias);
    add(out, result.out, head);
    add(rotated, result.dq, head);
    add(rotated, result.dk, heads + keyHead);
    add(values, result.dv, keyHead);
  }
  return { out: out.flat(), rotated: rotated.flat(), values: values.flat() };
}

const plain: Case = { heads: 4, keyValueHeads: 2, headColumns: 8, window: null, cap: null };

const LITTLE = "through 16 KiB of it";
/** The ways of cutting tiles: lanes that own rows, or workgroup memory, of as much as hardware has or of as little as any. */
const TILINGS: Readonly<Record<string, (device: Device) => Device>> = {
  "as on this adapter": (device) => device,
  "through workgroup memory": (device) => ({ ...device, info: { ...device.info, lanes: 0 } }),
  [LITTLE]: (device) => ({ ...device, info: { ...device.info, lanes: 0 }, workgroupBytes: 2 ** 14 }),
};

describe.each(Object.entries(TILINGS))("attention %s", (name, on) => {
  // Software adapters take seconds to compile a kernel for hardware: of its smaller tiles the richest cases.
  const some = <Item>(all: readonly Item[], richest: (item: Item) => boolean) =>
    name === LITTLE ? all.filter(richest) : all;
  beforeAll(async () => {
    device = on(await sharedDevice());
  });

  describe.each<Case>(some([
    plain,
    { ...plain, window: 7 },
    { ...plain, headColumns: 16, window: 40, cap: 2 },
    { ...plain, heads: 3, keyValueHeads: 1, headColumns: 24, window: 40, cap: 2 },
    { ...plain, heads: 1, keyValueHeads: 1, headColumns: 256 },
  ], ({ heads }) => heads === 3))(
    "attention of $heads heads of $headColumns columns, window $window, cap $cap",
    (one) => {
      test("equals its reference forward and backward, for several sequences and for several targets", async () => {
        const sequences = [drawTokens(one, 37), drawTokens(one, 1), drawTokens(one, 70)];
        const found = await run(one, sequences, { valueFactor: 0.5 });
        sequences.forEach((sequence, index) => {
          const expected = reference(one, sequence);
          const { out, targets: [gradients], padding } = found[index]!;
          expect(relativeError(out.flat(), expected.out)).toBeLessThan(TOLERANCE);
          expect(relativeError(gradients!.rotated.flat(), expected.rotated)).toBeLessThan(TOLERANCE);
          expect(relativeError(gradients!.values.flat(), expected.values.map((x) => x / 2))).toBeLessThan(TOLERANCE);
          expect(padding.every((value) => value === 0)).toBe(true);
        });
        const several = drawTokens(one, 45, 3);
        const [packed] = await run(one, [several]);
        packed!.targets.forEach(({ rotated, values }, target) => {
          const expected = reference(one, several, target);
          expect(relativeError(rotated.flat(), expected.rotated)).toBeLessThan(TOLERANCE);
          expect(relativeError(values.flat(), expected.values)).toBeLessThan(TOLERANCE);
        });
      });
    },
  );

  test.skipIf(name === LITTLE)("a sequence and a target give the same bits alone and beside others", async () => {
    const sequences = [drawTokens(plain, 70), drawTokens(plain, 37)];
    const together = await run(plain, sequences);
    const [alone] = await run(plain, [sequences[1]!]);
    expect(together[1]).toEqual(alone);
    const several = drawTokens(plain, 45, 2);
    const [both] = await run(plain, [several]);
    const [second] = await run(plain, [{ ...several, gradients: [several.gradients[1]!] }]);
    expect(both!.targets[1]).toEqual(second!.targets[0]);
  });

  test.skipIf(name === LITTLE)(
    "a beginning of a sequence gives the same bits as in the whole, where no gradient comes from behind it",
    async () => {
      const whole = drawTokens(plain, 70);
      const none = whole.gradients[0]!.map((row, token) => token < 40 ? row : row.map(() => 0));
      const [long] = await run(plain, [{ ...whole, gradients: [none] }]);
      const [short] = await run(plain, [{
        projections: whole.projections.slice(0, 40),
        gradients: [none.slice(0, 40)],
      }]);
      expect(short!.out).toEqual(long!.out.slice(0, 40));
      expect(short!.targets[0]!.rotated).toEqual(long!.targets[0]!.rotated.slice(0, 40));
      expect(short!.targets[0]!.values).toEqual(long!.targets[0]!.values.slice(0, 40));
    },
  );

  test.skipIf(name === LITTLE)("without a gradient of q and k only that of v is written", async () => {
    const one = drawTokens(plain, 37);
    const [found] = await run(plain, [one], { hasQuery: false });
    expect(relativeError(found!.targets[0]!.values.flat(), reference(plain, one).values)).toBeLessThan(TOLERANCE);
    expect(found!.targets[0]!.rotated.flat().every((value) => value === 0)).toBe(true);
  });

  test.skipIf(name === LITTLE)("with a number for each key, some of them hidden from everybody", async () => {
    const one = drawTokens(plain, 37);
    const bias = random.normals(48, 3);
    // The first query sees the first key alone, which is hidden: its row is zeros.
    for (const key of [0, 5, 6]) bias[key] = HIDDEN;
    const buffer = device.allocate(bias.byteLength, "bias");
    device.write(buffer, 0, bias);
    const [found] = await run(plain, [one], { bias: buffer });
    const expected = reference(plain, one, 0, Array.from(bias));
    expect(expected.out.slice(0, 8).every((value) => value === 0)).toBe(true);
    expect(relativeError(found!.out.flat(), expected.out)).toBeLessThan(TOLERANCE);
  });

  /** One head's matrices and those of q's scores; where `linear` is given, of the parts that stand in edges (docs/method.md). */
  function edgeNumbers(one: Case, tokens: Tokens, linear: Rows | undefined, head: number) {
    const { heads, keyValueHeads, headColumns: width } = one;
    const { matrices } = headReference(one, tokens, head);
    if (!linear) return { ...matrices, queryScores: matrices.scores };
    const keyHead = heads + Math.floor(head * keyValueHeads / heads);
    const { projections, gradients: [gradient] } = tokens;
    const products = (a: Rows, aHead: number, b: Rows, bHead: number, scale: number) => {
      const others = columnsOf(b, bHead, width);
      return columnsOf(a, aHead, width).map((row) =>
        others.map((other) => scale * row.reduce((sum, x, i) => sum + x * other[i]!, 0))
      );
    };
    const scale = width ** -0.5;
    return {
      ...matrices,
      probabilityGradient: products(gradient!, head, linear, keyHead + keyValueHeads, 1),
      scores: products(projections, head, linear, keyHead, scale),
      queryScores: products(linear, head, projections, keyHead, scale),
    };
  }

  const WHOLE = "without constant parts";
  const LINEAR = "with constant parts";

  describe.each(
    some(
      [
        ["attnlrp", WHOLE, plain],
        ["attnlrp", WHOLE, { ...plain, window: 14, cap: 2 }],
        ["cplrp", WHOLE, plain],
        ["attnlrp", LINEAR, { ...plain, headColumns: 16 }],
        ["attnlrp", LINEAR, { ...plain, heads: 3, keyValueHeads: 1, headColumns: 24, window: 14, cap: 2 }],
        ["cplrp", LINEAR, plain],
      ] as const,
      ([, kind, { heads }]) => kind === LINEAR && heads === 3,
    ),
  )("edges, %s, %s of q, k and v, %j", (rule, kind, one) => {
    const tokens = drawTokens(one, 53);
    const before = drawTokens(one, 5);
    const linear = kind === LINEAR ? drawTokens(one, 53).projections : undefined;
    const heads = Array.from({ length: one.heads }, (_, head) => edgeNumbers(one, tokens, linear, head));

    function open() {
      const { shape, places, buffers, widths } = record(one, [before, tokens], { hasQuery: rule === "attnlrp" });
      const { firstRow } = places[1]!;
      const ofLinear = linear && upload([before.projections, linear], widths.all);
      return { shape, firstRow, buffers: { ...buffers, linear: ofLinear }, widths };
    }

    test("of a block of queries", async () => {
      const { shape, firstRow, buffers, widths } = open();
      const residual = random.normals(shape.rows);
      const add = device.allocate(residual.byteLength, "residual");
      device.write(add, 0, residual);
      const [firstQuery, queries, firstKey] = [32, 21, one.window === null ? 0 : 16];
      const own = device.allocate(residual.byteLength, "own");
      addRowDot(device, {
        first: firstRow + firstQuery,
        rows: queries,
        columns: widths.query,
        factor: rule === "attnlrp" ? 0.25 : 0,
        a: linear
          ? { buffer: buffers.linear!, columns: widths.all }
          : { buffer: buffers.rotated, columns: widths.both },
        b: { buffer: buffers.gradients.rotated, columns: widths.both },
        add,
        out: own,
      });
      const keys = panelsOf(firstQuery + queries) * PANEL - firstKey;
      const block = { heads: one.heads, firstRow, firstQuery, queries, firstKey, keys, window: one.window };
      const out = device.allocate(edgeBytes(block), "edges");
      attentionEdges(device, rule, shape, block, { ...buffers, own, out });
      const packed = new Float32Array(await device.read(out, 0, edgeBytes(block)));
      const found = unpackPanels(packed, panelsOf(queries) * PANEL, keys);
      const ofSequence = Array.from(residual.subarray(firstRow));
      const mine = tokens.projections.map((_, target) => ownReference(rule, heads, ofSequence, target));
      const expected = Array.from({ length: panelsOf(queries) * PANEL * keys }, (_, index) => {
        const [target, source] = [firstQuery + Math.floor(index / keys), firstKey + index % keys];
        return target < firstQuery + queries && source < 53 ? edgeReference(rule, heads, mine, target, source) : 0;
      });
      expect(relativeError(found, expected)).toBeLessThan(TOLERANCE);
    });

    test("head by head, hidden ones too", async () => {
      const { shape, firstRow, buffers } = open();
      const every = Array.from({ length: 53 }, (_, target) => [[target, 0], [target, target], [target, target >> 1]]);
      const pairs = [...every.flat(), [52, 40], [52, 39], [52, 38]] as [number, number][];
      const buffer = device.allocate(pairs.length * 8, "pairs");
      device.write(buffer, 0, Uint32Array.from(pairs.flat()));
      const bytes = pairs.length * one.heads * 8;
      const out = device.allocate(bytes, "terms");
      attentionHeadEdges(device, rule, shape, firstRow, { ...buffers, pairs: { buffer, count: pairs.length }, out });
      const found = new Float32Array(await device.read(out, 0, bytes));
      const expected = pairs.flatMap(([target, source]) =>
        heads.flatMap((head) => {
          const { ov, qk } = headEdgeReference(rule, head, target, source);
          return [ov, qk];
        })
      );
      expect(relativeError(found, expected)).toBeLessThan(TOLERANCE);
    });
  });
});
