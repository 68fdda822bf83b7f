"""Steps of traces by automatic differentiation through transformers' modules:

    python3 test/reference/traces.py demo > test/data/traces.json        demo-1m, the rules of rules.py, in the gate
    python3 test/reference/traces.py check                               demo-1m, LXT's own rules against those of rules.py
    python3 test/reference/traces.py real MODEL gsm8k.jsonl 20 test/data/real/traces.jsonl
                                            a Llama or Qwen3, LXT's own AttnLRP rules, for test/real_model.test.ts

Needs torch, transformers (5.24) and, but for `demo`, lxt (2.1). `real` appends a line for each question to the file and
goes on behind those that are there.

A step is a line of a greedy answer: each of its tokens against the largest other logit at its place, summed. What is
kept of a step's relevance are sums, signed and absolute, over the prompt, each earlier step, and its own tokens.
"""

import json
import os
import sys
import types

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from rules import RULES, Rule, load

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
DEMO = os.path.join(ROOT, "models", "demo-1m")
NEW_TOKENS = 140


def load_lxt(folder):
    """A model in float32 with LXT's own rules of AttnLRP, for good."""
    # LXT 2.1 imports names for BERT that transformers 5 dropped; BERT is not used here.
    bert = types.ModuleType("lxt.efficient.models.bert")
    bert.modeling_bert, bert.attnLRP = bert, {}
    sys.modules[bert.__name__] = bert
    import lxt.efficient.models.llama as llama
    import lxt.efficient.models.qwen3 as qwen3
    from lxt.efficient import monkey_patch
    from lxt.efficient.patches import wrap_attention_forward

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
    modeling = sys.modules[type(model).__module__]
    rules = {llama.modeling_llama: llama.attnLRP, qwen3.modeling_qwen3: qwen3.attnLRP}[modeling]
    monkey_patch(modeling, {key: patch for key, patch in rules.items() if key is not modeling})
    # LXT 2.1 replaces the table of attention functions by a plain dict, which transformers 5 does not take.
    functions = modeling.ALL_ATTENTION_FUNCTIONS
    functions["sdpa"] = wrap_attention_forward(functions["sdpa"])
    return model.requires_grad_(False)


def rounded(value):
    return float(f"{float(value):.7g}")


def margin(logits, ids, position):
    """The token at `position` against the largest other logit there."""
    others = logits[position - 1].clone()
    others[ids[position]] = -torch.inf
    return logits[position - 1, ids[position]] - others.max()


def trace(model, ids, starts, special):
    """Rows of sums over columns: the prompt, the steps before, the step itself. One forward pass for all of them."""
    borders = [0, *starts, len(ids)]
    embeddings = model.get_input_embeddings()(torch.tensor([ids])).detach().requires_grad_()
    logits = model(inputs_embeds=embeddings, use_cache=False).logits[0]
    rows = []
    for step in range(1, len(borders) - 1):
        value = sum(margin(logits, ids, at) for at in range(borders[step], borders[step + 1]) if not special[at])
        (gradient,) = torch.autograd.grad(value, embeddings, retain_graph=True)
        relevance = (embeddings * gradient).sum(-1)[0].detach()
        parts = [relevance[borders[column]:borders[column + 1]] for column in range(step + 1)]
        rows.append({
            "value": rounded(value.detach()),
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


def demo_answer():
    tokenizer = AutoTokenizer.from_pretrained(DEMO)
    prompt = tokenizer.apply_chat_template([{"role": "user", "content": "What is 2 + 2? Be brief."}], tokenize=False,
                                           add_generation_prompt=True, enable_thinking=False)
    first = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    ids = first + tokenizer("First 2 and 2.\nThen 2 + 2 = 4\nSo it is 5", add_special_tokens=False)["input_ids"]
    return ids, line_starts(tokenizer, ids, len(first)), control(tokenizer, ids)


def demo():
    model = load(DEMO)
    ids, starts, special = demo_answer()
    before = "["
    for Rule.name in RULES:
        one = {"rule": Rule.name, "inputIds": ids, "starts": starts, "rows": trace(model, ids, starts, special)}
        print(before + json.dumps(one), end="", flush=True)
        before = ",\n"
    print("]")


def check():
    """Ours first: LXT changes classes, ours the modules of one model. Exit code 1 when they differ."""
    ids, starts, special = demo_answer()
    Rule.name = "attnlrp"
    ours = trace(load(DEMO), ids, starts, special)
    worst = 0
    for a, b in zip(ours, trace(load_lxt(DEMO), ids, starts, special), strict=True):
        scale = sum(a["absolute"])
        pairs = [(a["value"], b["value"]), *zip(a["signed"] + a["absolute"], b["signed"] + b["absolute"], strict=True)]
        worst = max(worst, *(abs(x - y) / scale for x, y in pairs))
    print(f"{len(ours)} steps, worst sum differs by {worst:.1e} of its row's relevance")
    sys.exit(0 if worst < 1e-5 else 1)


def real(folder, questions, count, out):
    lines = open(questions).read().splitlines()[:int(count)]
    done = len(open(out).read().splitlines()) if os.path.exists(out) else 0
    model, tokenizer = load_lxt(folder), AutoTokenizer.from_pretrained(folder)
    for at, line in enumerate(lines[done:], done + 1):
        messages = [{"role": "user", "content": json.loads(line)["question"]}]
        first = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
        with torch.no_grad():
            whole = model.generate(torch.tensor([first]), max_new_tokens=NEW_TOKENS, do_sample=False)[0].tolist()
        ids = whole[:-1] if whole[-1] == tokenizer.eos_token_id else whole
        starts = line_starts(tokenizer, ids, len(first))
        rows = trace(model, ids, starts, control(tokenizer, ids))
        with open(out, "a") as file:
            file.write(json.dumps({"rule": "attnlrp", "inputIds": ids, "starts": starts, "rows": rows}) + "\n")
        print(f"{at}/{len(lines)}: {len(ids)} tokens, {len(starts)} steps", file=sys.stderr, flush=True)


{"demo": demo, "check": check, "real": real}[sys.argv[1]](*sys.argv[2:])
