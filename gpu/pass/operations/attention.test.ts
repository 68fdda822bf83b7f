/** Attention by tiles and by blocks of scores: adapters that have tiles run the one, all others the other. */
import { beforeAll, beforeEach, expect, test } from "vitest";
import { relativeError } from "../../../test/compare.ts";
import { seededRandom } from "../../../test/random.ts";
import { sharedDevice } from "../../../test/shared_device.ts";
import type { Device } from "../../device/device.ts";
import { RULES } from "../../engine.ts";
import { attentionTiling } from "../../kernels/attention.ts";
import { PANEL, panelsOf } from "../../kernels/panels.ts";
import { type ModelConfig, parseConfig } from "../../model/config.ts";
import { blockOf } from "../block.ts";
import { type GradientSpace, type Place, slot, type Workspace } from "../operation.ts";
import type { BlockWeights } from "../weights.ts";
import { openGradientSpace, openTargetSpace, openWorkspace } from "../workspace.ts";
import { ATTENDED, headWidths, QUERY_KEY_VALUE, ROTATED } from "./heads.ts";

let device: Device;
beforeAll(async () => {
  device = await sharedDevice();
});
beforeEach(({ skip }) => {
  if (!attentionTiling(device, 8)) skip("this adapter computes attention by blocks of scores");
});

/** Two layers: all keys before a query, and a window with capped scores. */
function twoLayers(): ModelConfig {
  const config = parseConfig({
    model_type: "qwen3",
    hidden_size: 16,
    intermediate_size: 16,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 16,
    vocab_size: 16,
    max_position_embeddings: 128,
    rope_theta: 10_000,
    rms_norm_eps: 1e-6,
  }, "config");
  const [layer] = config.attention;
  return { ...config, attention: [layer!, { ...layer!, window: 20, cap: 1.5 }] };
}

/** What the heads write and the gradients of q, k and v, each time from the same random numbers. */
async function attend(
  kind: "tiles" | "blocks",
  layer: number,
  { config, lengths, targets }: { config: ModelConfig; lengths: readonly number[]; targets: number },
) {
  // Adapters without tiles have none in their spaces.
  const choose = <Opened extends Workspace | GradientSpace>(opened: Opened): Opened =>
    kind === "tiles" ? opened : { ...opened, tiles: null };
  const workspace = choose(openWorkspace(device, config, lengths));
  const space = targets === 1
    ? openGradientSpace(workspace)
    : choose(openTargetSpace(workspace, targets, panelsOf(lengths[0]! - 20) * PANEL));
  const { rotated, queryKeyValue, query } = headWidths(config);
  const fill = (buffer: GPUBuffer, columns: number, rows: number) => {
    const own = seededRandom(columns);
    device.write(buffer, 0, own.normals(rows * columns));
  };
  const state = workspace.blockState(workspace.allocate(config.hidden, "input"));
  fill(slot(state, ROTATED), rotated, workspace.rows);
  fill(slot(state, QUERY_KEY_VALUE), queryKeyValue, workspace.rows);
  const place: Place = { weights: { layer, attention: config.attention[layer] } as BlockWeights, state };
  const { attention } = blockOf(config, layer);
  const read = async (buffer: GPUBuffer, columns: number, rows: number) =>
    new Float32Array(await device.read(buffer, 0, rows * columns * 4));
  attention.forward(workspace, place);
  const found = [await read(slot(workspace, ATTENDED), query, workspace.rows)];
  for (const rule of RULES) {
    fill(slot(space, ATTENDED), query, targets * space.rows);
    attention.backward(space, place, rule);
    found.push(await read(slot(space, QUERY_KEY_VALUE), queryKeyValue, targets * space.rows));
    if (attention.queryFactor(rule) > 0) found.push(await read(slot(space, ROTATED), rotated, targets * space.rows));
  }
  workspace.free();
  return found;
}

test.each(
  [
    [0, [37, 70], 1],
    [1, [37, 70], 1],
    [0, [70], 3],
    [1, [70], 3],
  ] as const,
)("layer %i over sequences of %j tokens for %i targets, every rule", async (layer, lengths, targets) => {
  const pass = { config: twoLayers(), lengths, targets };
  const tiles = await attend("tiles", layer, pass);
  const blocks = await attend("blocks", layer, pass);
  expect(tiles).toHaveLength(6);
  tiles.forEach((values, index) => {
    expect(values.some((value) => value !== 0)).toBe(true);
    expect(relativeError(values, blocks[index]!)).toBeLessThan(2e-6);
  });
});
