"""Steps of traces by autograd through transformers' modules under the rules of rules.py, for test/data/traces.json (demo-1m,
in the gate) and test/data/real/traces.json (SmolLM2-135M-Instruct, test/real_model.test.ts):

    python3 test/reference/traces.py demo > test/data/traces.json                 (torch, transformers 5.24)
    python3 test/reference/traces.py real MODEL gsm8k.jsonl 20 > test/data/real/traces.json

A step is a line of a greedy answer: each of its tokens against the largest other logit at its place, summed. What is
kept of a step's relevance are sums, signed and absolute, over the prompt, each earlier step, and its own tokens.
"""

import json
import os
import sys

import torch
from transformers import AutoTokenizer

from rules import RULES, Rule, explain, load

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")


def rounded(value):
    return float(f"{float(value):.7g}")


def margin(logits, ids, position):
    """The token at `position` against the largest other logit there."""
    others = logits[position - 1].clone()
    others[ids[position]] = -torch.inf
    return logits[position - 1, ids[position]] - others.max()


def trace(model, ids, starts, special):
    """Rows of sums over columns: the prompt, the steps before, the step itself."""
    borders = [0, *starts, len(ids)]
    rows = []
    for step in range(1, len(borders) - 1):
        values = []

        def objective(logits):
            values.append(sum(margin(logits, ids, at) for at in range(borders[step], borders[step + 1])
                              if not special[at]))
            return values[-1]

        relevance = explain(model, ids, objective)[0][0]
        parts = [relevance[borders[column]:borders[column + 1]] for column in range(step + 1)]
        rows.append({
            "value": rounded(values[-1].detach()),
            "signed": [rounded(part.sum()) for part in parts],
            "absolute": [rounded(part.abs().sum()) for part in parts],
        })
    return rows


def line_starts(tokenizer, ids, first):
    """Where lines begin behind `first`: at the token after one that holds a line end."""
    ends = ["\n" in tokenizer.decode([id]) for id in ids]
    return [first] + [at for at in range(first + 1, len(ids)) if ends[at - 1] and not ends[at]]


def control(tokenizer, ids):
    known = set(tokenizer.all_special_ids)
    words = {"<think>", "</think>", "<tool_call>", "</tool_call>"}
    return [at == 0 or id in known or tokenizer.convert_ids_to_tokens(id) in words for at, id in enumerate(ids)]


def demo():
    folder = os.path.join(ROOT, "models", "demo-1m")
    model, tokenizer = load(folder), AutoTokenizer.from_pretrained(folder)
    prompt = tokenizer.apply_chat_template([{"role": "user", "content": "What is 2 + 2? Be brief."}], tokenize=False,
                                           add_generation_prompt=True, enable_thinking=False)
    first = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    ids = first + tokenizer("First 2 and 2.\nThen 2 + 2 = 4\nSo it is 5", add_special_tokens=False)["input_ids"]
    starts = line_starts(tokenizer, ids, len(first))
    for Rule.name in RULES:
        yield {"rule": Rule.name, "inputIds": ids, "starts": starts,
               "rows": trace(model, ids, starts, control(tokenizer, ids))}


def real(folder, questions, count):
    model, tokenizer = load(folder), AutoTokenizer.from_pretrained(folder)
    Rule.name = "attnlrp"
    for line in open(questions).read().splitlines()[:int(count)]:
        messages = [{"role": "user", "content": json.loads(line)["question"]}]
        first = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
        with torch.no_grad():
            whole = model.generate(torch.tensor([first]), max_new_tokens=140, do_sample=False)[0].tolist()
        ids = whole[:-1] if whole[-1] == tokenizer.eos_token_id else whole
        starts = line_starts(tokenizer, ids, len(first))
        yield {"rule": Rule.name, "inputIds": ids, "starts": starts,
               "rows": trace(model, ids, starts, control(tokenizer, ids))}
        print(f"{len(ids)} tokens, {len(starts)} steps", file=sys.stderr)


before = "["
for one in demo() if sys.argv[1] == "demo" else real(*sys.argv[2:]):
    print(before + json.dumps(one), end="", flush=True)
    before = ",\n"
print("]")
