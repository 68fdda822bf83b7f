"""Objectives beside the token pair by autograd through transformers' modules, for server/attributions/objective.test.ts:

    python3 test/reference/objectives.py > test/data/objectives.json      (torch, transformers 5.24)

Each objective is written as a function of logits here (docs/method.md section 1) and differentiated under the rules of
rules.py; a sequence's two sides are two runs, whose relevance is added where they have the same tokens.
"""

import json
import os

import torch

from rules import RULES, Rule, explain, load

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
MODELS = {"demo-1m": os.path.join(ROOT, "models", "demo-1m")}
for name in ("gemma2-a", "qwen2-a"):
    MODELS[name] = os.path.join(ROOT, "test", "data", "golden", name)


def case_of(name, folder):
    golden = json.load(open(os.path.join(folder, "golden.json")))
    if "cases" in golden:
        case = golden["cases"][0]
        return case["inputIds"], case["target"], case["contrast"]
    return golden["input_ids"], golden["target"], golden["contrast"]


def rival(logits, token):
    """The largest logit of another token."""
    others = logits.clone()
    others[token] = -torch.inf
    return others.max()


def sequence(model, ids, own, other):
    """Both sides' relevance, and the value: sums over what both have and what is theirs."""
    parting = next(at for at, (a, b) in enumerate(zip(own, other)) if a != b)
    start = len(ids) - 1

    def margins(logits, tokens):
        return sum(logits[start + at, tokens[at]] - rival(logits[start + at], tokens[at])
                   for at in range(parting + 1, len(tokens)))

    def first(logits):
        values.append(logits[start + parting, own[parting]] - logits[start + parting, other[parting]] + margins(logits, own))
        return values[-1]

    def second(logits):
        values.append(-margins(logits, other))
        return values[-1]

    values = []
    one = explain(model, ids + own[:-1], first)[0]
    two = explain(model, ids + other[:-1], second)[0]
    shared = len(ids) + parting
    return {
        "value": sum(value.item() for value in values),
        "relevance": one[:, :shared] + two[:, :shared],
        "target": one[:, shared:],
        "contrast": two[:, shared:],
    }


def digits(values):
    return [[float(f"{value:.7g}") for value in row] for row in values.tolist()]


found = []
for name, folder in MODELS.items():
    model = load(folder)
    ids, target, contrast = case_of(name, folder)
    vocabulary = model.config.vocab_size
    other = (target + 7) % vocabulary
    sides = [target, other, 3, 11], [target, contrast, 5]
    for Rule.name in RULES:
        def single(objective):
            value = []

            def keep(logits):
                value.append(objective(logits[-1]))
                return value[-1]

            relevance = explain(model, ids, keep)[0]
            return {"value": value[0].item(), "relevance": relevance}

        def top(logits, count=4):
            others = logits.clone()
            others[target] = -torch.inf
            return logits[target] - others.topk(count).values.mean()

        for objective, result in (
            ({"kind": "logit", "target": target}, single(lambda logits: logits[target])),
            ({"kind": "mean", "target": target}, single(lambda logits: logits[target] - logits.mean())),
            ({"kind": "top", "target": target, "count": 4}, single(top)),
            ({"kind": "sequence", "target": sides[0], "contrast": sides[1]}, sequence(model, ids, *sides)),
        ):
            relevance = {part: digits(result[part]) for part in ("relevance", "target", "contrast") if part in result}
            found.append({"model": name, "inputIds": ids, "rule": Rule.name, "objective": objective,
                          "value": round(result["value"], 6), **relevance})
print(json.dumps(found))
