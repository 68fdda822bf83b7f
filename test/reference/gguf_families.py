"""A tiny random model of every family as a GGUF file, and what Culprit must read from it.

The file is written with the `gguf` package's writer and its names of tensors; rows of Llama's q and k are permuted, 1 is
added to Gemma's norms, and so on, as llama.cpp's conversion scripts do. Matrices are Q8_0, of one family also
of other types and of several at once. Beside it stand the config
as transformers writes it, and for each of its tensors the SHA-256 of the dequantised float32. Where transformers reads
GGUF files of the family, its own loader must give the same tensors.

    python test/reference/gguf_families.py
"""

import hashlib
import json
import tempfile
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from gguf.quants import dequantize, quantize

OUT = Path(__file__).parents[1] / "data/gguf"
Types = gguf.GGMLQuantizationType
COMMON = dict(hidden_size=32, intermediate_size=64, vocab_size=96, num_hidden_layers=2, num_attention_heads=4,
              num_key_value_heads=2, max_position_embeddings=512, rms_norm_eps=1e-5, eos_token_id=2, bos_token_id=1,
              pad_token_id=0)
LLAMA3 = dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=8192)
LONG = dict(rope_type="longrope", rope_theta=10000.0, partial_rotary_factor=0.75, short_factor=[1.0, 1.1, 1.25],
            long_factor=[1.0, 4.0, 9.5], original_max_position_embeddings=128)

# Family: GGUF architecture, class of transformers, config.
FAMILIES = {
    "llama": ("llama", "Llama", dict(head_dim=16, rope_parameters=LLAMA3, tie_word_embeddings=True)),
    "llama-biases": ("llama", "Llama", dict(head_dim=16, attention_bias=True, mlp_bias=True, rope_parameters=dict(
        rope_type="linear", rope_theta=10000.0, factor=4.0))),
    "qwen2": ("qwen2", "Qwen2", dict(num_attention_heads=2, num_key_value_heads=1, rope_parameters=dict(
        rope_type="default", rope_theta=1e6))),
    "qwen3": ("qwen3", "Qwen3", dict(head_dim=16, rope_parameters=dict(
        rope_type="yarn", rope_theta=1e6, factor=4.0, original_max_position_embeddings=128))),
    "qwen3moe": ("qwen3moe", "Qwen3Moe", dict(head_dim=16, num_experts=4, num_experts_per_tok=2, norm_topk_prob=True,
        moe_intermediate_size=32, decoder_sparse_step=1, rope_parameters=dict(rope_type="default", rope_theta=1e6))),
    "gemma2": ("gemma2", "Gemma2", dict(head_dim=16, query_pre_attn_scalar=16, sliding_window=6,
        attn_logit_softcapping=50.0, final_logit_softcapping=30.0, rope_parameters=dict(
            rope_type="default", rope_theta=10000.0))),
    "gemma3": ("gemma3", "Gemma3", dict(head_dim=16, query_pre_attn_scalar=16, sliding_window=6, num_hidden_layers=6,
        rope_parameters=dict(full_attention=dict(rope_type="linear", rope_theta=1e6, factor=8.0),
                             sliding_attention=dict(rope_type="default", rope_theta=10000.0)))),
    "olmo2": ("olmo2", "Olmo2", dict(rope_parameters=dict(rope_type="default", rope_theta=500000.0))),
    "olmo3": ("olmo2", "Olmo3", dict(num_key_value_heads=4, num_hidden_layers=4, sliding_window=6,
        rope_parameters=dict(
            full_attention=dict(rope_type="yarn", rope_theta=500000.0, factor=8.0,
                                original_max_position_embeddings=64, beta_fast=32.0, beta_slow=1.0,
                                attention_factor=0.1 * np.log(8.0) + 1),
            sliding_attention=dict(rope_type="default", rope_theta=500000.0)))),
    "smollm3": ("smollm3", "SmolLM3", dict(num_hidden_layers=4, tie_word_embeddings=True, use_sliding_window=False,
        sliding_window=None, rope_parameters=dict(rope_type="default", rope_theta=2e6))),
    "phi3": ("phi3", "Phi3", dict(num_attention_heads=4, num_key_value_heads=2, sliding_window=None,
        original_max_position_embeddings=128, rope_parameters=LONG)),
    "gpt2": ("gpt2", "GPT2", dict(n_embd=32, n_layer=2, n_head=4, n_positions=128)),
    "gptneox": ("gptneox", "GPTNeoX", dict(hidden_size=32, rope_parameters=dict(
        rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.5))),
}

