/**
 * What operations should take on chips by the model of roofline.ts, as a table for README.md:
 *
 *   npm run --silent bench:machines
 *
 * Weights are bf16. A cell is the least time with float32 arithmetic, and with the matrix units where that is less.
 */
import { type ModelConfig, parseConfig } from "../../gpu/model/config.ts";
import { configOf } from "./models.ts";
import { attributionCost, type Chip, CHIPS, type Cost, decodingCost, leastSeconds, productCost } from "./roofline.ts";

const BF16 = 2;
const MODELS = ["Qwen/Qwen3-0.6B", "Qwen/Qwen3-4B"];

/** A row: what, and its cost. */
export function operationsOf(config: ModelConfig): readonly (readonly [string, Cost])[] {
  const { hidden, heads, headDimension } = config;
  return [
    ["product of o, 1,024 rows", productCost(1024, hidden, heads * headDimension, BF16)],
    ["attribution, 54 tokens", attributionCost(config, 54, BF16)],
    ["32 attributions of 54 tokens", attributionCost(config, 54, BF16, 32)],
    ["attribution or whole graph, 1,508 tokens", attributionCost(config, 1508, BF16)],
    ["attribution or whole graph, 12,374 tokens", attributionCost(config, 12_374, BF16)],
    ["decoding step, 1 sequence after 512 tokens", decodingCost(config, 1, 512, BF16)],
    ["decoding step, 32 sequences after 512 tokens", decodingCost(config, 32, 512, BF16)],
  ];
}

/** Milliseconds in three digits. */
const milliseconds = (seconds: number) => `${Number((1000 * seconds).toPrecision(3))} ms`;

export function cell(chip: Chip, cost: Cost): string {
  const plain = leastSeconds(chip, cost, "f32");
  const matrix = leastSeconds(chip, cost, "matrix");
  const shown = `${milliseconds(plain.seconds)} (${plain.bound})`;
  return matrix.seconds < plain.seconds ? `${shown}; ${milliseconds(matrix.seconds)} (${matrix.bound})` : shown;
}

if (import.meta.main) {
  const rows = MODELS.flatMap((name) =>
    operationsOf(parseConfig(configOf(name), name)).map(([operation, cost]) => [
      name.split("/")[1],
      operation,
      ...CHIPS.map((chip) => cell(chip, cost)),
    ])
  );
  const head = ["shape", "operation", ...CHIPS.map(({ name }) => name)];
  for (const row of [head, head.map(() => "---"), ...rows]) console.log(`| ${row.join(" | ")} |`);
}
