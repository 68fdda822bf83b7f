/**
 * What a backward pass starts from: a seed, a linear functional of logits at positions (docs/method.md section 1). Token
 * pairs are seeds of one term. A seed becomes a gradient at the final-normed rows that it reads, and through the final
 * norm one of the residual stream there.
 */
import { readRow, readUnembedding, writeRow } from "./embedding.ts";
import { normRule } from "./operation.ts";
import { eachLogits, finalNormOf, type ForwardPass, type Runner, type TokenPlace } from "./pass.ts";
import type { AttributionRequest, Rule, SeedRequest, SeedTerm, SeedTermLogits, TokenLogit } from "../engine.ts";
import { InputError } from "../errors.ts";
import { argmaxReference } from "../kernels/decode.ts";
import { normBackward } from "../kernels/norm.ts";
import { PANEL, panelBytes, panelsOf, unpackPanels } from "../kernels/panels.ts";
import { moveRows } from "../kernels/row-moves.ts";
import { softcapBackward, softcapReference, softcapSlope } from "../kernels/softcap.ts";
import { project, projectBack } from "../kernels/weight_matrix.ts";

/** What can be attributed. */
export type Question = AttributionRequest | SeedRequest;

/** A term whose target may still be open: the argmax of its position. */
type OpenTerm = Omit<SeedTerm, "target"> & { readonly target: number | undefined };

const termsOf = (question: Question): readonly OpenTerm[] =>
  "seed" in question
    ? question.seed
    : [{ position: question.inputIds.length - 1, target: question.target, contrast: question.contrast, factor: 1 }];

/** Positions that a question's terms read, ascending, each once. */
export const positionsOf = (question: Question): readonly number[] =>
  [...new Set(termsOf(question).map(({ position }) => position))].sort((a, b) => a - b);

/** Places that questions read, one question after the other; `sequences[i]` is that of question i. */
export const readsOf = (questions: readonly Question[], sequences: readonly number[]): readonly TokenPlace[] =>
  questions.flatMap((question, index) =>
    positionsOf(question).map((position) => ({ sequence: sequences[index] as number, position }))
  );

/** A question's terms with their logits, and its gradients. */
export interface Seed {
  readonly terms: readonly SeedTermLogits[];
  /** Sum of factor x (targetLogit - contrastLogit). */
  readonly value: number;
  /** The first of its rows among those that the pass reads, and their positions. */
  readonly firstRead: number;
  readonly positions: readonly number[];
  /** Of the final-normed rows that it reads, [positions, hidden]. */
  readonly gradients: Float32Array;
}

