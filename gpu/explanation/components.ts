/** Relevance of attention heads and MLP neurons of chosen nodes (docs/method.md section 4). */
import { refuseNonFinite } from "./attribution.ts";
import { type BlockState, causalAttention, type Workspace } from "../pass/blocks.ts";
import type {
  Component,
  ComponentsRequest,
  ComponentsResult,
  NodeComponents,
  NodePlace,
  RunOptions,
} from "../engine.ts";
import { InputError } from "../errors.ts";
import { swigluReference } from "../kernels/swiglu.ts";
import type { LayerAttention, ModelConfig } from "../model/config.ts";
import { columns4 } from "../kernels/panels.ts";
import { chooseTokens, forward, type Pair, type Runner } from "../pass/pass.ts";
import { readMatrixRows, type Step, walkDown } from "../pass/walk.ts";

/** Heads and neurons of a node that are given when a request does not say. */
export const DEFAULT_TOP = 10;

/** Nodes of a block whose rows are read at once. */
const NODES_AT_ONCE = 128;

/** Throws InputError for nodes that are not there. */
export function checkNodes(config: ModelConfig, { inputIds, nodes, top = DEFAULT_TOP }: ComponentsRequest): void {
  nodes?.forEach((node, index) => checkNode(config, inputIds.length, node, `nodes[${index}]`));
  if (!Number.isInteger(top) || top < 0) throw new InputError(`${top} is no count`, "top", "use a whole number");
}

/** Throws InputError for a node that is no block's output at a token of the prompt. */
export function checkNode({ layers }: ModelConfig, tokens: number, { layer, token }: NodePlace, where: string): void {
  if (!Number.isInteger(layer) || layer < 1 || layer > layers) {
    throw new InputError(`there is no block that ends at node layer ${layer}`, where, `use layers from 1 to ${layers}`);
  }
  if (!Number.isInteger(token) || token < 0 || token >= tokens) {
    throw new InputError(`there is no token ${token}`, where, `use tokens from 0 to ${tokens - 1}`);
  }
}

/** What a block holds at chosen tokens, row-major, a row each. */
export interface BlockRows {
  /** [heads, head dimension]: what each head writes, and its gradient. */
  readonly headOutputs: Float32Array;
  readonly headGradients: Float32Array;
  /** [inner]: w = silu(gate) up, and its gradient; columns past the intermediate size are zero. */
  readonly inner: Float64Array;
  readonly innerGradients: Float32Array;
  /** [hidden]: the block's input, the stream between attention and MLP, and the gradient there. */
  readonly input: Float32Array;
  readonly middle: Float32Array;
  readonly middleGradients: Float32Array;
}

/** Width of a row of neurons, with its padding. */
export const innerColumns = (config: ModelConfig): number => columns4(config.intermediate) * 4;

/** Reads what a block holds at `tokens`, when the walk is at its middle. */
export async function readBlockRows(
  runner: Runner,
  workspace: Workspace,
  { block, state, space, gradient }: Step,
  tokens: readonly number[],
): Promise<BlockRows> {
  const { config } = runner.model;
  const queries = config.heads * config.headDimension;
  const inner = innerColumns(config);
  recordHeads(workspace, block.attention, state);
  const read = (buffer: GPUBuffer, columns: number) => readMatrixRows(runner, buffer, columns, tokens);
  const gateUp = await read(state.gateUp, 2 * inner);
  return {
    headOutputs: await read(workspace.scratch.attention, queries),
    headGradients: await read(space.attention, queries),
    inner: Float64Array.from({ length: tokens.length * inner }, (_, index) => {
      const at = Math.floor(index / inner) * 2 * inner + index % inner;
      return swigluReference(gateUp[at] as number, gateUp[at + inner] as number);
    }),
    innerGradients: await read(space.inner, inner),
    input: await read(state.input, config.hidden),
    middle: await read(state.middle, config.hidden),
    middleGradients: await read(gradient, config.hidden),
  };
}

/** Records what each head writes into scratch.attention, [rows, heads * head dimension]. */
function recordHeads(workspace: Workspace, attention: LayerAttention, state: BlockState): void {
  causalAttention(workspace, attention, state);
}

