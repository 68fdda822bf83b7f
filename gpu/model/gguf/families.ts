/**
 * What llama.cpp calls the tensors and settings of each family of models, and what it changed in them: one row each.
 * Names: the `gguf` package's tensor_mapping.py; changes: llama.cpp's conversion scripts.
 */
import { InputError } from "../../errors.ts";
import { mapped, part, renamed, reordered, transposed } from "../derived_tensor.ts";
import type { JsonObject } from "../json.ts";
import type { ModelTensor } from "../tensor.ts";
import { commonConfig, type Fields, longRope, rmsNorm, rotary, window } from "./config.ts";

/** What is undone to a tensor, given the config, or how it is cut into several. */
export type Change = (tensor: ModelTensor, name: string, config: JsonObject) => readonly ModelTensor[];

/** A tensor's name in Hugging Face's models; `#` stands for the number of the block. */
export type Target = string | readonly [name: string, change: Change];

export interface Family {
  readonly modelType: string;
  readonly modelClass: string;
  /** Fields of config.json besides those of every family. */
  readonly config: (fields: Fields) => JsonObject;
  /** By llama.cpp's name; `#` stands for the number of the block. Weights and biases have the same name in front. */
  readonly tensors: Readonly<Record<string, Target>>;
  /** Fields of every family that this one's config does not have. */
  readonly without?: readonly string[];
  /** Settings that the config takes account of, besides those of every family. */
  readonly settings?: readonly string[];
}

const same: Change = (tensor, name) => [renamed(tensor, name)];

/** Rotated pairs lie side by side in llama.cpp's Llama, half a head apart in transformers: q and k have rows permuted. */
const unpermuted = (headsField: string): Change => (tensor, name, config) => {
  const rows = tensor.info.shape[0]!;
  const perHead = rows / (config[headsField] as number);
  return [
    reordered(tensor, name, (row) => {
      const within = row % perHead;
      return row - within + 2 * (within % (perHead / 2)) + Math.floor(within / (perHead / 2));
    }),
  ];
};

/** Gemma's norms multiply by 1 + w, and llama.cpp stores 1 + w. */
const minusOne: Change = (tensor, name) => [mapped(tensor, name, (value) => value - 1)];

/** GPT-2 keeps its projections as [in, out]. */
const turned: Change = (
  tensor,
  name,
) => [tensor.info.shape.length === 2 ? transposed(tensor, name) : renamed(tensor, name)];

/** GPT-NeoX has q, k and v of a head one after another, llama.cpp all q, all k, all v. */
const interleaved: Change = (tensor, name, config) => {
  const heads = config["num_attention_heads"] as number;
  const perHead = tensor.info.shape[0]! / (3 * heads);
  return [
    reordered(tensor, name, (row) => {
      const head = Math.floor(row / (3 * perHead));
      const kind = Math.floor(row / perHead) % 3;
      return (kind * heads + head) * perHead + row % perHead;
    }),
  ];
};

/** The experts of a block, one matrix each. */
const experts = (projection: string): Change => (tensor, name, config) => {
  const [count = 1, ...shape] = tensor.info.shape;
  if (count !== config["num_experts"]) {
    throw new InputError(
      `tensor ${tensor.info.name} holds ${count} experts, where expert_count is ${config["num_experts"]}`,
      tensor.path,
      "download or convert the model again",
    );
  }
  const before = name.slice(0, name.lastIndexOf("."));
  return Array.from(
    { length: count },
    (_, index) => part(tensor, `${before}.${index}.${projection}.weight`, shape, index),
  );
};

const outer = {
  "token_embd": "model.embed_tokens",
  "output_norm": "model.norm",
  "output": "lm_head",
} as const;

const attention = {
  "blk.#.attn_q": "model.layers.#.self_attn.q_proj",
  "blk.#.attn_k": "model.layers.#.self_attn.k_proj",
  "blk.#.attn_v": "model.layers.#.self_attn.v_proj",
  "blk.#.attn_output": "model.layers.#.self_attn.o_proj",
} as const;

