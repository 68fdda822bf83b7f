/** The benchmark still runs, and counts and measures what it says. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { blockForward } from "../../gpu/pass/forward.ts";
import { slot } from "../../gpu/pass/operation.ts";
import { ATTENDED } from "../../gpu/pass/operations/heads.ts";
import { openDevice } from "../../gpu/device/dawn.ts";
import { openModelDirectory } from "../../gpu/model/directory.ts";
import { parseConfig } from "../../gpu/model/config.ts";
import { panelBytes } from "../../gpu/kernels/panels.ts";
import { freeWeights, loadWeights } from "../../gpu/pass/weights.ts";
import { prepareAttention } from "./kernels.ts";
import { FULL_CONFIG, randomModel } from "./models.ts";
import { attributionOperations, blockWeights, forwardOperations, skipGraphOperations } from "./operations.ts";

const FOLDER = import.meta.dirname as string;

async function output(command: string, args: readonly string[]): Promise<{ code: number; lines: string[] }> {
  const { code, stdout } = await new Deno.Command(command, { args: [...args], stderr: "inherit" }).output();
  return { code, lines: new TextDecoder().decode(stdout).trim().split("\n") };
}

test("npm run bench -- --quick prints a whole JSON line for each measurement", async () => {
  const { code, lines } = await output(Deno.execPath(), ["run", "-A", join(FOLDER, "main.ts"), "--quick", "--runs=1"]);
  expect(code).toBe(0);
  const measurements = lines.map((line) => JSON.parse(line));
  for (const measurement of measurements) {
    expect(measurement).toEqual({
      name: expect.any(String),
      adapter: expect.any(String),
      shape: expect.any(String),
      seconds: expect.any(Number),
      firstSeconds: expect.any(Number),
      runs: 1,
      gflops: measurement.name === "load" ? null : expect.any(Number),
      bytes: measurement.name === "load" ? null : expect.any(Number),
      shareOfRoofline: /^(load|copy)$/.test(measurement.name) ? null : expect.any(Number),
      shareOfPeak: /^(load|copy)$/.test(measurement.name) ? null : expect.any(Number),
      peakBytes: expect.any(Number),
      targets: /graph|skip/.test(measurement.name) ? expect.any(Number) : null,
      machine: expect.stringContaining("cores"),
      load: expect.any(Number),
    });
    expect(measurement.seconds).toBeGreaterThan(0);
    expect(measurement.peakBytes).toBeGreaterThan(0);
  }
  const names = new Set(measurements.map(({ name }) => name));
  for (
    const name of [
      "copy",
      "matmul",
      "peak",
      "attention",
      "load",
      "forward",
      "attribution",
      "pack",
      "graph",
      "skip",
      "decode",
    ]
  ) {
    expect(names).toContain(name);
  }
});

test("an argument that is not known is one line and exit code 2", async () => {
  const { code } = await output(Deno.execPath(), ["run", "-A", join(FOLDER, "main.ts"), "--only", "everything"]);
  expect(code).toBe(2);
});

test("the attention that is timed is the one of the forward pass, bit for bit", async () => {
  const device = await openDevice();
  const model = await openModelDirectory(randomModel("quick-random"));
  const weights = await loadWeights(device, model, {});
  const tokens = 40;
  const { config } = model;
  const attention = prepareAttention(device, config, tokens);
  const { workspace, state } = attention;
  const bytes = panelBytes(tokens, config.heads * config.headDimension);
  const read = async () => new Uint8Array(await device.read(slot(workspace, ATTENDED), 0, bytes));

  device.write(state.input, 0, Float32Array.from({ length: tokens * config.hidden }, (_, index) => Math.sin(index)));
  const output = workspace.allocate(config.hidden, "output");
  blockForward(workspace, { weights: weights.blocks[0]!, state }, output);
  const forward = await read();
  device.clear(slot(workspace, ATTENDED));
  await attention.run(1);

  expect(forward.some((byte) => byte !== 0)).toBe(true);
  expect(await read()).toEqual(forward);
  attention.free();
  freeWeights(device, weights);
  model.close();
  device.close();
});

test("operations of Qwen3-0.6B's shape", () => {
  const shape = parseConfig(FULL_CONFIG, "config");
  const products = blockWeights(shape);
  // The model has 596,049,920 parameters, of which 65,536 are in norms and the embeddings are 151,936 x 1024.
  expect(products).toBe(596_049_920 - 65_536 - 151_936 * 1024);
  // One token sees one pair in each of 16 heads of 128: q k and P v, two operations an element each.
  const pair = 28 * 16 * 128 * 2;
  expect(forwardOperations(shape, 1)).toBe(2 * products + 2 * pair + 2 * 151_936 * 1024);
  expect(attributionOperations(shape, 1)).toBe(4 * products + 6 * pair);
  expect(skipGraphOperations(shape, 1, [{ source: 0, target: 28, targets: [0] }])).toBe(6 * products + 10 * pair);
  // Three pairs are visible among two tokens.
  expect(attributionOperations(shape, 2)).toBe(8 * products + 18 * pair);
});

test.skipIf(!Deno.env.get("PYTHON"))("the PyTorch reference gives the golden values", async () => {
  const golden = join(FOLDER, "..", "data", "golden", "qwen3-a");
  const { code } = await output(Deno.env.get("PYTHON")!, [join(FOLDER, "reference.py"), "--check", golden]);
  expect(code).toBe(0);
});
