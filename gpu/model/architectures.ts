/**
 * The decoders that the engine computes, as data: a row for each `model_type`. A new family is a row here and, where it
 * does what no other does, one new operation in gpu/pass/operations. What a row says and what no row says is refused by
 * name (config.ts, layout.ts).
 */
import { COMMON_ROTARY, type RotaryRow } from "./rotary.ts";

/** `rms`: w x / rms(x). `rms-plus-one`: (1 + w) x / rms(x). `layer`: LayerNorm with mean and bias. */
export type NormKind = "rms" | "rms-plus-one" | "layer";

export type Activation = "silu" | "gelu-tanh" | "gelu-erf";

/** Names that configs give to activations. */
export const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  silu: "silu",
  swish: "silu",
  gelu: "gelu-erf",
  gelu_new: "gelu-tanh",
  gelu_pytorch_tanh: "gelu-tanh",
};

/** Where a block's norms stand: before what attention and MLP read, after what they write. Names within the block. */
export interface BlockNorms {
  readonly attentionIn?: string;
  readonly attentionOut?: string;
  readonly mlpIn?: string;
  readonly mlpOut?: string;
}

/** How q, k and v are stored: apart, one above the other, or above each other head by head. */
export type QueryKeyValue =
  | { readonly stored: "apart"; readonly query: string; readonly key: string; readonly value: string }
  | { readonly stored: "stacked" | "by-head"; readonly name: string };

/** How an MLP is stored. */
export type MlpNames =
  | { readonly kind: "gated"; readonly gate: string; readonly up: string; readonly down: string }
  | { readonly kind: "gated"; readonly gateUp: string; readonly down: string }
  | { readonly kind: "plain"; readonly up: string; readonly down: string };

/** Experts, each a gated MLP; `{}` stands for an expert's number. */
export interface ExpertNames {
  readonly router: string;
  readonly gate: string;
  readonly up: string;
  readonly down: string;
}

/** Names of tensors, `.weight` and `.bias` left out; those of a block stand behind `block`, whose `{}` is its number. */
export interface TensorNames {
  /** In front of the names of all but the unembedding; the first is the usual one. */
  readonly prefixes: readonly string[];
  readonly embedding: string;
  /** Learned positions, added to what the first block reads. */
  readonly positions?: string;
  readonly block: string;
  readonly norms: BlockNorms;
  readonly queryKeyValue: QueryKeyValue;
  readonly headNorms?: { readonly query: string; readonly key: string };
  readonly output: string;
  readonly mlp: MlpNames;
  readonly experts?: ExpertNames;
  readonly finalNorm: string;
  /** Without prefix. */
  readonly unembedding: string;
  /** Projections are [in, out], as GPT-2's Conv1D has them. */
  readonly transposed?: boolean;
}

/** Which layers attend to a window only, where `layer_types` does not say. */
export type Windows =
  | "none"
  /** All, where `sliding_window` is set. */
  | "all"
  /** All where `use_sliding_window` is true. */
  | "all-when-used"
  /** From `max_window_layers` on where `use_sliding_window` is true. */
  | "upper-when-used"
  /** Those without rotary embedding where `use_sliding_window` is true. */
  | "unrotated-when-used"
  /** All but each n-th; n from `field` where there is one. */
  | { readonly allBut: number; readonly field?: string };

/** Names of config fields; those of most families unless a row says otherwise. */
export interface FieldNames {
  readonly hidden: string;
  readonly layers: string;
  readonly heads: string;
  readonly intermediate: string;
  readonly positions: string;
  readonly normEpsilon: string;
  readonly activation: string;
}

const FIELDS: FieldNames = {
  hidden: "hidden_size",
  layers: "num_hidden_layers",
  heads: "num_attention_heads",
  intermediate: "intermediate_size",
  positions: "max_position_embeddings",
  normEpsilon: "rms_norm_eps",
  activation: "hidden_act",
};