const headNorms = {
  "blk.#.attn_q_norm": "model.layers.#.self_attn.q_norm",
  "blk.#.attn_k_norm": "model.layers.#.self_attn.k_norm",
} as const;

const mlp = {
  "blk.#.ffn_gate": "model.layers.#.mlp.gate_proj",
  "blk.#.ffn_up": "model.layers.#.mlp.up_proj",
  "blk.#.ffn_down": "model.layers.#.mlp.down_proj",
} as const;

const normsBefore = {
  "blk.#.attn_norm": "model.layers.#.input_layernorm",
  "blk.#.ffn_norm": "model.layers.#.post_attention_layernorm",
} as const;

const permutedAttention = {
  ...attention,
  "blk.#.attn_q": [attention["blk.#.attn_q"], unpermuted("num_attention_heads")],
  "blk.#.attn_k": [attention["blk.#.attn_k"], unpermuted("num_key_value_heads")],
} as const;

const gemmaTensors = {
  "token_embd": outer.token_embd,
  "output": outer.output,
  "output_norm": [outer.output_norm, minusOne],
  ...attention,
  ...mlp,
  "blk.#.attn_norm": ["model.layers.#.input_layernorm", minusOne],
  "blk.#.post_attention_norm": ["model.layers.#.post_attention_layernorm", minusOne],
  "blk.#.ffn_norm": ["model.layers.#.pre_feedforward_layernorm", minusOne],
  "blk.#.post_ffw_norm": ["model.layers.#.post_feedforward_layernorm", minusOne],
} as const;

/**
 * What scores are divided by, squared: in the largest models not the heads' length. llama.cpp knows those by their
 * number of blocks (`LLM_TYPE_27B`).
 */
function gemmaScale(fields: Fields, largestLayers: number): JsonObject {
  const { num_hidden_layers: layers, hidden_size: hidden, num_attention_heads: heads, head_dim } = commonConfig(fields);
  return {
    query_pre_attn_scalar: layers === largestLayers ? (hidden as number) / (heads as number) : head_dim,
    hidden_activation: "gelu_pytorch_tanh",
    rms_norm_eps: fields.number("attention.layer_norm_rms_epsilon"),
  };
}

const llamaBiases = (fields: Fields): JsonObject => ({
  attention_bias: fields.tensors.has("blk.0.attn_q.bias"),
  mlp_bias: fields.tensors.has("blk.0.ffn_up.bias"),
});

/** Olmo-3 comes as Olmo-2 with windows, whose full layers alone are stretched. */
const isOlmo3 = (fields: Fields) => fields.has("attention.sliding_window");

const olmoTensors = {
  ...outer,
  ...attention,
  ...headNorms,
  ...mlp,
  "blk.#.post_attention_norm": "model.layers.#.post_attention_layernorm",
  "blk.#.post_ffw_norm": "model.layers.#.post_feedforward_layernorm",
} as const;

const gptTensors = { "token_embd": "transformer.wte", "position_embd": "transformer.wpe" } as const;

