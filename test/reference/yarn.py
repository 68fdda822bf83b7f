"""Frequencies of rotary embeddings by transformers, for gpu/kernels/rotate.test.ts:

    python3 test/reference/yarn.py > test/data/yarn.json      (torch, transformers 5.18)
"""

import json

from transformers import Olmo3Config
from transformers.models.olmo3.modeling_olmo3 import Olmo3RotaryEmbedding

CASES = [
    dict(head=128, theta=500000.0, yarn=dict(factor=8.0, original_max_position_embeddings=8192, beta_fast=32, beta_slow=1,
                                            attention_factor=1.2079441541679836)),
    dict(head=64, theta=10000.0, yarn=dict(factor=4.0, original_max_position_embeddings=2048)),
    dict(head=16, theta=1000000.0, yarn=dict(factor=2.5, original_max_position_embeddings=64, beta_fast=8, beta_slow=2)),
]

rows = []
for case in CASES:
    config = Olmo3Config(
        hidden_size=4 * case["head"], num_attention_heads=4, num_hidden_layers=4, max_position_embeddings=65536,
        rope_parameters={
            "full_attention": dict(rope_type="yarn", rope_theta=case["theta"], **case["yarn"]),
            "sliding_attention": dict(rope_type="default", rope_theta=case["theta"]),
        })
    rotary = Olmo3RotaryEmbedding(config)
    rows.append(dict(case, full=rotary.full_attention_inv_freq.tolist(), plain=rotary.sliding_attention_inv_freq.tolist(),
                     attention_factor=rotary.full_attention_attention_scaling))
print(json.dumps(rows))