export interface ArchitectureRow {
  /** `architectures` of config.json that hold this decoder. */
  readonly modelClasses: readonly string[];
  /** The decoder is the text part of a model with others. */
  readonly within?: {
    /** The field that holds its config. */
    readonly field: string;
    /** Names of its tensors that begin so, and what they begin with where the decoder stands alone. */
    readonly prefixes: Readonly<Record<string, string>>;
    /** Names of the other parts' tensors begin so. */
    readonly beside: readonly string[];
  };
  readonly tensors: TensorNames;
  readonly norm: NormKind;
  /** What the norms of q and k run over. */
  readonly headNorms: "head" | "projection" | "none";
  readonly rotary: RotaryRow | null;
  readonly windows: Windows;
  readonly fields: FieldNames;
  /** Config fields beyond the common ones that are read. */
  readonly reads: readonly string[];
  /** Values of config fields where the file has none, as in transformers' config class. */
  readonly defaults: Readonly<Record<string, unknown>>;
  /** Config fields that ask for something else when they have another value than these. */
  readonly only: Readonly<Record<string, readonly unknown[]>>;
  /** The embedding enters the residual stream times sqrt(hidden). */
  readonly scalesEmbedding?: boolean;
  /** Biases of the projections; a field's name where the config says. */
  readonly biases: {
    readonly queryKeyValue: boolean | string;
    readonly output: boolean | string;
    readonly mlp: boolean | string;
  };
}

/** Whether a block computes attention and MLP from the same input (`use_parallel_residual`). */
export const PARALLEL_FIELD = "use_parallel_residual";

const LLAMA_TENSORS = {
  prefixes: ["model."],
  embedding: "embed_tokens",
  block: "layers.{}.",
  norms: { attentionIn: "input_layernorm", mlpIn: "post_attention_layernorm" },
  queryKeyValue: { stored: "apart", query: "self_attn.q_proj", key: "self_attn.k_proj", value: "self_attn.v_proj" },
  output: "self_attn.o_proj",
  mlp: { kind: "gated", gate: "mlp.gate_proj", up: "mlp.up_proj", down: "mlp.down_proj" },
  finalNorm: "norm",
  unembedding: "lm_head",
} as const satisfies TensorNames;

const HEAD_NORMS = { query: "self_attn.q_norm", key: "self_attn.k_norm" } as const;
const NO_BIASES = { queryKeyValue: false, output: false, mlp: false } as const;
const OUTPUT_NORMS = { attentionOut: "post_attention_layernorm", mlpOut: "post_feedforward_layernorm" } as const;

const QWEN3: ArchitectureRow = {
  modelClasses: ["Qwen3ForCausalLM"],
  tensors: { ...LLAMA_TENSORS, headNorms: HEAD_NORMS },
  norm: "rms",
  headNorms: "head",
  rotary: COMMON_ROTARY,
  windows: "upper-when-used",
  fields: FIELDS,
  reads: ["use_sliding_window", "max_window_layers"],
  defaults: { rms_norm_eps: 1e-6, max_position_embeddings: 32_768, max_window_layers: 28 },
  only: { attention_bias: [false] },
  biases: NO_BIASES,
};

const OLMO3: ArchitectureRow = {
  ...QWEN3,
  modelClasses: ["Olmo3ForCausalLM"],
  tensors: { ...LLAMA_TENSORS, headNorms: HEAD_NORMS, norms: OUTPUT_NORMS },
  headNorms: "projection",
  rotary: { ...COMMON_ROTARY, sliding: "plain" },
  windows: { allBut: 4 },
  reads: [],
  defaults: { rms_norm_eps: 1e-5, max_position_embeddings: 32_768, sliding_window: 4096 },
};

const LLAMA: ArchitectureRow = {
  modelClasses: ["LlamaForCausalLM"],
  tensors: LLAMA_TENSORS,
  norm: "rms",
  headNorms: "none",
  rotary: { ...COMMON_ROTARY, theta: { field: "rope_theta", fallback: 10_000 } },
  windows: "none",
  fields: FIELDS,
  reads: ["attention_bias", "mlp_bias"],
  defaults: { rms_norm_eps: 1e-6, max_position_embeddings: 2048 },
  only: {},
  biases: { queryKeyValue: "attention_bias", output: "attention_bias", mlp: "mlp_bias" },
};

const QWEN2: ArchitectureRow = {
  ...QWEN3,
  modelClasses: ["Qwen2ForCausalLM"],
  tensors: LLAMA_TENSORS,
  headNorms: "none",
  rotary: LLAMA.rotary,
  only: {},
  biases: { queryKeyValue: true, output: false, mlp: false },
};