/** By `general.architecture`; where one name stands for two families, `familyOf` chooses. */
const FAMILIES: Readonly<Record<string, Family>> = {
  llama: {
    modelType: "llama",
    modelClass: "LlamaForCausalLM",
    config: (fields) => ({ ...rmsNorm(fields), ...rotary(fields), ...llamaBiases(fields) }),
    tensors: { ...outer, ...permutedAttention, ...mlp, ...normsBefore },
  },
  qwen2: {
    modelType: "qwen2",
    modelClass: "Qwen2ForCausalLM",
    config: (fields) => ({ ...rmsNorm(fields), ...rotary(fields) }),
    tensors: { ...outer, ...attention, ...mlp, ...normsBefore },
  },
  qwen3: {
    modelType: "qwen3",
    modelClass: "Qwen3ForCausalLM",
    config: (fields) => ({ ...rmsNorm(fields), ...rotary(fields) }),
    tensors: { ...outer, ...attention, ...headNorms, ...mlp, ...normsBefore },
  },
  qwen3moe: {
    modelType: "qwen3_moe",
    modelClass: "Qwen3MoeForCausalLM",
    config: (fields) => ({
      ...rmsNorm(fields),
      ...rotary(fields),
      num_experts: fields.number("expert_count"),
      num_experts_per_tok: fields.number("expert_used_count"),
      moe_intermediate_size: fields.number("expert_feed_forward_length"),
      norm_topk_prob: true,
      decoder_sparse_step: 1,
      mlp_only_layers: [],
    }),
    tensors: {
      ...outer,
      ...attention,
      ...headNorms,
      ...normsBefore,
      "blk.#.ffn_gate_inp": "model.layers.#.mlp.gate",
      "blk.#.ffn_gate_exps": ["model.layers.#.mlp.experts", experts("gate_proj")],
      "blk.#.ffn_up_exps": ["model.layers.#.mlp.experts", experts("up_proj")],
      "blk.#.ffn_down_exps": ["model.layers.#.mlp.experts", experts("down_proj")],
    },
    settings: ["expert_count", "expert_used_count", "expert_feed_forward_length"],
  },
  gemma2: {
    modelType: "gemma2",
    modelClass: "Gemma2ForCausalLM",
    config: (fields) => ({
      ...gemmaScale(fields, 46),
      ...rotary(fields),
      ...window(fields),
      attn_logit_softcapping: fields.optionalNumber("attn_logit_softcapping") ?? null,
      final_logit_softcapping: fields.optionalNumber("final_logit_softcapping") ?? null,
    }),
    tensors: gemmaTensors,
    settings: ["attn_logit_softcapping", "final_logit_softcapping", "attention.sliding_window"],
  },
  gemma3: {
    modelType: "gemma3_text",
    modelClass: "Gemma3ForCausalLM",
    config: (fields) => ({
      ...gemmaScale(fields, 62),
      ...rotary(fields, 1e6),
      rope_local_base_freq: fields.optionalNumber("rope.freq_base_swa") ?? 10_000,
      ...window(fields),
      sliding_window_pattern: 6,
      final_logit_softcapping: fields.optionalNumber("final_logit_softcapping") ?? null,
    }),
    tensors: {
      ...gemmaTensors,
      "blk.#.attn_q_norm": [headNorms["blk.#.attn_q_norm"], minusOne],
      "blk.#.attn_k_norm": [headNorms["blk.#.attn_k_norm"], minusOne],
    },
    settings: ["final_logit_softcapping", "attention.sliding_window", "rope.freq_base_swa"],
  },
  olmo2: {
    modelType: "olmo2",
    modelClass: "Olmo2ForCausalLM",
    config: (fields) => ({ ...rmsNorm(fields), ...rotary(fields) }),
    tensors: olmoTensors,
  },
  smollm3: {
    modelType: "smollm3",
    modelClass: "SmolLM3ForCausalLM",
    // llama.cpp knows the interval by the family.
    config: (fields) => ({
      ...rmsNorm(fields),
      ...rotary(fields),
      ...llamaBiases(fields),
      no_rope_layer_interval: 4,
      use_sliding_window: false,
    }),
    tensors: { ...outer, ...permutedAttention, ...mlp, ...normsBefore },
  },
  phi3: {
    modelType: "phi3",
    modelClass: "Phi3ForCausalLM",
    config: (fields) => ({ ...rmsNorm(fields), ...longRope(fields), ...window(fields) }),
    tensors: {
      ...outer,
      "blk.#.attn_qkv": "model.layers.#.self_attn.qkv_proj",
      "blk.#.attn_output": attention["blk.#.attn_output"],
      "blk.#.ffn_up": "model.layers.#.mlp.gate_up_proj",
      "blk.#.ffn_down": mlp["blk.#.ffn_down"],
      ...normsBefore,
    },
    settings: ["attention.sliding_window"],
  },
  gpt2: {
    modelType: "gpt2",
    modelClass: "GPT2LMHeadModel",
    without: [
      "hidden_size",
      "intermediate_size",
      "num_hidden_layers",
      "num_attention_heads",
      "num_key_value_heads",
      "head_dim",
      "max_position_embeddings",
    ],
    config: (fields) => {
      const { hidden_size, num_hidden_layers, num_attention_heads, max_position_embeddings } = commonConfig(fields);
      return {
        n_embd: hidden_size,
        n_layer: num_hidden_layers,
        n_head: num_attention_heads,
        n_positions: max_position_embeddings,
        layer_norm_epsilon: fields.number("attention.layer_norm_epsilon"),
        activation_function: "gelu_new",
      };
    },
    tensors: {
      ...gptTensors,
      "output_norm": "transformer.ln_f",
      "output": "lm_head",
      "blk.#.attn_norm": "transformer.h.#.ln_1",
      "blk.#.attn_qkv": ["transformer.h.#.attn.c_attn", turned],
      "blk.#.attn_output": ["transformer.h.#.attn.c_proj", turned],
      "blk.#.ffn_norm": "transformer.h.#.ln_2",
      "blk.#.ffn_up": ["transformer.h.#.mlp.c_fc", turned],
      "blk.#.ffn_down": ["transformer.h.#.mlp.c_proj", turned],
    },
  },
  gptneox: {
    modelType: "gpt_neox",
    modelClass: "GPTNeoXForCausalLM",
    config: (fields) => ({
      layer_norm_eps: fields.number("attention.layer_norm_epsilon"),
      use_parallel_residual: fields.value("use_parallel_residual") ?? true,
      rotary_pct: fields.number("rope.dimension_count") / (commonConfig(fields)["head_dim"] as number),
      rotary_emb_base: fields.optionalNumber("rope.freq_base") ?? 10_000,
      hidden_act: "gelu",
    }),
    tensors: {
      "token_embd": "gpt_neox.embed_in",
      "output_norm": "gpt_neox.final_layer_norm",
      "output": "embed_out",
      "blk.#.attn_norm": "gpt_neox.layers.#.input_layernorm",
      "blk.#.attn_qkv": ["gpt_neox.layers.#.attention.query_key_value", interleaved],
      "blk.#.attn_output": "gpt_neox.layers.#.attention.dense",
      "blk.#.ffn_norm": "gpt_neox.layers.#.post_attention_layernorm",
      "blk.#.ffn_up": "gpt_neox.layers.#.mlp.dense_h_to_4h",
      "blk.#.ffn_down": "gpt_neox.layers.#.mlp.dense_4h_to_h",
    },
    settings: ["use_parallel_residual"],
  },
};

const OLMO3: Family = {
  modelType: "olmo3",
  modelClass: "Olmo3ForCausalLM",
  config: (fields) => {
    const pattern = fields.value("attention.sliding_window_pattern");
    return {
      ...rmsNorm(fields),
      ...rotary(fields),
      ...window(fields),
      ...(Array.isArray(pattern)
        ? { layer_types: pattern.map((slides) => slides ? "sliding_attention" : "full_attention") }
        : {}),
    };
  },
  tensors: olmoTensors,
  settings: ["attention.sliding_window", "attention.sliding_window_pattern"],
};

/** The architectures that are read. */
export const GGUF_ARCHITECTURES = Object.keys(FAMILIES);

export function familyOf(fields: Fields): Family | undefined {
  const { architecture } = fields;
  if (architecture === "olmo2" && isOlmo3(fields)) return OLMO3;
  return Object.hasOwn(FAMILIES, architecture) ? FAMILIES[architecture] : undefined;
}

/** The name and the change of a target. */
export function targetOf(target: Target): { readonly name: string; readonly change: Change } {
  return typeof target === "string" ? { name: target, change: same } : { name: target[0], change: target[1] };
}
