"""Masking curves of the demo model's golden cases, by LXT's relevance (models/demo-1m/golden.json) and transformers in
float32, for test/masking_demo.test.ts:

    python3 test/reference/masking.py > test/data/masking.json      (torch, transformers 5.18, tokenizers)
"""

import json
import math

import torch
from score import ROOT, run
from transformers import AutoModelForCausalLM, AutoTokenizer

FOLDER = ROOT / "models" / "demo-1m"
BUDGET, SHARES = 8, (0.01, 0.05, 0.1, 0.2, 0.5)

model = AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32, attn_implementation="eager").eval()
tokenizer = AutoTokenizer.from_pretrained(FOLDER)
control = set(tokenizer.all_special_ids) | set(tokenizer.convert_tokens_to_ids(["<think>", "</think>"]))
control |= {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
lines = {}
for name in ("failure-cases.jsonl", "failure-cases-divergence.jsonl"):
    for line in (FOLDER / name).read_text().splitlines():
        case = json.loads(line)
        lines[case["key"]] = case
neutral = tokenizer.convert_tokens_to_ids("Ġ")


def predict(ids, masked, replacement, target, contrast):
    request = dict(inputIds=ids)
    if replacement == "remove":
        request = dict(inputIds=[i for at, i in enumerate(ids) if at not in masked])
    elif replacement == "neutral":
        request = dict(inputIds=[neutral if at in masked else i for at, i in enumerate(ids)])
    elif replacement == "mean":
        request["replace"] = [dict(position=at, mean="vocabulary") for at in masked]
    else:
        request["hidden"] = list(masked)
    logits = run(model, request, request["inputIds"]).double()
    return dict(delta=(logits[target] - logits[contrast]).item(), argmax=int(logits.argmax()),
                probability=logits.softmax(0)[target].item())


rows = []
for golden in json.loads((FOLDER / "golden.json").read_text())["cases"]:
    ids, target, contrast = golden["inputIds"], golden["target"], golden["contrast"]
    prompt = lines[golden["key"]]["promptTokens"]
    for scope, end in (("prompt", prompt), ("all", len(ids))):
        relevance = golden["nodeRelevance"]["attnlrp"][0]
        order = sorted((at for at in range(1, end) if ids[at] not in control), key=lambda at: -relevance[at])
        for replacement in ("remove", "neutral", "mean", "attention"):
            if scope == "all" and replacement not in ("remove", "attention"):
                continue
            at = lambda masked: predict(ids, masked, replacement, target, contrast)
            steps = [at(order[:k]) for k in range(BUDGET + 1)]
            counts = [math.ceil(share * len(order)) for share in SHARES]
            lost = lambda values, field: sum(steps[0][field] - value[field] for value in values) / len(SHARES)
            masked = [at(order[:count]) for count in counts]
            kept = [at(order[count:]) for count in counts]
            rows.append(dict(
                key=golden["key"], scope=scope, replacement=replacement, maskable=len(order), order=order[:BUDGET],
                steps=steps,
                comprehensiveness={field: lost(masked, field) for field in ("probability", "delta")},
                sufficiency={field: lost(kept, field) for field in ("probability", "delta")}))
print(json.dumps(dict(neutral=neutral, budget=BUDGET, curves=rows)))
