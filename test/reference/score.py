"""Last-position logits and greedy completions under interventions, by transformers in float32, for gpu/generation/score.test.ts:

    python3 test/reference/score.py test/data/golden-score      (torch, transformers 5.18)

Replaced tokens go in as `inputs_embeds`; hidden positions and biases as a 4D additive attention mask, one a kind of layer.
"""

import json
import random
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

ROOT = Path(__file__).resolve().parents[2]
MODELS = {
    "demo-1m": ROOT / "models" / "demo-1m",
    **{name: ROOT / "test" / "data" / "golden" / name for name in ("qwen3-a", "qwen3-b", "olmo3-a")},
}
NEW_TOKENS = 8


def masks(config, request, length):
    """Additive masks [1, 1, queries, keys] by kind of layer; a row in which all is hidden belongs to a hidden query."""
    low = torch.finfo(torch.float32).min
    distance = torch.arange(length)[:, None] - torch.arange(length)[None, :]
    bias = torch.zeros(length)
    for entry in request.get("attentionBias", []):
        bias[entry["position"]] = entry["bias"]

    def mask(window):
        hidden = (distance < 0) | (distance >= window)
        hidden[:, request.get("hidden", [])] = True
        return torch.where(hidden, torch.tensor(low), bias.expand(length, length))[None, None]

    full = mask(length + 1)
    if config.model_type != "olmo3":
        return full
    return {"full_attention": full, "sliding_attention": mask(config.sliding_window)}


def embed(model, request, ids):
    table = model.model.embed_tokens.weight
    rows = table[torch.tensor(ids)].clone()
    for entry in request.get("replace", []):
        if "id" in entry:
            row = table[entry["id"]]
        elif "embedding" in entry:
            row = torch.tensor(entry["embedding"])
        elif entry["mean"] == "vocabulary":
            row = table.double().mean(0).float()
        else:
            row = table[torch.tensor(entry["mean"])].double().mean(0).float()
        rows[entry["position"]] = row
    return rows[None]


@torch.no_grad()
def run(model, request, ids):
    mask = masks(model.config, request, len(ids))
    return model(inputs_embeds=embed(model, request, ids), attention_mask=mask, use_cache=False).logits[0, -1]


def requests(model, rng, length):
    vocabulary, hidden = model.config.vocab_size, model.config.hidden_size
    ids = [rng.randrange(vocabulary) for _ in range(length)]
    positions = lambda count: sorted(rng.sample(range(1, length), count))
    few = max(1, length // 4)
    bias = lambda low, high: [
        dict(position=position, bias=round(rng.uniform(low, high), 3)) for position in positions(few)
    ]
    return [
        dict(inputIds=ids),
        dict(inputIds=ids, replace=[dict(position=p, id=rng.randrange(vocabulary)) for p in positions(few)]),
        dict(inputIds=ids, replace=[dict(position=p, mean="vocabulary") for p in positions(few)]),
        dict(inputIds=ids, replace=[
            dict(position=0, mean=[rng.randrange(vocabulary) for _ in range(5)]),
            dict(position=length - 1, embedding=[round(rng.gauss(0, 0.05), 4) for _ in range(hidden)]),
        ]),
        dict(inputIds=ids, hidden=positions(few)),
        dict(inputIds=ids, hidden=[length - 1]),
        dict(inputIds=ids, hidden=[0]),
        dict(inputIds=ids, attentionBias=bias(-8, -1)),
        dict(inputIds=ids, attentionBias=bias(1, 8)),
        dict(inputIds=ids, attentionBias=[dict(position=p, bias=-3.0) for p in range(length)]),
        dict(inputIds=ids, hidden=positions(few), attentionBias=bias(-2, 2),
             replace=[dict(position=p, id=rng.randrange(vocabulary)) for p in positions(few)]),
    ]


def main(out):
    for name, folder in MODELS.items():
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager").eval()
        rng = random.Random(name)
        rows = []
        for length in (7, 37):
            for request in requests(model, rng, length):
                logits = run(model, request, request["inputIds"])
                ids, gaps = list(request["inputIds"]), []
                while len(ids) < length + NEW_TOKENS:
                    top = torch.topk(run(model, request, ids), 2)
                    gaps.append((top.values[0] - top.values[1]).item())
                    ids.append(int(top.indices[0]))
                top = torch.topk(logits, 5)
                asked = rng.sample(range(model.config.vocab_size), 16)
                rows.append(dict(
                    request=request,
                    tokens=[dict(id=i, logit=logits[i].item()) for i in asked],
                    top=[dict(id=int(i), logit=v.item()) for v, i in zip(top.values, top.indices)],
                    logNormaliser=logits.double().logsumexp(0).item(),
                    completion=ids[length:], smallestGap=min(gaps)))
        Path(out).mkdir(parents=True, exist_ok=True)
        Path(out, f"{name}.json").write_text(json.dumps(rows) + "\n")
        base = rows[0]["top"][0]["logit"]
        print(name, len(rows), [round(row["top"][0]["logit"] - base, 3) for row in rows[:11]],
              min(row["smallestGap"] for row in rows))


if __name__ == "__main__":
    main(sys.argv[1])
