/** Node relevance of contrastive attributions: forward, seed, backward (method.md sections 1 and 2). */
import { blockBackward, openGradientSpace, type Sequence } from "./blocks.ts";
import type { AttributionRequest, AttributionResult, RunOptions } from "./engine.ts";
import { rowDot } from "./kernels/row-moves.ts";
import { blockStateOf, chooseTokens, forward, pacer, type Pair, type Runner, seed } from "./pass.ts";
import type { BlockWeights } from "./weights.ts";

/** Attributions of several requests in one pass. Each result is that of the request alone, to the last bit. */
export async function attributePacked(
  runner: Runner,
  requests: readonly AttributionRequest[],
  options: RunOptions,
): Promise<AttributionResult[]> {
  const start = performance.now();
  const { device, model, weights } = runner;
  const { config } = model;
  const rule = requests[0]?.rule;
  if (rule === undefined) return [];
  if (requests.some((request) => request.rule !== rule)) throw new Error("a pack has one rule");
  const pass = await forward(runner, requests.map(({ inputIds }) => inputIds), options);
  const { workspace } = pass;
  try {
    const pairs = await chooseTokens(runner, pass, requests);
    const { rows } = workspace;
    const relevance = workspace.adopt(device.allocate((config.layers + 1) * rows * 4, "node relevance"));
    const gradient = seed(runner, pass, pairs, rule);
    const space = openGradientSpace(workspace);
    rowDot(
      device,
      rows,
      config.hidden,
      pass.nodes[config.layers] as GPUBuffer,
      gradient,
      relevance,
      config.layers * rows,
    );
    const pace = pacer(device, config, rows, options);
    for (let layer = config.layers - 1; layer >= 0; layer--) {
      const state = blockStateOf(runner, pass, layer);
      blockBackward(space, weights.blocks[layer] as BlockWeights, state, rule, gradient);
      rowDot(device, rows, config.hidden, state.input, gradient, relevance, layer * rows);
      await pace("backward", config.layers - layer);
    }
    const values = new Float32Array(await device.read(relevance, 0, (config.layers + 1) * rows * 4));
    const seconds = (performance.now() - start) / 1000;
    return requests.map((request, index) => {
      const { target, contrast } = pairs[index] as Pair;
      const tokens = request.inputIds.length;
      const { firstRow } = workspace.sequences[index] as Sequence;
      const nodeRelevance = new Float32Array((config.layers + 1) * tokens);
      for (let layer = 0; layer <= config.layers; layer++) {
        const from = layer * rows + firstRow;
        nodeRelevance.set(values.subarray(from, from + tokens), layer * tokens);
      }
      refuseNonFinite(nodeRelevance, tokens, model.directory);
      return {
        rule,
        inputIds: request.inputIds,
        target,
        contrast,
        logitDifference: target.logit - contrast.logit,
        layers: config.layers,
        nodeRelevance,
        adapter: device.info.name,
        seconds,
      };
    });
  } finally {
    workspace.free();
  }
}

/** Throws when a relevance [layers + 1, tokens] is not finite, and says where it went wrong first. */
export function refuseNonFinite(nodeRelevance: Float32Array, tokens: number, directory: string): void {
  const at = nodeRelevance.findLastIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  throw new Error(
    `${directory}: relevance is not finite at node layer ${Math.floor(at / tokens)}, token ${at % tokens}`,
  );
}