const MISTRAL: ArchitectureRow = {
  ...LLAMA,
  modelClasses: ["MistralForCausalLM"],
  windows: "all",
  reads: [],
  defaults: { rms_norm_eps: 1e-6, max_position_embeddings: 131_072, num_key_value_heads: 8 },
  biases: NO_BIASES,
};

const SMOLLM3: ArchitectureRow = {
  ...LLAMA,
  modelClasses: ["SmolLM3ForCausalLM"],
  rotary: { ...COMMON_ROTARY, theta: { field: "rope_theta", fallback: 2_000_000 } },
  windows: "unrotated-when-used",
  reads: ["attention_bias", "mlp_bias", "use_sliding_window", "no_rope_layers", "no_rope_layer_interval"],
  defaults: {
    rms_norm_eps: 1e-6,
    max_position_embeddings: 32_768,
    num_key_value_heads: 4,
    no_rope_layer_interval: 4,
    tie_word_embeddings: true,
  },
};

const PHI3: ArchitectureRow = {
  ...LLAMA,
  modelClasses: ["Phi3ForCausalLM"],
  tensors: {
    ...LLAMA_TENSORS,
    queryKeyValue: { stored: "stacked", name: "self_attn.qkv_proj" },
    mlp: { kind: "gated", gateUp: "mlp.gate_up_proj", down: "mlp.down_proj" },
  },
  rotary: { ...COMMON_ROTARY, ...LLAMA.rotary, share: { field: "partial_rotary_factor", fallback: 1 } },
  windows: "all",
  reads: [],
  defaults: { rms_norm_eps: 1e-5, max_position_embeddings: 4096 },
  // Files of Phi-3 say false where there are none.
  only: { attention_bias: [false] },
  biases: NO_BIASES,
};

const OLMO2: ArchitectureRow = {
  ...OLMO3,
  modelClasses: ["Olmo2ForCausalLM"],
  rotary: LLAMA.rotary,
  windows: "none",
  defaults: { rms_norm_eps: 1e-5, max_position_embeddings: 2048 },
};

const GEMMA2: ArchitectureRow = {
  modelClasses: ["Gemma2ForCausalLM"],
  tensors: {
    ...LLAMA_TENSORS,
    norms: {
      attentionIn: "input_layernorm",
      attentionOut: "post_attention_layernorm",
      mlpIn: "pre_feedforward_layernorm",
      mlpOut: "post_feedforward_layernorm",
    },
  },
  norm: "rms-plus-one",
  headNorms: "none",
  rotary: LLAMA.rotary,
  windows: { allBut: 2 },
  fields: { ...FIELDS, activation: "hidden_activation" },
  // Early files have hidden_act too, and mean hidden_activation.
  reads: [
    "hidden_act",
    "query_pre_attn_scalar",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "cache_implementation",
  ],
  defaults: {
    rms_norm_eps: 1e-6,
    max_position_embeddings: 8192,
    hidden_activation: "gelu_pytorch_tanh",
    head_dim: 256,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    vocab_size: 256_000,
    query_pre_attn_scalar: 256,
    sliding_window: 4096,
    attn_logit_softcapping: 50,
    final_logit_softcapping: 30,
    tie_word_embeddings: true,
  },
  only: { attention_bias: [false], use_bidirectional_attention: [false] },
  biases: NO_BIASES,
  scalesEmbedding: true,
};

const GEMMA3: ArchitectureRow = {
  ...GEMMA2,
  modelClasses: ["Gemma3ForCausalLM"],
  tensors: { ...GEMMA2.tensors, headNorms: HEAD_NORMS },
  headNorms: "head",
  rotary: {
    ...COMMON_ROTARY,
    theta: { field: "rope_theta", fallback: 1_000_000 },
    sliding: { field: "rope_local_base_freq", fallback: 10_000 },
  },
  windows: { allBut: 6, field: "sliding_window_pattern" },
  reads: [...GEMMA2.reads, "sliding_window_pattern", "_sliding_window_pattern"],
  defaults: {
    ...GEMMA2.defaults,
    max_position_embeddings: 131_072,
    vocab_size: 262_208,
    attn_logit_softcapping: null,
    final_logit_softcapping: null,
  },
};

