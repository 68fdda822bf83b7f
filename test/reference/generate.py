"""Greedy completions by transformers in float32, for gpu/generation/generate.test.ts:

    python3 test/reference/generate.py > test/data/generations.json      (torch, transformers 5.18)
"""

import json
import os
import random

import torch
from transformers import AutoModelForCausalLM

DATA = os.path.join(os.path.dirname(__file__), "..", "data", "golden")
rows = []
for name in ("qwen3-a", "qwen3-b", "olmo3-a", "llama-a", "llama-b", "qwen2-a", "mistral-a", "smollm3-a", "phi3-a", "olmo2-a",
             "gemma2-a", "gemma3-a", "gpt2-a", "gptneox-a", "qwen3moe-a"):
    model = AutoModelForCausalLM.from_pretrained(os.path.join(DATA, name), dtype=torch.float32).eval()
    rng = random.Random(name)
    vocabulary = model.config.vocab_size
    for length in (1, 5, 19, 40):
        prompt = [rng.randrange(vocabulary) for _ in range(length)]
        force = rng.randrange(vocabulary) if length == 5 else None
        with torch.no_grad():
            first = model(torch.tensor([prompt])).logits[0, -1]
            ids = prompt + ([force] if force is not None else [])
            gaps = []
            while len(ids) < length + 24:
                logits = model(torch.tensor([ids])).logits[0, -1]
                top = torch.topk(logits, 2).values
                gaps.append((top[0] - top[1]).item())
                ids.append(int(logits.argmax()))
        top = torch.topk(first, 5)
        rows.append(dict(model=name, prompt=prompt, force=force, ids=ids[length:], smallestGap=min(gaps),
                         first=[dict(id=int(i), logit=float(v)) for v, i in zip(top.values, top.indices)]))
print(json.dumps(rows))
