/**
 * Failures whose cause is known because the model was built to have it, diagnosed by the real engine: a transformer of
 * Qwen3's form in which one head reads the instruction and the topic, and nothing else happens.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Engine } from "../gpu/engine.ts";
import { sharedEngine } from "./shared_device.ts";
import { diagnose } from "../server/diagnosis/diagnose.ts";
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
  num_attention_heads: 2,
  num_key_value_heads: 1,
  num_hidden_layers: 2,
  rms_norm_eps: 1e-6,
  rope_theta: 1e6,
  vocab_size: 64,
  tie_word_embeddings: false,
  attention_bias: false,
  hidden_act: "silu",
};

/** Ids; each token's embedding is the unit vector of its id. */
const [START, FILLER, NOT, BANNED, DISTRACTOR, ANSWER, WRONG, RIGHT] = [0, 1, 2, 3, 4, 5, 40, 41] as const;
const TEXTS: Readonly<Record<number, string>> = {
  [START]: "<s>",
  [FILLER]: "word",
  [NOT]: "not",
  [BANNED]: "sailor",
  [DISTRACTOR]: "ship",
  [ANSWER]: ":",
};

interface Built {
  /** Score of attention toward a token, in logits; tokens not named have 0. At most 8 either way. */
  readonly scores: Readonly<Record<number, number>>;
  /** What a token's value adds to the logits: positive toward the wrong token, negative toward the right one. */
  readonly pushes: Readonly<Record<number, number>>;
  /** What the last token says by itself, alike. */
  readonly prior: number;
}

/**
 * Writes the model. Queries of all tokens are one direction that rotation hardly turns. Norms make keys as long as
 * each other, so a token's score is the angle of its key: score = 8 cos(angle).
 */
function writeModel(directory: string, { scores, pushes, prior }: Built): void {
  // The slowest pairs of rotated dimensions: their angle over a few positions is nothing.
  const [along, across] = [HEAD / 2 - 1, HEAD / 2 - 2];
  const block = (name: string) => `model.layers.0.${name}.weight`;
  writeConstructed(directory, CONFIG, ({ of, set }) => {
    of(block("self_attn.q_norm")).fill(8 / Math.sqrt(HEAD));
    for (let id = 0; id < CONFIG.vocab_size; id++) {
      set("model.embed_tokens.weight", id, id, 1);
      set(block("self_attn.q_proj"), along, id, 1);
      const cosine = (scores[id] ?? 0) / 8;
      set(block("self_attn.k_proj"), along, id, cosine);
      set(block("self_attn.k_proj"), across, id, Math.sqrt(1 - cosine ** 2));
      set(block("self_attn.v_proj"), 0, id, pushes[id] ?? 0);
    }
    set("model.embed_tokens.weight", ANSWER, WRONG, prior);
    set(block("self_attn.o_proj"), WRONG, 0, 1);
    set("lm_head.weight", WRONG, WRONG, 1);
    set("lm_head.weight", RIGHT, WRONG, -1);
  });
}

let engine: Engine;
const folder = mkdtempSync(join(tmpdir(), "culprit-constructed-"));
beforeAll(async () => {
  engine = await sharedEngine();
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

let built = 0;
/** What the model does with a prompt whose tokens of the instruction are marked I. */
async function read(model: Built, inputIds: readonly number[], segments: string) {
  const directory = join(folder, `${built++}`);
  writeModel(directory, model);
  const loaded = await engine.loadModel(directory);
  const graph = await loaded.graph({ inputIds, target: WRONG, contrast: RIGHT, rule: "attnlrp" });
  const [diagnosis] = await diagnose(loaded, [{
    texts: inputIds.map((id) => TEXTS[id]!),
    segments,
    relevant: [...segments].map((letter) => letter === "I"),
    targetText: "wrong",
    delta: graph.logitDifference,
    graph,
    target: WRONG,
    contrast: RIGHT,
  }]);
  loaded.dispose();
  return { delta: graph.logitDifference, relevance: graph.nodeRelevance.subarray(0, inputIds.length), ...diagnosis! };
}

/** "word not sailor word :" */
const BAN = [START, FILLER, NOT, BANNED, FILLER, ANSWER];
const BAN_SEGMENTS = "SQIIQQ";
const ban = (bias: number): Built => ({
  scores: { [NOT]: 5 - bias, [BANNED]: 4, [START]: -6 },
  pushes: { [NOT]: -1, [BANNED]: 1 },
  prior: 0,
});

test("a ban that is attended to is followed: there is no failure", async () => {
  expect((await read(ban(0), BAN, BAN_SEGMENTS)).delta).toBeLessThan(0);
});

test("attention to the instruction's token biased down is URT, and the probe that gives it back agrees", async () => {
  const found = await read(ban(2.5), BAN, BAN_SEGMENTS);
  expect(found.delta).toBeGreaterThan(1);
  expect(found.relevance[2]).toBeLessThan(0);
  expect([found.outcome, found.pattern]).toEqual(["m_ia", "urt"]);
  expect(found.evidence.probes).toHaveLength(1);
  const [probe] = found.evidence.probes;
  expect(probe).toMatchObject({ kind: "strengthen", positions: [2], asClaimed: true });
  // Ten times the attention is 2.3 of the 2.5 that were taken: nearly the model that follows the ban.
  expect(probe!.after).toBeLessThan(1);
});

test("where a topic outside the instruction gains by that, it is URT and OIT", async () => {
  const topic: Built = {
    scores: { [NOT]: 2.5, [DISTRACTOR]: 4, [START]: -6 },
    pushes: { [NOT]: -1, [DISTRACTOR]: 1 },
    prior: 0,
  };
  const found = await read(topic, [START, FILLER, DISTRACTOR, NOT, FILLER, ANSWER], "SQQIQQ");
  expect(found.delta).toBeGreaterThan(1);
  expect([found.outcome, found.pattern]).toEqual(["m_ia", "urt_oit"]);
  expect(found.evidence.probes.map(({ kind, positions, asClaimed }) => [kind, positions, asClaimed])).toEqual([
    ["strengthen", [3], true],
    ["weaken", [2], true],
  ]);
});

/** The instruction only gives the form; by itself the model writes the right token. */
const distracted: Built = {
  scores: { [DISTRACTOR]: 2, [NOT]: 1, [START]: -6 },
  pushes: { [DISTRACTOR]: 0.5 },
  prior: -0.5,
};

test("a prompt without the distractor is answered rightly", async () => {
  const plain = await read(distracted, [START, FILLER, FILLER, NOT, FILLER, ANSWER], "SQQIQQ");
  expect(plain.delta).toBeLessThan(0);
});

test("a planted distractor is OIT, and the probe that takes its weight away agrees", async () => {
  const found = await read(distracted, [START, FILLER, DISTRACTOR, NOT, FILLER, ANSWER], "SQQIQQ");
  expect(found.delta).toBeGreaterThan(1);
  expect([found.outcome, found.pattern]).toEqual(["m_ia", "oit"]);
  expect(found.evidence.probes).toHaveLength(1);
  const [probe] = found.evidence.probes;
  expect(probe).toMatchObject({ kind: "weaken", positions: [2], asClaimed: true });
  // A tenth of its attention is nearly the prompt without it.
  expect(probe!.after).toBeLessThan(1);
});
