"""Weights of completion tokens for preference training by LXT's relevance and by transformers' probabilities, for
test/preferences.test.ts:

    python3 test/reference/dpo_weights.py > test/data/preferences.json      (torch, transformers 5.18, lxt)

Four failures of the demo model. Chosen: the contrast with its passing rollout, rejected: the target with the rest of the
answer, each with the token that ends it where the model's argmax ends it. Weight of y_t: the attribution of
logit[y_t] - logit[best other token] at its position, one sequence at a time; sum of |R| over Instruction tokens (or over
all of the prompt's) over the sum over all tokens that are not special; or 1 for the completion's first token and a tenth
for the others; or 1 less the largest probability of any token there. Raised to a tenth of the completion's mean, scaled to
mean 1.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models" / "recipe"))

import torch  # noqa: E402
from golden import load, patch, relevance  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402

FOLDER = ROOT / "models" / "demo-1m"
KEYS = 2
COUNTED = {"instruction-share/1": "I", "prompt-share/1": "IQ"}


def letters(tokenizer, special, case):
    """One letter a context token: S special, I in a phrase, Q else in the prompt, A after it."""
    text = case["prompt"] + case["prefix"]
    read = tokenizer(text, return_offsets_mapping=True)
    assert read["input_ids"] == case["inputIds"]
    inside = set()
    for phrase in case["instructionPhrases"]:
        at = case["prompt"].find(phrase)
        while at >= 0:
            inside |= set(range(at, at + len(phrase)))
            at = case["prompt"].find(phrase, at + len(phrase))
    out = []
    for place, (token, (begin, end)) in enumerate(zip(read["input_ids"], read["offset_mapping"], strict=True)):
        if place == 0 or token in special:
            out.append("S")
        elif place >= case["promptTokens"]:
            out.append("A")
        else:
            out.append("I" if inside & set(range(begin, end)) else "Q")
    return "".join(out)


def weigh(model, special, context, completion, marks, end):
    """Ids with the end token, and weights by formula."""
    ids = list(completion)
    with torch.no_grad():
        logits = model(torch.tensor([context + ids])).logits[0, len(context) - 1:]
    if ids[-1] != end and int(logits[-1].argmax()) == end:
        ids.append(end)
    probabilities = logits.double().softmax(-1)[:len(ids)]
    shares = {formula: [] for formula in COUNTED}
    shares["divergence/1"] = [1.0] + [0.1] * (len(ids) - 1)
    shares["uncertainty/1"] = (1 - probabilities.max(-1).values).tolist()
    for index, token in enumerate(ids):
        best = next(other for other in logits[index].topk(2).indices.tolist() if other != token)
        own, _ = relevance(model, context + ids[:index], token, best)
        size = own[0].abs()
        mark = marks + "".join("S" if other in special else "A" for other in ids[:index])
        total = sum(float(size[at]) for at, letter in enumerate(mark) if letter != "S")
        for formula, counted in COUNTED.items():
            shares[formula].append(sum(float(size[at]) for at, letter in enumerate(mark) if letter in counted) / total)
    return {"ids": ids, "weights": {formula: scaled(own) for formula, own in shares.items()}}


def scaled(shares):
    mean = sum(shares) / len(shares)
    raised = [max(share, 0.1 * mean) for share in shares]
    return [share * len(raised) / sum(raised) for share in raised]


def main():
    patch("attnlrp")
    model, tokenizer = load(FOLDER), AutoTokenizer.from_pretrained(FOLDER)
    special = set(tokenizer.all_special_ids) | {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    special |= set(tokenizer.convert_tokens_to_ids(["<think>", "</think>"]))
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    lines = [json.loads(line) for line in (FOLDER / "failure-cases-divergence.jsonl").read_text().splitlines()]
    rows = []
    for benchmark in ("demo-ifeval", "demo-math"):
        for case in [line for line in lines if line["benchmark"] == benchmark][:KEYS]:
            context = case["inputIds"]
            marks = letters(tokenizer, special, case)
            rollout = next(c["completion"] for c in case["candidates"] if c["id"] == case["contrast"]["id"])
            chosen = tokenizer(case["prompt"] + rollout)["input_ids"][len(context):]
            rejected = case["completionIds"][len(context) - case["promptTokens"]:]
            rows.append({"key": case["key"], "segments": marks,
                         "chosen": weigh(model, special, context, chosen, marks, end),
                         "rejected": weigh(model, special, context, rejected, marks, end)})
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