/** A seed that is a token pair. */
export function pairOf({ terms: [term] }: Seed): { readonly target: TokenLogit; readonly contrast: TokenLogit } {
  const { target, targetLogit, contrast, contrastLogit } = term as SeedTermLogits;
  return { target: { id: target, logit: targetLogit }, contrast: { id: contrast as number, logit: contrastLogit } };
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

/** A number that is linear in a normed row, or a capped one: its value and its gradient there. */
interface Functional {
  readonly value: number;
  readonly slope: number;
  readonly gradient: Float32Array;
}

/** Seeds of questions whose places the pass reads in their order; the argmax where a question names no target. */
export async function resolveSeeds(
  runner: Runner,
  pass: ForwardPass,
  questions: readonly Question[],
): Promise<readonly Seed[]> {
  const { device, model } = runner;
  const { hidden, logitCap } = model.config;
  let reads = 0;
  const placed = questions.map((question) => {
    const positions = positionsOf(question);
    const firstRead = reads;
    reads += positions.length;
    const terms = termsOf(question).map((term) => ({ ...term, read: firstRead + positions.indexOf(term.position) }));
    return { positions, firstRead, terms };
  });
  const all = placed.flatMap(({ terms }) => terms);
  const best = await bestTokens(runner, pass, all.filter(({ target }) => target === undefined).map(({ read }) => read));
  const means = await meansOf(runner, pass, all.filter(({ contrast }) => contrast === "mean").map(({ read }) => read));
  const normed = new Float32Array(await device.read(pass.lastNormed, 0, panelBytes(reads, hidden)));
  return placed.map(({ positions, firstRead, terms }) => {
    const sums = new Float64Array(positions.length * hidden);
    const resolved = terms.map(({ read, position, factor, target, contrast }): SeedTermLogits => {
      const row = readRow(normed, read, hidden);
      const ofToken = (id: number): Functional => {
        const gradient = readUnembedding(model, id);
        const uncapped = dot(row, gradient);
        if (logitCap === null) return { value: uncapped, slope: 1, gradient };
        return { value: softcapReference(uncapped, logitCap), slope: softcapSlope(uncapped, logitCap), gradient };
      };
      const wrong = target ?? best.get(read) as number;
      if (wrong === contrast) throw noContrast(wrong);
      const plus = ofToken(wrong);
      const minus = contrast === null ? null : contrast === "mean" ? means(read, row) : ofToken(contrast);
      const start = (read - firstRead) * hidden;
      for (let i = 0; i < hidden; i++) {
        const against = minus ? minus.slope * (minus.gradient[i] as number) : 0;
        sums[start + i]! += factor * (plus.slope * (plus.gradient[i] as number) - against);
      }
      return { position, target: wrong, contrast, factor, targetLogit: plus.value, contrastLogit: minus?.value ?? 0 };
    });
    const value = resolved.reduce(
      (sum, { factor, targetLogit, contrastLogit }) => sum + factor * (targetLogit - contrastLogit),
      0,
    );
    return { terms: resolved, value, firstRead, positions, gradients: Float32Array.from(sums) };
  });
}

const noContrast = (id: number) =>
  new InputError(
    `the contrast ${id} is the model's own choice at this position, so there is nothing to contrast it with`,
    "contrast",
    "name another contrast, or a target",
  );

/** The argmax at each of the reads. */
async function bestTokens(
  runner: Runner,
  pass: ForwardPass,
  reads: readonly number[],
): Promise<ReadonlyMap<number, number>> {
  const best = new Map<number, number>();
  await eachLogits(runner, pass, reads, (read, logits) => best.set(read, argmaxReference(logits)));
  return best;
}

/** The mean of all logits at each of the reads. Without a cap its gradient is one vector: the unembedding's mean row. */
async function meansOf(
  runner: Runner,
  pass: ForwardPass,
  reads: readonly number[],
): Promise<(read: number, normed: Float32Array) => Functional> {
  const { model: { config: { vocabulary, logitCap } } } = runner;
  const found = new Map<number, Functional>();
  const different = [...new Set(reads)];
  if (logitCap === null) {
    const [gradient] = different.length > 0 ? await meanGradients(runner, pass, different.slice(0, 1)) : [];
    return (_, normed) => ({
      value: dot(normed, gradient as Float32Array),
      slope: 1,
      gradient: gradient as Float32Array,
    });
  }
  const values = new Map<number, number>();
  await eachLogits(runner, pass, different, (read, logits) => {
    values.set(read, logits.reduce((sum, logit) => sum + logit, 0) / vocabulary);
  });
  for (let first = 0; first < different.length; first += PANEL) {
    const part = different.slice(first, first + PANEL);
    const gradients = await meanGradients(runner, pass, part);
    part.forEach((read, row) =>
      found.set(read, { value: values.get(read) as number, slope: 1, gradient: gradients[row] as Float32Array })
    );
  }
  return (read) => found.get(read) as Functional;
}

/** The gradient of the mean of all logits at some reads, of a panel at most: [hidden] each. */
async function meanGradients(runner: Runner, pass: ForwardPass, reads: readonly number[]): Promise<Float32Array[]> {
  const { device, model: { config: { hidden, vocabulary, logitCap } }, weights: { unembedding } } = runner;
  const count = reads.length;
  const owned: GPUBuffer[] = [];
  const own = (bytes: number, label: string) => {
    const buffer = device.allocate(bytes, label);
    owned.push(buffer);
    return buffer;
  };
  try {
    const shares = new Float32Array(panelBytes(count, vocabulary) / 4);
    const each = new Float32Array(vocabulary).fill(1 / vocabulary);
    for (let row = 0; row < count; row++) writeRow(shares, row, each);
    const gradient = own(shares.byteLength, "gradients of logits");
    device.write(gradient, 0, shares);
    if (logitCap !== null) {
      const list = own(panelsOf(count) * PANEL * 4, "rows whose logits are wanted");
      const normed = own(panelBytes(count, hidden), "rows, normed");
      const uncapped = own(shares.byteLength, "logits");
      device.write(list, 0, Uint32Array.from(reads));
      moveRows(device, "gather", count, hidden, list, pass.lastNormed, normed);
      project(device, count, normed, unembedding, uncapped);
      softcapBackward(device, panelsOf(count), vocabulary, logitCap, uncapped, gradient);
    }
    const out = own(panelBytes(count, hidden), "gradients of means");
    projectBack(device, count, gradient, unembedding, out);
    const values = unpackPanels(new Float32Array(await device.read(out, 0, panelBytes(count, hidden))), count, hidden);
    return reads.map((_, row) => values.slice(row * hidden, (row + 1) * hidden));
  } finally {
    owned.forEach((buffer) => device.free(buffer));
  }
}

/** Records the gradient at the last node layer, [rows, hidden], of seeds of different sequences: zero but where they read. */
export function seedGradient(runner: Runner, pass: ForwardPass, seeds: readonly Seed[], rule: Rule): GPUBuffer {
  const { hidden } = runner.model.config;
  const rows = seedRows(runner, pass, seeds, rule);
  const gradient = pass.workspace.allocate(hidden, "gradient");
  moveRows(runner.device, "scatter", pass.reads.length, hidden, pass.lastRowsBuffer, rows, gradient);
  return gradient;
}

/** Records the gradients of seeds at the rows that the pass reads for them, [reads, hidden]. */
export function seedRows(runner: Runner, pass: ForwardPass, seeds: readonly Seed[], rule: Rule): GPUBuffer {
  const { device, model: { config: { hidden } } } = runner;
  const { workspace, reads: { length: count } } = pass;
  const packed = new Float32Array(panelBytes(count, hidden) / 4);
  for (const { firstRead, positions, gradients } of seeds) {
    positions.forEach((_, at) => writeRow(packed, firstRead + at, gradients.subarray(at * hidden, (at + 1) * hidden)));
  }
  const ofNormed = workspace.adopt(device.allocate(packed.byteLength, "gradient at the final-normed rows"));
  device.write(ofNormed, 0, packed);
  const ofRows = workspace.adopt(device.allocate(packed.byteLength, "gradient at the rows that are read"));
  normBackward(device, {
    ...finalNormOf(runner),
    rule: normRule(rule),
    rows: count,
    dy: ofNormed,
    r: pass.lastScale,
    x: pass.last,
    g: ofRows,
    accumulate: false,
  });
  return ofRows;
}
