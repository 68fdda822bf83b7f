/**
 * A failure that goes through the model's own words: a transformer of Qwen3's form is built to copy a wrong number of the
 * prompt into step 2, to repeat it in step 5, and to fail on that. What the error's own heatmap names is step 5.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Engine } from "../gpu/mod.ts";
import { sharedEngine } from "./shared_device.ts";
import type { Step } from "../server/traces/cut_steps.ts";
import { traceCompletion } from "../server/traces/trace.ts";
import { writeConstructed } from "./constructed_model.ts";

const HIDDEN = 64;
const HEAD = 32;
const CONFIG = {
  architectures: ["Qwen3ForCausalLM"],
  model_type: "qwen3",
  hidden_size: HIDDEN,
  head_dim: HEAD,
  intermediate_size: 64,
  max_position_embeddings: 64,
  num_attention_heads: 1,
  num_key_value_heads: 1,
  num_hidden_layers: 1,
  rms_norm_eps: 1e-6,
  rope_theta: 1e6,
  vocab_size: 64,
  tie_word_embeddings: false,
  attention_bias: false,
  hidden_act: "silu",
};

/** Ids: a number as it stands in the prompt, in step 2 and in step 5; what asks for each; a hint beside it. */
const [START, WORD, OTHER, STATED, COPIED, REPEATED, HINT] = [0, 1, 2, 3, 4, 5, 6] as const;
const [COPY, REPEAT, ANSWER, WRONG, RIGHT] = [10, 11, 12, 40, 41] as const;

/**
 * Each asking token attends to the number's form before it, whose value is what is written next. The answer attends a
 * little to the hint too, which says the same.
 */
function writeChain(directory: string): void {
  const block = (name: string) => `model.layers.0.${name}.weight`;
  // The slowest pairs of rotated dimensions, whose angle over a few positions is nothing; the last is of no number.
  const [stated, copied, repeated, none] = [1, 2, 3, 4].map((from) => HEAD / 2 - from) as [
    number,
    number,
    number,
    number,
  ];
  writeConstructed(directory, CONFIG, ({ of, set }) => {
    of(block("self_attn.q_norm")).fill(8 / Math.sqrt(HEAD));
    const asks = new Map<number, number>([[COPY, stated], [REPEAT, copied], [ANSWER, repeated]]);
    const answers = new Map<number, number>([[STATED, stated], [COPIED, copied], [REPEATED, repeated]]);
    for (let id = 0; id < CONFIG.vocab_size; id++) {
      set("model.embed_tokens.weight", id, id, 1);
      // Who asks nothing looks at the first token, which says nothing.
      set(block("self_attn.q_proj"), asks.get(id) ?? none - 1, id, 1);
      if (id !== HINT) set(block("self_attn.k_proj"), id === START ? none - 1 : answers.get(id) ?? none, id, 1);
    }
    set(block("self_attn.k_proj"), repeated, HINT, 0.65);
    set(block("self_attn.k_proj"), none, HINT, Math.sqrt(1 - 0.65 ** 2));
    for (const [value, [id, writes]] of [[STATED, COPIED], [COPIED, REPEATED], [REPEATED, WRONG]].entries()) {
      set(block("self_attn.v_proj"), value, id!, 1);
      set(block("self_attn.o_proj"), HIDDEN - 1 - value, value, 1);
      set("lm_head.weight", writes!, HIDDEN - 1 - value, 1);
    }
    set(block("self_attn.v_proj"), 2, HINT, 1);
    set("lm_head.weight", RIGHT, HIDDEN - 3, -1);
  });
}

/** "word hint other . word stated ." and five steps, of which the second copies and the fifth repeats. */
const PROMPT = [START, WORD, HINT, OTHER, WORD, STATED, WORD];
const STEPS = [[WORD, WORD], [WORD, COPY, COPIED], [WORD, OTHER], [OTHER, WORD], [REPEAT, REPEATED, ANSWER]];
const inputIds = [...PROMPT, ...STEPS.flat()];
const steps = STEPS.map((ids, index): Step => {
  const start = PROMPT.length + STEPS.slice(0, index).flat().length;
  return { kind: "sentence", start, end: start + ids.length, text: `step ${index}` };
});
const sentences = [{ start: 1, end: 4, text: "first" }, { start: 4, end: 7, text: "second" }];

let engine: Engine;
const folder = mkdtempSync(join(tmpdir(), "culprit-chain-"));
beforeAll(async () => {
  engine = await sharedEngine();
  writeChain(folder);
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const most = (values: ArrayLike<number>, positions: readonly number[]): number =>
  positions.toSorted((a, b) => values[b]! - values[a]!)[0]!;

test.each(["attnlrp", "cplrp"] as const)(
  "the chain names the stated number first, the error's own heatmap names step 5, %s",
  async (rule) => {
    const model = await engine.loadModel(folder);
    const [asked] = await model.nextTokens([{ inputIds, from: 0, top: 1 }]);
    const says = (id: number) => asked![(inputIds as number[]).indexOf(id)]![0]!.id;
    expect([says(COPY), says(REPEAT), says(ANSWER)]).toEqual([COPIED, REPEATED, WRONG]);
    const trace = await traceCompletion(model, {
      inputIds,
      special: inputIds.map((_, position) => position === 0),
      sentences,
      steps,
      end: { kind: "pair", target: WRONG, contrast: RIGHT },
      rule,
    });
    model.dispose();
    const everywhere = [...inputIds.keys()].slice(1);
    const prompt = [...PROMPT.keys()].slice(1);
    const direct = trace.relevance.at(-1)!.map(Math.abs);
    expect(inputIds[most(direct, everywhere)]).toBe(REPEATED);
    // Of the prompt the error's own heatmap sees the hint alone.
    expect(inputIds[most(direct, prompt)]).toBe(HINT);
    expect(inputIds[most(trace.heat, prompt)]).toBe(STATED);
    expect(inputIds[most(trace.signedHeat, prompt)]).toBe(STATED);
    const [, second, third, , fifth] = trace.steps;
    expect(fifth!.weight).toBeGreaterThan(0.7);
    expect(second!.weight).toBeGreaterThan(0.5);
    expect(third!.weight).toBeLessThan(0.1);
    // Steps by weight: the one that repeats, then the one that copied.
    const order = trace.steps.map(({ text }) => text).toSorted((a, b) =>
      trace.steps.find(({ text }) => text === b)!.weight - trace.steps.find(({ text }) => text === a)!.weight
    );
    expect(order.slice(0, 2)).toEqual(["step 4", "step 1"]);
  },
);