# Types of a matrix by its name; Q8_0 where nothing is said. "" stands for all others.
KINDS = {
    "llama-q4_0": {"": "Q4_0"},
    "llama-q4_1": {"": "Q4_1", "embed_tokens": "Q8_0"},
    "llama-q5_0": {"": "Q5_0"},
    "llama-q5_1": {"": "Q5_1"},
    "llama-mixed": {"q_proj": "Q4_0", "k_proj": "Q5_1", "v_proj": "F16", "gate_proj": "BF16", "o_proj": "F32", "": "Q8_0"},
}
for variant in KINDS:
    FAMILIES[variant] = FAMILIES["llama"]


def kind_of(name, key):
    kinds = KINDS.get(name, {"": "Q8_0"})
    return Types[next((kind for part, kind in kinds.items() if part and part in key), kinds[""])]


def make(name, cls, own):
    config_class = getattr(transformers, f"{'Gemma3Text' if cls == 'Gemma3' else cls}Config")
    foreign = {"GPT2": ("hidden_size", "intermediate_size", "num_key_value_heads", "rms_norm_eps"),
               "GPTNeoX": ("num_key_value_heads", "rms_norm_eps")}.get(cls, ())
    common = {k: v for k, v in COMMON.items() if k not in foreign}
    config = config_class(**{**common, **own})
    torch.manual_seed(sum(map(ord, name)))
    head = {"GPT2": "GPT2LMHeadModel"}.get(cls, f"{cls}ForCausalLM")
    model = getattr(transformers, head)._from_config(config, dtype=torch.float32)
    state = {k: v.detach().clone() for k, v in model.state_dict().items()}
    for key in state:
        if state[key].dim() == 1:
            state[key] = state[key] + 0.1 * torch.randn_like(state[key])
        else:
            state[key] = torch.randn_like(state[key]) * 0.1
    if cls == "GPTNeoX":  # its name in files
        state["embed_out.weight"] = state.pop("lm_head.weight")
    if model.config.tie_word_embeddings:
        state.pop("lm_head.weight", None)
    return config, model, {k: v.numpy() for k, v in state.items() if not k.endswith((".attn.bias", ".masked_bias"))}


def permute(weights, heads):
    shape = weights.shape
    return weights.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def quantised(values, kind=Types.Q8_0):
    """Values as a type and back: for vectors, the values themselves."""
    if values.ndim == 1:
        return values
    rows = np.ascontiguousarray(values).reshape(-1, values.shape[-1])
    return dequantize(quantize(rows, kind), kind).reshape(values.shape).astype(np.float32)


