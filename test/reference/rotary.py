"""Rotations by transformers, for gpu/model/rotary.test.ts: each config goes through the family's own config class and
the rotary embedding of its model.

    python3 test/reference/rotary.py > test/data/rotary.json      (torch 2.13, transformers 5.24)
"""

import copy
import importlib
import json
import math

import torch
from transformers import AutoConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

LLAMA = dict(model_type="llama", hidden_size=64, num_attention_heads=4, num_hidden_layers=2, head_dim=64,
             max_position_embeddings=131072)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=8192)
YARN = dict(rope_type="yarn", factor=8.0, original_max_position_embeddings=8192)
OLMO = dict(model_type="olmo3", hidden_size=512, num_attention_heads=4, num_hidden_layers=4,
            max_position_embeddings=65536, rope_theta=500000)
GEMMA = dict(model_type="gemma3_text", hidden_size=64, num_attention_heads=4, num_hidden_layers=6, head_dim=32,
             max_position_embeddings=131072)
PHI = dict(model_type="phi3", hidden_size=128, num_attention_heads=4, num_hidden_layers=2,
           max_position_embeddings=131072, rope_theta=10000.0)
SHORT = [1.0 + 0.01 * k for k in range(16)]
LONG = [1.0 + 1.7 * k for k in range(16)]
NEOX = dict(model_type="gpt_neox", hidden_size=256, num_attention_heads=4, num_hidden_layers=2,
            max_position_embeddings=2048)

CASES = [
    dict(name="default, transformers 4", json=dict(LLAMA, rope_theta=10000.0)),
    dict(name="default, transformers 5", json=dict(LLAMA, rope_parameters=dict(rope_type="default", rope_theta=500000.0))),
    dict(name="linear", json=dict(LLAMA, rope_theta=10000.0, rope_scaling=dict(type="linear", factor=3.0))),
    dict(name="llama3, transformers 4", json=dict(LLAMA, rope_theta=500000.0, rope_scaling=LLAMA3)),
    dict(name="llama3, factor 32", json=dict(LLAMA, rope_parameters=dict(LLAMA3, factor=32.0, rope_theta=500000.0))),
    dict(name="yarn", json=dict(LLAMA, rope_theta=1000000.0, rope_scaling=dict(YARN, type="yarn"))),
    dict(name="yarn, other betas, few positions",
         json=dict(LLAMA, head_dim=16, rope_theta=1000000.0,
                   rope_scaling=dict(rope_type="yarn", factor=2.5, original_max_position_embeddings=64, beta_fast=8, beta_slow=2))),
    dict(name="yarn not truncated", json=dict(LLAMA, rope_theta=10000.0, rope_scaling=dict(YARN, truncate=False))),
    dict(name="yarn with mscale", json=dict(LLAMA, rope_theta=10000.0, rope_scaling=dict(YARN, mscale=1.0, mscale_all_dim=0.707))),
    dict(name="yarn with half an mscale", json=dict(LLAMA, rope_theta=10000.0, rope_scaling=dict(YARN, mscale=0.5))),
    dict(name="yarn with an attention factor", json=dict(LLAMA, rope_theta=10000.0, rope_scaling=dict(YARN, attention_factor=0.9))),
    dict(name="yarn with attn_factor", json=dict(LLAMA, rope_theta=10000.0, rope_scaling=dict(YARN, factor=4.0, attn_factor=0.8782488562869419))),
    dict(name="yarn by a factor below 1", json=dict(LLAMA, rope_theta=10000.0, rope_scaling=dict(YARN, factor=0.5))),
    dict(name="Olmo-3, transformers 4", json=dict(OLMO, rope_scaling=dict(YARN, attention_factor=1.2079441541679836, beta_fast=32, beta_slow=1))),
    dict(name="Olmo-3, transformers 5", json=dict(
        {k: v for k, v in OLMO.items() if k != "rope_theta"},
        rope_parameters=dict(full_attention=dict(YARN, rope_theta=500000), sliding_attention=dict(rope_type="default", rope_theta=500000)))),
    dict(name="Gemma 3, transformers 4", json=dict(GEMMA, rope_theta=1000000.0, rope_local_base_freq=10000.0,
                                                  rope_scaling=dict(rope_type="linear", factor=8.0))),
    dict(name="Gemma 3, defaults", json=dict(GEMMA, rope_scaling=dict(rope_type="linear", factor=8.0))),
    dict(name="Gemma 3, transformers 5", json=dict(GEMMA, rope_parameters=dict(
        full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1000000.0),
        sliding_attention=dict(rope_type="default", rope_theta=12345.0)))),
    dict(name="Phi-3, short", json=dict(PHI, max_position_embeddings=4096, original_max_position_embeddings=4096)),
    dict(name="Phi-3, part of a head", json=dict(PHI, partial_rotary_factor=0.75)),
    dict(name="Phi-3, part of a head, transformers 5",
         json=dict({k: v for k, v in PHI.items() if k != "rope_theta"},
                   rope_parameters=dict(rope_type="default", partial_rotary_factor=0.5, rope_theta=20000.0))),
    dict(name="GPT-NeoX, yarn", json=dict(NEOX, rope_parameters=dict(YARN, partial_rotary_factor=0.25, rope_theta=10000.0))),
    dict(name="Phi-3 long", json=dict(PHI, original_max_position_embeddings=4096,
                                      rope_scaling=dict(type="longrope", short_factor=SHORT, long_factor=LONG))),
    dict(name="Phi-4-mini", json=dict(PHI, original_max_position_embeddings=4096, partial_rotary_factor=0.75,
                                      rope_scaling=dict(type="longrope", short_factor=SHORT[:12], long_factor=LONG[:12]))),
    dict(name="longrope with factors", json=dict(LLAMA, head_dim=32, rope_parameters=dict(
        rope_type="longrope", rope_theta=10000.0, factor=16.0, attention_factor=1.3, original_max_position_embeddings=2048,
        short_factor=SHORT, long_factor=LONG))),
    dict(name="GPT-NeoX", json=dict(NEOX, rotary_pct=0.5, rotary_emb_base=12000)),
    dict(name="GPT-NeoX, defaults", json=NEOX),
    dict(name="SmolLM3", json=dict(model_type="smollm3", hidden_size=64, num_attention_heads=4, num_hidden_layers=4,
                                   max_position_embeddings=65536, rope_theta=5000000.0)),
]