/** Gemma 3 with vision, of which the text part is read. */
const GEMMA3_VISION: ArchitectureRow = {
  ...GEMMA3,
  modelClasses: ["Gemma3ForConditionalGeneration"],
  within: {
    field: "text_config",
    prefixes: { "language_model.": "", "model.language_model.": "model." },
    beside: ["vision_tower.", "multi_modal_projector.", "model.vision_tower.", "model.multi_modal_projector."],
  },
};

const GPT2: ArchitectureRow = {
  modelClasses: ["GPT2LMHeadModel"],
  tensors: {
    prefixes: ["transformer."],
    embedding: "wte",
    positions: "wpe",
    block: "h.{}.",
    norms: { attentionIn: "ln_1", mlpIn: "ln_2" },
    queryKeyValue: { stored: "stacked", name: "attn.c_attn" },
    output: "attn.c_proj",
    mlp: { kind: "plain", up: "mlp.c_fc", down: "mlp.c_proj" },
    finalNorm: "ln_f",
    unembedding: "lm_head",
    transposed: true,
  },
  norm: "layer",
  headNorms: "none",
  rotary: null,
  windows: "none",
  fields: {
    hidden: "n_embd",
    layers: "n_layer",
    heads: "n_head",
    intermediate: "n_inner",
    positions: "n_positions",
    normEpsilon: "layer_norm_epsilon",
    activation: "activation_function",
  },
  // n_ctx is n_positions again; the summary's fields are of another head.
  reads: [
    "scale_attn_weights",
    "scale_attn_by_inverse_layer_idx",
    "n_ctx",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
  ],
  defaults: {
    vocab_size: 50_257,
    layer_norm_epsilon: 1e-5,
    activation_function: "gelu_new",
    scale_attn_weights: true,
    tie_word_embeddings: true,
  },
  only: { add_cross_attention: [false] },
  biases: { queryKeyValue: true, output: true, mlp: true },
};

const GPT_NEOX: ArchitectureRow = {
  modelClasses: ["GPTNeoXForCausalLM"],
  tensors: {
    prefixes: ["gpt_neox."],
    embedding: "embed_in",
    block: "layers.{}.",
    norms: { attentionIn: "input_layernorm", mlpIn: "post_attention_layernorm" },
    queryKeyValue: { stored: "by-head", name: "attention.query_key_value" },
    output: "attention.dense",
    mlp: { kind: "plain", up: "mlp.dense_h_to_4h", down: "mlp.dense_4h_to_h" },
    finalNorm: "final_layer_norm",
    unembedding: "embed_out",
  },
  norm: "layer",
  headNorms: "none",
  rotary: {
    theta: { field: "rotary_emb_base", fallback: 10_000 },
    share: { field: "rotary_pct", fallback: 0.25 },
    sliding: "same",
  },
  windows: "none",
  fields: { ...FIELDS, normEpsilon: "layer_norm_eps" },
  reads: ["attention_bias", PARALLEL_FIELD],
  defaults: {
    layer_norm_eps: 1e-5,
    max_position_embeddings: 2048,
    hidden_act: "gelu",
    attention_bias: true,
    [PARALLEL_FIELD]: true,
  },
  only: {},
  biases: { queryKeyValue: "attention_bias", output: "attention_bias", mlp: true },
};

const QWEN3_MOE: ArchitectureRow = {
  ...QWEN3,
  modelClasses: ["Qwen3MoeForCausalLM"],
  tensors: {
    ...QWEN3.tensors,
    experts: {
      router: "mlp.gate",
      gate: "mlp.experts.{}.gate_proj",
      up: "mlp.experts.{}.up_proj",
      down: "mlp.experts.{}.down_proj",
    },
  },
  windows: "all-when-used",
  reads: [
    "use_sliding_window",
    "max_window_layers",
    "moe_intermediate_size",
    "num_experts",
    "num_local_experts",
    "num_experts_per_tok",
    "norm_topk_prob",
    "decoder_sparse_step",
    "mlp_only_layers",
  ],
  defaults: {
    ...QWEN3.defaults,
    num_key_value_heads: 4,
    decoder_sparse_step: 1,
    moe_intermediate_size: 768,
    num_experts_per_tok: 8,
  },
};

