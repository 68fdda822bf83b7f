/** Relevance of every head and neuron, summed over all tokens (docs/method.md section 4). */
import type { AttributionRequest, ComponentTotalsResult, RunOptions } from "../engine.ts";
import { headWidths } from "../pass/operations/heads.ts";
import type { LayerMlp, ModelConfig } from "../model/config.ts";
import type { Runner } from "../pass/pass.ts";
import { type BlockRows, dotAt, NODES_AT_ONCE, readBlockRows, walkBlocks } from "./components.ts";

/** Neurons of a block, those of one expert after the other's. */
const neuronsOf = (mlp: LayerMlp): number => mlp.width * (mlp.kind === "experts" ? mlp.experts : 1);

/** Attributes, and sums what heads and neurons are relevant for over all tokens; sums run in float64, token by token. */
export async function attributeTotals(
  runner: Runner,
  request: AttributionRequest,
  options: RunOptions,
): Promise<ComponentTotalsResult> {
  const { model: { config } } = runner;
  const tokens = request.inputIds.length;
  const heads = Array.from({ length: config.layers }, () => new Float64Array(config.heads));
  const neurons = config.mlp.map((mlp) => new Float64Array(neuronsOf(mlp)));
  const result = await walkBlocks(runner, request, options, (workspace) => ({
    async atMiddle(step) {
      for (let first = 0; first < tokens; first += NODES_AT_ONCE) {
        const count = Math.min(NODES_AT_ONCE, tokens - first);
        const part = Array.from({ length: count }, (_, row) => first + row);
        const rows = await readBlockRows(runner, workspace, step, part);
        addHeads(config, rows, count, heads[step.layer] as Float64Array);
        addNeurons(rows, count, neurons[step.layer] as Float64Array);
      }
    },
  }));
  return {
    ...result,
    heads: heads.map((sums) => Float32Array.from(sums)),
    neurons: neurons.map((sums) => Float32Array.from(sums)),
  };
}

function addHeads(config: ModelConfig, rows: BlockRows, tokens: number, sums: Float64Array): void {
  const { head } = headWidths(config);
  for (let token = 0; token < tokens; token++) {
    for (let index = 0; index < config.heads; index++) {
      sums[index]! += dotAt(rows.headOutputs, rows.headGradients, (token * config.heads + index) * head, head);
    }
  }
}

function addNeurons({ neurons }: BlockRows, tokens: number, sums: Float64Array): void {
  const { values, gradients, count, columns, rowsPerToken, experts } = neurons;
  for (let row = 0; row < tokens * rowsPerToken; row++) {
    const first = (experts?.[row] ?? 0) * count;
    for (let index = 0; index < count; index++) {
      const at = row * columns + index;
      sums[first + index]! += (values[at] as number) * (gradients[at] as number);
    }
  }
}