def write(path, name, arch, cls, config, state):
    writer = gguf.GGUFWriter(path, arch)
    layers = config.num_hidden_layers
    names = gguf.get_tensor_name_map({v: k for k, v in gguf.MODEL_ARCH_NAMES.items()}[arch], layers)
    heads, hidden = config.num_attention_heads, config.hidden_size
    kv = getattr(config, "num_key_value_heads", heads)
    head_dim = getattr(config, "head_dim", None) or hidden // heads
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(hidden)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(getattr(config, "intermediate_size", None) or 4 * hidden)
    writer.add_head_count(heads)
    if cls not in ("GPT2", "GPTNeoX"):
        writer.add_head_count_kv(kv)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    else:
        writer.add_layer_norm_eps(config.layer_norm_epsilon if cls == "GPT2" else config.layer_norm_eps)
    if head_dim != hidden // heads or "Gemma" in cls:
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    rope = getattr(config, "rope_parameters", None) or {}
    rope = rope.get("full_attention", rope)
    if rope and cls != "Gemma2":
        writer.add_rope_freq_base(rope["rope_theta"])
    partial = rope.get("partial_rotary_factor", 1.0)
    if cls != "GPT2":
        writer.add_rope_dimension_count(int(partial * head_dim))
    if rope.get("rope_type") in ("linear", "yarn"):
        writer.add_rope_scaling_type(gguf.RopeScalingType(rope["rope_type"]))
        writer.add_rope_scaling_factor(rope["factor"])
        if rope["rope_type"] == "yarn":
            writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    if rope.get("rope_type") == "longrope":
        writer.add_rope_scaling_orig_ctx_len(config.original_max_position_embeddings)
        writer.add_rope_scaling_attn_factors(1.19)
        writer.add_tensor("rope_factors_long.weight", np.array(rope["long_factor"], np.float32))
        writer.add_tensor("rope_factors_short.weight", np.array(rope["short_factor"], np.float32))
    if rope.get("rope_type") == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(rope, head_dim))
    if getattr(config, "sliding_window", None):
        writer.add_sliding_window(config.sliding_window)
    if cls == "Olmo3":
        writer.add_sliding_window_pattern([t == "sliding_attention" for t in config.layer_types])
    if cls == "Gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    if cls == "GPTNeoX":
        writer.add_parallel_residual(config.use_parallel_residual)
    if cls == "Qwen3Moe":
        writer.add_expert_count(config.num_experts)
        writer.add_expert_used_count(config.num_experts_per_tok)
        writer.add_expert_feed_forward_length(config.moe_intermediate_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([bytes([33 + i]) if i < 94 else b"!!" if i == 95 else b"Z" * i for i in range(config.vocab_size)])
    writer.add_token_types([1] * config.vocab_size)
    writer.add_token_merges(["! !"])
    writer.add_eos_token_id(2)

    expected = {}
    for key, values in state.items():
        if key.endswith("experts.gate_up_proj"):
            for part, projection in enumerate(["gate", "up"]):
                stack = np.split(values, 2, axis=1)[part]
                add(writer, names.get_name(key.replace("gate_up_proj", f"{projection}_proj")) + ".weight", stack)
                for expert, matrix in enumerate(stack):
                    expected[key.replace("gate_up_proj", f"{expert}.{projection}_proj.weight")] = quantised(matrix)
            continue
        if key.endswith("experts.down_proj"):
            add(writer, names.get_name(key) + ".weight", values)
            for expert, matrix in enumerate(values):
                expected[key.replace("down_proj", f"{expert}.down_proj.weight")] = quantised(matrix)
            continue
        stem, kind = key.rsplit(".", 1)
        target = f"{names.get_name(stem)}.{kind}"
        kind_ = kind_of(name, key)
        stored, back = values, quantised(values, kind_)
        if cls in ("Llama", "SmolLM3") and ("q_proj" in key or "k_proj" in key):
            stored = permute(values, heads if "q_proj" in key else kv)
        if "Gemma" in cls and key.endswith("norm.weight"):
            stored = values + np.float32(1)
            back = stored - np.float32(1)
        if cls == "GPT2" and values.ndim == 2 and "wte" not in key and "wpe" not in key:
            stored = np.ascontiguousarray(values.T)
            back = np.ascontiguousarray(quantised(stored).T)
        if cls == "GPTNeoX" and "query_key_value" in key:
            stored = values.reshape(heads, 3, hidden // heads, *values.shape[1:]).swapaxes(0, 1).reshape(values.shape)
        add(writer, target, stored, kind_)
        expected[key] = back
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return expected


def add(writer, name, values, kind=Types.Q8_0):
    if values.ndim == 1:
        writer.add_tensor(name, values.astype(np.float32))
    else:
        writer.add_tensor(name, quantize(np.ascontiguousarray(values), kind), raw_dtype=kind)


def llama3_factors(rope, head_dim):
    freqs = 1.0 / (rope["rope_theta"] ** (np.arange(0, head_dim, 2, dtype=np.float32) / head_dim))
    original, low, high = rope["original_max_position_embeddings"], rope["low_freq_factor"], rope["high_freq_factor"]
    factors = []
    for freq in freqs:
        wavelength = 2 * np.pi / freq
        if wavelength < original / high:
            factors.append(1.0)
        elif wavelength > original / low:
            factors.append(rope["factor"])
        else:
            smooth = (original / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(factors, np.float32)


def check_with_transformers(path, name, config, expected):
    loaded = transformers.AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, config=config, dtype=torch.float32)
    state = {k: v.numpy() for k, v in loaded.state_dict().items()}
    for key, values in expected.items():
        if ".experts." in key:
            number, projection = key.split(".experts.")[1].split(".")[:2]
            stem = key.split(".experts.")[0] + ".experts"
            fused = state[f"{stem}.down_proj" if projection == "down_proj" else f"{stem}.gate_up_proj"][int(number)]
            found = fused if projection == "down_proj" else np.split(fused, 2)[projection == "up_proj"]
        else:
            found = state[key]
        assert np.array_equal(found, values), (name, key, np.abs(found - values).max())


golden = {}
for name, (arch, cls, own) in FAMILIES.items():
    config, model, state = make(name, cls, own)
    path = OUT / f"{name}.gguf"
    expected = write(path, name, arch, cls, config, state)
    checked = False
    try:
        check_with_transformers(path, name, config, expected)
        checked = True
    except AssertionError as error:
        print("  transformers differs:", error)
    except Exception as error:  # not a family that transformers reads
        print("  not read by transformers:", type(error).__name__, str(error)[:100])
    print(name, path.stat().st_size, "checked" if checked else "not checked")
    json_config = json.loads(config.to_json_string(use_diff=False))
    json_config["architectures"] = [type(model).__name__]
    golden[name] = {
        "config": {k: v for k, v in json_config.items() if v is not None},
        "readByTransformers": checked,
        "tensors": {k: hashlib.sha256(np.ascontiguousarray(v).astype("<f4").tobytes()).hexdigest()
                    for k, v in sorted(expected.items())},
    }
(OUT / "families.json").write_text(json.dumps(golden, indent=1) + "\n")
