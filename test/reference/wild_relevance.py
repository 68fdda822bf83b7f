"""Relevance of stored cases of `npm run wild` by transformers with the rules of rules.py (which real_shapes.py --check compares
with LXT's values), against the stored one.

    python3 test/reference/wild_relevance.py FOLDER docs/in-the-wild OUT.jsonl      (torch, transformers 5.24)

FOLDER holds the model in float32. Of the stored results (results.jsonl.gz) the first 20 failures in an order drawn by
Python's seed 20 (controls where there are fewer); prints how far each stored relevance is off, as a share of the largest.
"""

import gzip
import json
import random
import sys
from pathlib import Path

import torch

from rules import Rule, attribute, load

CASES = 20
folder, stored, out = sys.argv[1:4]
Rule.name = "attnlrp"
model = load(folder)

with gzip.open(Path(stored, "results.jsonl.gz"), "rt") as file:
    results = [json.loads(line) for line in file]
results.sort(key=lambda row: row["key"])
random.Random(20).shuffle(results)
results.sort(key=lambda row: row["control"])
rows, worst = [], 0
for row in results[:CASES]:
    nodes, logits, _, _ = attribute(model, row["inputIds"], row["target"], row["contrast"])
    relevance, delta = nodes[0].detach(), (logits[row["target"]] - logits[row["contrast"]]).detach()
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
Path(out).write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows))
