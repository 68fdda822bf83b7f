/** Relevance of attention heads and MLP neurons of chosen nodes (docs/method.md section 4). */
import { refuseNonFinite } from "./attribution.ts";
import { blockOf } from "../pass/block.ts";
import { slot, type Workspace } from "../pass/operation.ts";
import { ATTENDED, headWidths } from "../pass/operations/heads.ts";
import { INNER } from "../pass/operations/mlp.ts";
import type {
  AttributionRequest,
  AttributionResult,
  Component,
  ComponentsRequest,
  ComponentsResult,
  NodeComponents,
  NodePlace,
  RunOptions,
} from "../engine.ts";
import { InputError } from "../errors.ts";
import type { ModelConfig } from "../model/config.ts";
import { columns4 } from "../kernels/panels.ts";
import { forward, type Runner } from "../pass/pass.ts";
import { pairOf, readsOf, resolveSeeds, type Seed } from "../pass/seed.ts";
import { readMatrixRows, type Step, type Visitor, walkDown } from "../pass/walk.ts";

/** Heads and neurons of a node that are given when a request does not say. */
export const DEFAULT_TOP = 10;

/** Nodes of a block whose rows are read at once. */
export const NODES_AT_ONCE = 128;

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
  /** [heads, head columns]: what each head writes, and its gradient. */
  readonly headOutputs: Float32Array;
  readonly headGradients: Float32Array;
  /** [experts of a token, neurons]: what they are, and their gradient. */
  readonly neurons: NeuronRows;
  /** [hidden]: the block's input, the stream between attention and MLP, and the gradient there. */
  readonly input: Float32Array;
  readonly middle: Float32Array;
  readonly middleGradients: Float32Array;
}

/** Neurons of chosen tokens. */
export interface NeuronRows {
  /** [tokens, rows of a token, columns] */
  readonly values: Float32Array;
  readonly gradients: Float32Array;
  readonly count: number;
  /** `count` and its padding. */
  readonly columns: number;
  readonly rowsPerToken: number;
  /** [tokens, rows of a token]: whose neurons a row has; null where there are no experts. */
  readonly experts: Uint32Array | null;
}

/** Reads what a block holds at `tokens`, when the walk is at its middle. */
export async function readBlockRows(
  runner: Runner,
  workspace: Workspace,
  { place, space, gradient }: Step,
  tokens: readonly number[],
): Promise<BlockRows> {
  const { config } = runner.model;
  const { attention, mlp } = blockOf(config, place.weights.layer);
  const { query } = headWidths(config);
  attention.forward(workspace, place);
  mlp.neuronsAgain(workspace, place);
  const read = (buffer: GPUBuffer, columns: number) => readMatrixRows(runner, buffer, columns, tokens);
  const perToken = mlp.rowsPerToken;
  const columns = columns4(mlp.neurons) * 4;
  const neuronRows = tokens.flatMap((token) => Array.from({ length: perToken }, (_, row) => token * perToken + row));
  return {
    headOutputs: await read(slot(workspace, ATTENDED), query),
    headGradients: await read(slot(space, ATTENDED), query),
    neurons: {
      values: await readMatrixRows(runner, slot(workspace, INNER), columns, neuronRows),
      gradients: await readMatrixRows(runner, slot(space, INNER), columns, neuronRows),
      count: mlp.neurons,
      columns,
      rowsPerToken: perToken,
      experts: await mlp.expertsOf(workspace.device, place, neuronRows),
    },
    input: await read(place.state.node, config.hidden),
    middle: await read(place.state.middle, config.hidden),
    middleGradients: await read(gradient, config.hidden),
  };
}