const ROWS = {
  llama: LLAMA,
  mistral: MISTRAL,
  qwen2: QWEN2,
  qwen3: QWEN3,
  qwen3_moe: QWEN3_MOE,
  smollm3: SMOLLM3,
  phi3: PHI3,
  olmo2: OLMO2,
  olmo3: OLMO3,
  gemma2: GEMMA2,
  gemma3_text: GEMMA3,
  gemma3: GEMMA3_VISION,
  gpt2: GPT2,
  gpt_neox: GPT_NEOX,
} as const satisfies Readonly<Record<string, ArchitectureRow>>;

export type Architecture = keyof typeof ROWS;
export const ARCHITECTURES = Object.keys(ROWS) as readonly Architecture[];

/** The row of a model type. */
export const rowOf = (architecture: Architecture): ArchitectureRow => ROWS[architecture];

/** Config fields that change no number of an inference in float32, or that tokenizer and trainer read. */
export const IGNORED_FIELDS: ReadonlySet<string> = new Set([
  "_attn_implementation",
  "_attn_implementation_autoset",
  "_commit_hash",
  "_name_or_path",
  "architectures",
  "attention_dropout",
  "attn_implementation",
  "attn_pdrop",
  "auto_map",
  "bad_words_ids",
  "begin_suppress_tokens",
  "bos_token_id",
  "chunk_size_feed_forward",
  "classifier_dropout",
  "decoder_start_token_id",
  "diversity_penalty",
  "do_sample",
  "dtype",
  "early_stopping",
  "embd_pdrop",
  "encoder_no_repeat_ngram_size",
  "eos_token_id",
  "exponential_decay_length_penalty",
  "finetuning_task",
  "forced_bos_token_id",
  "forced_eos_token_id",
  "hidden_dropout",
  "id2label",
  "initializer_range",
  "is_decoder",
  "is_encoder_decoder",
  "is_llama_config",
  "keys_to_ignore_at_inference",
  "label2id",
  "length_penalty",
  "max_length",
  "min_length",
  "mlp_dropout",
  "model_type",
  "no_repeat_ngram_size",
  "num_beam_groups",
  "num_beams",
  "num_return_sequences",
  "output_attentions",
  "output_hidden_states",
  "output_router_logits",
  "output_scores",
  "pad_token_id",
  "prefix",
  "pretraining_tp",
  "problem_type",
  "pruned_heads",
  "remove_invalid_values",
  "reorder_and_upcast_attn",
  "repetition_penalty",
  "resid_pdrop",
  "return_dict",
  "return_dict_in_generate",
  "router_aux_loss_coef",
  "sep_token_id",
  "suppress_tokens",
  "task_specific_params",
  "temperature",
  "tf_legacy_loss",
  "tokenizer_class",
  "top_k",
  "top_p",
  "torch_dtype",
  "torchscript",
  "transformers.js_config",
  "transformers_version",
  "typical_p",
  "unk_token_id",
  "unsloth_fixed",
  "unsloth_version",
  "use_bfloat16",
  "use_cache",
]);

/** What is missing for model types that people ask for. */
export const MISSING: Readonly<Record<string, string>> = {
  bert: "an encoder predicts no next token",
  bloom: "attention by distance (ALiBi) is not computed",
  deepseek_v2: "latent attention is not computed",
  deepseek_v3: "latent attention is not computed",
  falcon: "its attention blocks are not described",
  falcon_mamba: "state spaces are not computed",
  gemma: "the first Gemma is not described; Gemma 2 and 3 are",
  gemma3n: "per-layer embeddings are not computed",
  gpt_oss: "attention sinks and MXFP4 experts are not computed",
  jamba: "state spaces are not computed",
  llama4: "chunked attention is not computed",
  mamba: "state spaces are not computed",
  mamba2: "state spaces are not computed",
  mixtral: "its router is not described",
  mllama: "vision and cross attention are not computed",
  mpt: "attention by distance (ALiBi) is not computed",
  phi: "its parallel blocks with one norm are not described",
  qwen2_moe: "shared experts are not computed",
  qwen3_next: "linear attention is not computed",
  rwkv: "linear attention is not computed",
  t5: "encoder and decoder with cross attention are not computed",
  whisper: "speech is not read",
};