CLASSES = dict(llama="Llama", olmo3="Olmo3", gemma3_text="Gemma3", phi3="Phi3", gpt_neox="GPTNeoX", smollm3="SmolLM3")
FOLDERS = dict(gemma3_text="gemma3")


def frequencies(values):
    return [float(f"{value:.9g}") for value in values.tolist()]


def rotation(config, layer_type, rotary):
    prefix = f"{layer_type}_" if layer_type else ""
    parameters = config.rope_parameters[layer_type] if layer_type else config.rope_parameters
    row = dict(frequencies=frequencies(getattr(rotary, f"{prefix}inv_freq")),
               attentionFactor=getattr(rotary, f"{prefix}attention_scaling"))
    if parameters["rope_type"] == "longrope":
        beyond = parameters["original_max_position_embeddings"]
        long, _ = ROPE_INIT_FUNCTIONS["longrope"](config, None, seq_len=beyond + 1, layer_type=layer_type)
        row["long"] = dict(beyond=beyond, frequencies=frequencies(long))
    return row


rows = []
for case in CASES:
    given = copy.deepcopy(case["json"])
    kind = given.pop("model_type")
    config = AutoConfig.for_model(kind, **given)
    module = importlib.import_module(f"transformers.models.{FOLDERS.get(kind, kind)}.modeling_{FOLDERS.get(kind, kind)}")
    rotary = getattr(module, f"{CLASSES[kind]}RotaryEmbedding")(config)
    types = ["full_attention", "sliding_attention"] if kind in ("olmo3", "gemma3_text") else [None]
    rows.append(dict(case, rotations={name or "all": rotation(config, name, rotary) for name in types}))
print("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]")