/** Sum of products of `count` numbers from `start` on. */
export function dotAt(a: ArrayLike<number>, b: ArrayLike<number>, start: number, count: number): number {
  let sum = 0;
  for (let i = start; i < start + count; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

/** Attributes by one walk down, which `visitor` looks into. */
export async function walkBlocks(
  runner: Runner,
  request: AttributionRequest,
  options: RunOptions,
  visitor: (workspace: Workspace) => Visitor,
): Promise<AttributionResult> {
  const start = performance.now();
  const { device, model: { config, directory } } = runner;
  const { inputIds, rule } = request;
  const pass = await forward(runner, [inputIds], options, { purpose: "backward", reads: readsOf([request], [0]) });
  try {
    const [seed] = await resolveSeeds(runner, pass, [request]) as [Seed];
    const { target, contrast } = pairOf(seed);
    const down = { seed, rule, lowest: 0 };
    const nodeRelevance = await walkDown(runner, pass, down, visitor(pass.workspace), options);
    refuseNonFinite(nodeRelevance, inputIds.length, directory);
    return {
      rule,
      inputIds,
      target,
      contrast,
      logitDifference: target.logit - contrast.logit,
      layers: config.layers,
      nodeRelevance,
      adapter: device.info.name,
      seconds: (performance.now() - start) / 1000,
    };
  } finally {
    pass.workspace.free();
  }
}

/** Attributes, and splits the blocks of the request's nodes into heads and neurons. */
export async function attributeComponents(
  runner: Runner,
  request: ComponentsRequest,
  options: RunOptions,
): Promise<ComponentsResult> {
  const { model: { config } } = runner;
  const { inputIds, top = DEFAULT_TOP } = request;
  const tokens = inputIds.length;
  const nodes = request.nodes ??
    Array.from({ length: config.layers }, (_, block) => ({ layer: block + 1, token: tokens - 1 }));
  const found = new Map<NodePlace, Omit<NodeComponents, "relevance" | "aroundMlp">>();
  const aroundMlp = new Map<NodePlace, number>();
  const nodesAt = (layer: number) => nodes.filter((node) => node.layer === layer + 1);
  const result = await walkBlocks(runner, request, options, (workspace) => ({
    async atOutput({ layer, place, gradient }) {
      for (const part of parts(nodesAt(layer))) {
        const at = part.map(({ token }) => token);
        const middle = await readMatrixRows(runner, place.state.middle, config.hidden, at);
        const gradients = await readMatrixRows(runner, gradient, config.hidden, at);
        part.forEach((node, row) => aroundMlp.set(node, dotAt(middle, gradients, row * config.hidden, config.hidden)));
      }
    },
    async atMiddle(step) {
      for (const part of parts(nodesAt(step.layer))) {
        const rows = await readBlockRows(runner, workspace, step, part.map(({ token }) => token));
        part.forEach((node, row) => found.set(node, { ...splitNode(config, rows, row, top), ...node }));
      }
    },
  }));
  return {
    ...result,
    nodes: nodes.map((node) => ({
      ...(found.get(node) as Omit<NodeComponents, "relevance" | "aroundMlp">),
      relevance: result.nodeRelevance[node.layer * tokens + node.token] as number,
      aroundMlp: aroundMlp.get(node) as number,
    })),
  };
}

function* parts<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let start = 0; start < items.length; start += NODES_AT_ONCE) yield items.slice(start, start + NODES_AT_ONCE);
}

function splitNode(config: ModelConfig, rows: BlockRows, row: number, top: number) {
  const { heads, hidden } = config;
  const { head: columns } = headWidths(config);
  const ofHeads = Array.from({ length: heads }, (_, index): Component => ({
    index,
    relevance: dotAt(rows.headOutputs, rows.headGradients, (row * heads + index) * columns, columns),
  }));
  const ofNeurons = neuronsOf(rows.neurons, row);
  const total = (list: readonly Component[]) => list.reduce((sum, { relevance }) => sum + relevance, 0);
  return {
    heads: largest(ofHeads, top),
    neurons: largest(ofNeurons, top),
    attention: total(ofHeads),
    mlp: total(ofNeurons),
    aroundAttention: dotAt(rows.input, rows.middleGradients, row * hidden, hidden),
  };
}

/** Relevance of the neurons of a chosen token. */
function neuronsOf(
  { values, gradients, count, columns, rowsPerToken, experts }: NeuronRows,
  token: number,
): Component[] {
  return Array.from({ length: rowsPerToken * count }, (_, at) => {
    const row = token * rowsPerToken + Math.floor(at / count);
    const index = at % count;
    const place = row * columns + index;
    const relevance = (values[place] as number) * (gradients[place] as number);
    return experts ? { index, expert: experts[row] as number, relevance } : { index, relevance };
  });
}

/** The `top` components of largest |relevance|; of equal ones the lower number first. */
function largest(components: readonly Component[], top: number): readonly Component[] {
  return components.toSorted((a, b) =>
    Math.abs(b.relevance) - Math.abs(a.relevance) || (a.expert ?? 0) - (b.expert ?? 0) || a.index - b.index
  ).slice(0, top);
}
