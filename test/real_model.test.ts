/**
 * The real SmolLM2-135M-Instruct, where CULPRIT_REAL_MODEL names a folder that holds it in float32: LXT's node relevance
 * of six prompts, transformers' greedy answers to 20 prompts of IFEval (test/reference/real_model.py), and LXT's relevance
 * of the steps of its answers to GSM8K, where that was made (test/reference/traces.py).
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Device } from "../gpu/device/device.ts";
import { openDevice } from "../gpu/device/dawn.ts";
import { type LoadedModel, RULES } from "../gpu/engine.ts";
import { loadModel } from "../gpu/loaded_model.ts";
import { openSafetensors } from "../gpu/model/safetensors.ts";
import { relativeError } from "./compare.ts";
import { compareTrace, type GoldenTrace } from "./traces.ts";

const DATA = join(import.meta.dirname as string, "data", "real");
const folder = Deno.env.get("CULPRIT_REAL_MODEL");

interface Golden {
  readonly prompts: Readonly<
    Record<string, { readonly target: number; readonly contrast: number; readonly logit_difference: number }>
  >;
}
interface Greedy {
  readonly prompt: readonly number[];
  readonly ids: readonly number[];
  /** The largest logit less the second, at each new token and at the end. */
  readonly gaps: readonly number[];
}
const { prompts } = JSON.parse(readFileSync(join(DATA, "smollm2.json"), "utf8")) as Golden;
const greedy = JSON.parse(readFileSync(join(DATA, "greedy.json"), "utf8")) as readonly Greedy[];

const TRACES = join(DATA, "traces.jsonl");
const traces = existsSync(TRACES)
  ? readFileSync(TRACES, "utf8").trim().split("\n").map((line) => JSON.parse(line) as GoldenTrace)
  : [];

/** Where two float32 implementations may choose differently: the two largest logits are closer than this. */
const TIE = 1e-3;

describe.skipIf(!folder)("SmolLM2-135M-Instruct", () => {
  let device: Device;
  let model: LoadedModel;
  const file = openSafetensors(join(DATA, "smollm2.safetensors"));
  const read = (name: string) => {
    const bytes = new Uint8Array(file.tensors.get(name)?.bytes ?? 0);
    file.readInto(name, 0, bytes);
    return bytes.buffer;
  };
  const idsOf = (name: string) =>
    file.tensors.get(`${name}.ids`)?.dtype === "I64"
      ? Array.from(new BigInt64Array(read(`${name}.ids`)), Number)
      : Array.from(new Int32Array(read(`${name}.ids`)));

  beforeAll(async () => {
    device = await openDevice();
    model = await loadModel(device, folder as string);
  });
  afterAll(() => device?.close());

  test.each(RULES)("node relevance of all 31 node layers is LXT's, %s", async (rule) => {
    const names = Object.keys(prompts);
    expect(names).toHaveLength(6);
    const requests = names.map((name) => {
      const { target, contrast } = prompts[name] as Golden["prompts"][string];
      return { inputIds: idsOf(name), target, contrast, rule };
    });
    const results = await model.attributeMany(requests);
    for (const [index, name] of names.entries()) {
      const result = results[index] as (typeof results)[number];
      const expected = new Float32Array(read(`${name}.${rule}.node_relevance`));
      expect(relativeError(result.nodeRelevance, expected), name).toBeLessThan(1e-3);
      const { logit_difference: delta } = prompts[name] as Golden["prompts"][string];
      expect(Math.abs(result.logitDifference - delta), name).toBeLessThan(1e-3);
    }
  }, 600_000);

  test("greedy answers are transformers', or part at a tie", async () => {
    expect(greedy).toHaveLength(20);
    const most = Math.max(...greedy.map(({ gaps }) => gaps.length));
    const results = await model.generate(greedy.map(({ prompt }) => ({ inputIds: prompt, maxTokens: most })));
    results.forEach(({ ids, stop }, index) => {
      const { ids: wanted, gaps } = greedy[index] as Greedy;
      const parts = wanted.findIndex((id, at) => ids[at] !== id);
      const at = parts < 0 && ids.length !== wanted.length ? wanted.length : parts;
      if (at < 0) return expect(stop, `prompt ${index}`).toBe(gaps.length > wanted.length ? "eos" : "length");
      console.warn(`prompt ${index} parts at new token ${at}, where the two largest logits are ${gaps[at]} apart`);
      expect(gaps[at], `prompt ${index} parts at new token ${at}`).toBeLessThan(TIE);
    });
  }, 900_000);

  test.each(traces.map((trace, at) => [at + 1, trace] as const))(
    "trace %i: each step's relevance, summed over the prompt and the steps before, is LXT's",
    async (_, trace) => await compareTrace(model, folder as string, trace, 1e-3),
    900_000,
  );
});