/** Sum of products of `count` numbers from `start` on. */
export function dotAt(a: ArrayLike<number>, b: ArrayLike<number>, start: number, count: number): number {
  let sum = 0;
  for (let i = start; i < start + count; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

/** Attributes, and splits the blocks of the request's nodes into heads and neurons. */
export async function attributeComponents(
  runner: Runner,
  request: ComponentsRequest,
  options: RunOptions,
): Promise<ComponentsResult> {
  const start = performance.now();
  const { device, model: { config, directory } } = runner;
  const { inputIds, rule, top = DEFAULT_TOP } = request;
  const tokens = inputIds.length;
  const nodes = request.nodes ??
    Array.from({ length: config.layers }, (_, block) => ({ layer: block + 1, token: tokens - 1 }));
  const pass = await forward(runner, [inputIds], options);
  try {
    const pairs = await chooseTokens(runner, pass, [request]);
    const { target, contrast } = pairs[0] as Pair;
    const found = new Map<NodePlace, Omit<NodeComponents, "relevance" | "aroundMlp">>();
    const aroundMlp = new Map<NodePlace, number>();
    const nodesAt = (layer: number) => nodes.filter((node) => node.layer === layer + 1);
    const nodeRelevance = await walkDown(runner, pass, { pairs, rule, lowest: 0 }, {
      async atOutput({ layer, state, gradient }) {
        for (const part of parts(nodesAt(layer))) {
          const at = part.map(({ token }) => token);
          const middle = await readMatrixRows(runner, state.middle, config.hidden, at);
          const gradients = await readMatrixRows(runner, gradient, config.hidden, at);
          part.forEach((node, row) =>
            aroundMlp.set(node, dotAt(middle, gradients, row * config.hidden, config.hidden))
          );
        }
      },
      async atMiddle(step) {
        for (const part of parts(nodesAt(step.layer))) {
          const rows = await readBlockRows(runner, pass.workspace, step, part.map(({ token }) => token));
          part.forEach((node, row) => found.set(node, { ...splitNode(config, rows, row, top), ...node }));
        }
      },
    }, options);
    refuseNonFinite(nodeRelevance, tokens, directory);
    return {
      rule,
      inputIds,
      target,
      contrast,
      logitDifference: target.logit - contrast.logit,
      layers: config.layers,
      nodeRelevance,
      nodes: nodes.map((node) => ({
        ...(found.get(node) as Omit<NodeComponents, "relevance" | "aroundMlp">),
        relevance: nodeRelevance[node.layer * tokens + node.token] as number,
        aroundMlp: aroundMlp.get(node) as number,
      })),
      adapter: device.info.name,
      seconds: (performance.now() - start) / 1000,
    };
  } finally {
    pass.workspace.free();
  }
}

function* parts<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let start = 0; start < items.length; start += NODES_AT_ONCE) yield items.slice(start, start + NODES_AT_ONCE);
}

function splitNode(
  { heads, headDimension, hidden, intermediate }: ModelConfig,
  rows: BlockRows,
  row: number,
  top: number,
) {
  const headAt = (head: number) =>
    dotAt(rows.headOutputs, rows.headGradients, (row * heads + head) * headDimension, headDimension);
  const inner = columns4(intermediate) * 4;
  const neuronAt = (neuron: number) =>
    (rows.inner[row * inner + neuron] as number) * (rows.innerGradients[row * inner + neuron] as number);
  const ofHeads = Array.from({ length: heads }, (_, index) => ({ index, relevance: headAt(index) }));
  const ofNeurons = Array.from({ length: intermediate }, (_, index) => ({ index, relevance: neuronAt(index) }));
  const total = (list: readonly Component[]) => list.reduce((sum, { relevance }) => sum + relevance, 0);
  return {
    heads: largest(ofHeads, top),
    neurons: largest(ofNeurons, top),
    attention: total(ofHeads),
    mlp: total(ofNeurons),
    aroundAttention: dotAt(rows.input, rows.middleGradients, row * hidden, hidden),
  };
}

/** The `top` components of largest |relevance|; of equal ones the lower number first. */
function largest(components: readonly Component[], top: number): readonly Component[] {
  return components.toSorted((a, b) => Math.abs(b.relevance) - Math.abs(a.relevance) || a.index - b.index).slice(
    0,
    top,
  );
}
