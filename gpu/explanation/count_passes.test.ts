/** What a plan counts: passes and what is pulled back over them, from the packs that a run would fill. */
import { expect, test } from "vitest";
import type { Rule } from "../engine.ts";
import type { ModelConfig } from "../model/config.ts";
import { parseConfig } from "../model/config.ts";
import { PANEL } from "../kernels/panels.ts";
import { countPasses } from "./attribution.ts";

const config: ModelConfig = parseConfig({
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 2,
  max_position_embeddings: 4096,
  rms_norm_eps: 1e-6,
  rope_theta: 1e4,
  vocab_size: 100,
  tie_word_embeddings: true,
  hidden_act: "silu",
}, "config.json");
const runner = {
  device: { info: { kind: "bundled", bindingBytes: 2 ** 30 } },
  model: { config },
  keepBytes: 2 ** 30,
} as unknown as Parameters<typeof countPasses>[0];

const ids = (length: number, first: number) => Array.from({ length }, (_, index) => (first + index) % 100);
const seed = (inputIds: readonly number[], positions: readonly number[], rule: Rule = "attnlrp") => ({
  inputIds,
  rule,
  seed: positions.map((position) => ({ position, target: 1, contrast: 2, factor: 1 })),
});

test("seeds of one prompt share its forward pass, and each is pulled back over as many rows as its pack needs", () => {
  const prompt = ids(200, 0);
  const passes = countPasses(runner, [seed(prompt, [40, 41]), seed(prompt, [90]), seed(prompt, [198, 199])]);
  const rows = Math.ceil(200 / PANEL) * PANEL;
  expect(passes).toEqual([{
    rule: "attnlrp",
    sequences: [200],
    targets: [0, 1, 2].map(() => ({ rule: "attnlrp", rows })),
  }]);
});

test("prompts side by side have one gradient over all of them; rules of one prompt have their own", () => {
  expect(countPasses(runner, [seed(ids(30, 0), [29]), seed(ids(50, 7), [49])])).toEqual([
    { rule: "attnlrp", sequences: [50, 30], targets: [] },
  ]);
  const [pass, ...others] = countPasses(runner, [seed(ids(30, 0), [29]), seed(ids(30, 0), [29], "cplrp")]);
  expect(others).toEqual([]);
  expect(pass!.sequences).toEqual([30]);
  expect(pass!.targets.map(({ rule }) => rule).sort()).toEqual(["attnlrp", "cplrp"]);
});
