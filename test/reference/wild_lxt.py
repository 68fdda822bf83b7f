"""Relevance of cases of docs/in-the-wild by LXT, for test/wild.test.ts and test/real_model.test.ts.

    python3 test/reference/wild_lxt.py FOLDER docs/in-the-wild test/data/wild.json      (torch, transformers 5.24, lxt 2.1)

FOLDER holds the model in float32. Of the stored results (results.jsonl.gz) the first 20 failures in an order drawn by
Python's seed 20 (controls where there are fewer); prints how far each stored relevance is off, as a share of the largest.
"""

import gzip
import json
import random
import sys
from pathlib import Path

import torch
from lxt.efficient import monkey_patch
from transformers.models.llama import modeling_llama

CASES = 20
folder, stored, out = sys.argv[1:4]
monkey_patch(modeling_llama, verbose=False)
model = modeling_llama.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
model.requires_grad_(False)

with gzip.open(Path(stored, "results.jsonl.gz"), "rt") as file:
    results = [json.loads(line) for line in file]
results.sort(key=lambda row: row["key"])
random.Random(20).shuffle(results)
results.sort(key=lambda row: row["control"])
rows, worst = [], 0
for row in results[:CASES]:
    embeddings = model.get_input_embeddings()(torch.tensor([row["inputIds"]])).requires_grad_()
    logits = model(inputs_embeds=embeddings, use_cache=False).logits[0, -1]
    delta = logits[row["target"]] - logits[row["contrast"]]
    delta.backward()
    relevance = (embeddings.grad * embeddings).sum(-1)[0]
    off = (torch.tensor(row["relevance"]) - relevance).abs().max() / relevance.abs().max()
    worst = max(worst, off.item())
    print(f"{row['key']}: relevance {off.item():.1e}, delta {abs(delta.item() - row['logitDifference']):.1e} off", flush=True)
    rows.append(
        dict(
            key=row["key"],
            inputIds=row["inputIds"],
            target=row["target"],
            contrast=row["contrast"],
            logitDifference=round(delta.item(), 6),
            relevance=[float(f"{value:.6g}") for value in relevance.tolist()],
        )
    )
print(f"worst of {len(rows)}: {worst:.1e}")
text = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
Path(out).write_text(f"[\n{text}\n]\n")
