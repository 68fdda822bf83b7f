/**
 * Whether a device computes right numbers: golden models against what other programs computed, relevance that must add
 * up, and a product against plain TypeScript. Drivers are wrong now and then, and say nothing.
 */
import type { Device } from "../device/device.ts";
import type { AdapterCheck, AttributionResult, CheckedValue, GoldenCheck, Rule } from "../engine.ts";
import { RULES } from "../engine.ts";
import { NonFiniteError } from "../errors.ts";
import { matmul, matmulReference, whole } from "../kernels/matmul.ts";
import { packPanels, panelBytes, unpackPanels } from "../kernels/panels.ts";
import { loadModel } from "../loaded_model.ts";
import { type GoldenCase, type GoldenModel, randomModel, trainedModel } from "./golden.ts";

/** Largest differences that hold, relative to the largest value: those of the tests. */
const TOLERANCE = { golden: 1e-4, conservation: 1e-4, product: 2e-6 };
/** A product that fills no tile. */
const [ROWS, COLUMNS, DEPTH] = [37, 52, 84];

/**
 * Checks a device. `short`: one case of the trained model by two rules, for whoever starts to work; else all models,
 * cases and rules. What the driver itself refuses is thrown as it comes.
 */
export async function checkDevice(device: Device, { short = false } = {}): Promise<AdapterCheck> {
  const trained = trainedModel();
  const models = short ? [{ ...trained, cases: trained.cases.slice(0, 1) }] : [trained, randomModel()];
  const rules = short ? (["attnlrp", "cplrp"] as const) : RULES;
  const golden: GoldenCheck[] = [];
  let conserved = 0;
  for (const model of models) {
    const results = await attributeGolden(device, model, rules);
    if (results === undefined) {
      for (const rule of rules) golden.push({ model: model.name, rule, ...valueOf(Infinity, TOLERANCE.golden) });
      continue;
    }
    for (const rule of rules) {
      const found = results.filter(({ result }) => result.rule === rule);
      const errors = found.map(({ result, one }) => relativeError(result.nodeRelevance, one.nodeRelevance[rule]));
      golden.push({ model: model.name, rule, ...valueOf(largest(errors), TOLERANCE.golden) });
      if (rule === "cplrp") conserved = largest([conserved, ...found.map(({ result }) => conservationError(result))]);
    }
  }
  const conservation = valueOf(conserved, TOLERANCE.conservation);
  const product = valueOf(await productError(device), TOLERANCE.product);
  const holds = [...golden, conservation, product].every((value) => value.holds);
  return { golden, conservation, product, holds };
}

const valueOf = (error: number, most: number): CheckedValue => ({ error, holds: error <= most });
/** NaN, which compares false with everything, is the largest of all. */
const largest = (errors: readonly number[]): number => errors.some(Number.isNaN) ? Infinity : Math.max(0, ...errors);

interface GoldenResult {
  readonly one: GoldenCase;
  readonly result: AttributionResult;
}

/** Undefined where the device makes something that is no number. */
async function attributeGolden(
  device: Device,
  model: GoldenModel,
  rules: readonly Rule[],
): Promise<GoldenResult[] | undefined> {
  const loaded = await loadModel(device, model.directory);
  try {
    const asked = model.cases.flatMap((one) => rules.map((rule) => ({ one, rule })));
    const results = await loaded.attributeMany(
      asked.map(({ one: { inputIds, target, contrast }, rule }) => ({ inputIds, target, contrast, rule })),
    );
    return asked.map(({ one }, index) => ({ one, result: results[index] as AttributionResult }));
  } catch (error) {
    if (error instanceof NonFiniteError) return undefined;
    throw error;
  } finally {
    loaded.dispose();
  }
}

/** The largest difference relative to the largest expected value; NaN where anything found is no number. */
export function relativeError(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) return Infinity;
  let difference = 0;
  let most = 0;
  for (let index = 0; index < expected.length; index++) {
    const error = Math.abs(found[index]! - expected[index]!);
    if (Number.isNaN(error)) return NaN;
    difference = Math.max(difference, error);
    most = Math.max(most, Math.abs(expected[index]!));
  }
  return most === 0 ? difference : difference / most;
}

/** CP-LRP's relevance sums to the logit difference at every node layer: how far it does not, relative to the largest. */
function conservationError({ nodeRelevance, layers, inputIds, logitDifference }: AttributionResult): number {
  const errors = Array.from({ length: layers + 1 }, (_, layer) => {
    const row = nodeRelevance.subarray(layer * inputIds.length, (layer + 1) * inputIds.length);
    const scale = Math.max(...row.map(Math.abs), Math.abs(logitDifference));
    return Math.abs(row.reduce((sum, value) => sum + value, 0) - logitDifference) / scale;
  });
  return largest(errors);
}

/** Both kinds of products that a pass consists of, against sums in float64. */
async function productError(device: Device): Promise<number> {
  const errors: number[] = [];
  for (const mode of ["nt", "nn"] as const) {
    const left = waves(ROWS * DEPTH, 1.7);
    const right = waves(COLUMNS * DEPTH, 2.3);
    const [rightRows, rightColumns] = mode === "nt" ? [COLUMNS, DEPTH] : [DEPTH, COLUMNS];
    const buffers = [panelBytes(ROWS, DEPTH), panelBytes(rightRows, rightColumns), panelBytes(ROWS, COLUMNS)]
      .map((bytes) => device.allocate(bytes, "product to check"));
    const [a, b, c] = buffers as [GPUBuffer, GPUBuffer, GPUBuffer];
    try {
      device.write(a, 0, packPanels(left, ROWS, DEPTH));
      device.write(b, 0, packPanels(right, rightRows, rightColumns));
      matmul(device, {
        mode,
        m: ROWS,
        n: COLUMNS,
        k: DEPTH,
        a: whole(a, DEPTH),
        b: whole(b, rightColumns),
        c: whole(c, COLUMNS),
      });
      const packed = new Float32Array(await device.read(c, 0, panelBytes(ROWS, COLUMNS)));
      const expected = matmulReference(mode, left, right, ROWS, COLUMNS, DEPTH);
      errors.push(relativeError(unpackPanels(packed, ROWS, COLUMNS), expected));
    } finally {
      buffers.forEach((buffer) => device.free(buffer));
    }
  }
  return largest(errors);
}

/** Numbers of either sign and several sizes. */
const waves = (count: number, step: number): Float32Array =>
  Float32Array.from({ length: count }, (_, index) => Math.sin(index * step) * 10 ** -(index % 3));
