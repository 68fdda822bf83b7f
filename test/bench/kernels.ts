/** The kernels that most of the time goes into, on random data: weight products and one block's attention. */
import { blockOf } from "../../gpu/pass/block.ts";
import { type BlockState, slot, type Workspace } from "../../gpu/pass/operation.ts";
import { headWidths, QUERY_KEY_VALUE, ROTATED } from "../../gpu/pass/operations/heads.ts";
import type { BlockWeights } from "../../gpu/pass/weights.ts";
import { openWorkspace } from "../../gpu/pass/workspace.ts";
import type { Device } from "../../gpu/device/device.ts";
import { matmul, whole } from "../../gpu/kernels/matmul.ts";
import type { ModelConfig } from "../../gpu/model/config.ts";
import { blockLayout } from "../../gpu/model/layout.ts";
import { type ElementType, panelBytes } from "../../gpu/kernels/panels.ts";
import { seededRandom } from "../random.ts";

/** A product of activations and a weight matrix of a block. */
export interface WeightProduct {
  /** nt: x [rows, input] W^T, as in a forward pass. nn: gradient [rows, output] W, as in a backward pass. */
  readonly mode: "nt" | "nn";
  readonly type: ElementType;
  readonly rows: number;
  readonly weight: BlockMatrix;
}

/** A weight matrix [output, input] as the engine joins them. */
export interface BlockMatrix {
  readonly name: string;
  readonly input: number;
  readonly output: number;
}

/** The weight matrices of a block. */
export function blockMatrices(config: ModelConfig): BlockMatrix[] {
  const names: Readonly<Record<string, string>> = { queryKeyValue: "q,k,v", output: "o", gateUp: "gate,up" };
  return blockLayout(config, 0).matrices.map(({ part, rows, columns }) => ({
    name: names[part] ?? part,
    input: columns,
    output: rows,
  }));
}

/** Work that is prepared on a device, done `repeats` times at once, and freed. */
export interface Prepared {
  run(repeats: number): Promise<void>;
  free(): void;
}

/** Prepares a weight product. */
export function prepareWeightProduct(device: Device, { mode, type, rows, weight }: WeightProduct): Prepared {
  const { input, output } = weight;
  const [k, n] = mode === "nt" ? [input, output] : [output, input];
  const a = randomMatrix(device, rows, k, "f32");
  const b = randomMatrix(device, output, input, type);
  const c = device.allocate(panelBytes(rows, n), "product");
  return {
    async run(repeats) {
      for (let repeat = 0; repeat < repeats; repeat++) {
        matmul(device, { mode, m: rows, n, k, a: whole(a, k), b: { ...whole(b, input), type }, c: whole(c, n) });
      }
      await device.flush();
    },
    free: () => [a, b, c].forEach((buffer) => device.free(buffer)),
  };
}

/** Attention with the buffers that it works on. */
export interface Attention extends Prepared {
  readonly workspace: Workspace;
  readonly state: BlockState;
}

/** Prepares a block's attention over one sequence: scores, softmax and the product with v, from random q, k and v. */
export function prepareAttention(device: Device, config: ModelConfig, tokens: number): Attention {
  const workspace = openWorkspace(device, config, [tokens]);
  const { rows } = workspace;
  const state = workspace.blockState(workspace.allocate(config.hidden, "input"));
  const widths = headWidths(config);
  fill(device, slot(state, ROTATED), rows, widths.rotated);
  fill(device, slot(state, QUERY_KEY_VALUE), rows, widths.queryKeyValue);
  // Attention reads no weights, only how its layer attends.
  const weights = { layer: 0, attention: config.attention[0] } as BlockWeights;
  const record = () => blockOf(config, 0).attention.forward(workspace, { weights, state });
  return {
    async run(repeats) {
      for (let repeat = 0; repeat < repeats; repeat++) record();
      await device.flush();
    },
    workspace,
    state,
    free: () => workspace.free(),
  };
}

/** Random values are drawn once and repeated. Not zeros: hardware is faster on them. */
const POOL = seededRandom(11).normals(2 ** 16);
/** Truncated bf16, two a word; words of blocks as well, whose values do not matter for the time. */
const POOL_BF16 = Uint16Array.from(new Uint32Array(POOL.buffer), (bits) => bits >>> 16);

function randomMatrix(device: Device, rows: number, columns: number, type: ElementType): GPUBuffer {
  const buffer = device.allocate(panelBytes(rows, columns, type), `random ${type} matrix`);
  fill(device, buffer, rows, columns, type);
  return buffer;
}

function fill(device: Device, buffer: GPUBuffer, rows: number, columns: number, type: ElementType = "f32"): void {
  const pool = new Uint8Array((type === "f32" ? POOL : POOL_BF16).buffer);
  const bytes = panelBytes(rows, columns, type);
  for (let at = 0; at < bytes; at += pool.length) {
    device.write(buffer, at, pool.subarray(0, Math.min(pool.length, bytes - at)));
  }
}
