"""Failure cases with token pairs by the strict recovery criterion.

    python mine.py [MODEL FOLDER]

For every held-out item that the greedy completion fails: at each position of the completion, its closing <|im_end|>
included, from the first on, each of the ten best alternatives is forced and continued greedily to the end, and the
checker judges the whole. The contrast is the best-ranked alternative that passes. The case is clean at the earliest
position whose contrast gives delta = logit[target] - logit[contrast] > 1: failure-cases.jsonl.

A model this small has few sensible alternatives at most positions, so the ten best include noise, and noise early in the
answer sometimes changes the outcome by accident. failure-cases-plausible.jsonl therefore lists, by the same criterion, the
earliest position whose contrast has a probability of at least 1 %: fewer cases, with contrasts that mean something.
"""

import json
import math
import sys
from pathlib import Path

import torch

from checkers import check
from common import BENCHMARKS, MODEL_DIR, greedy, load_model, load_tokenizer, messages_of, read_jsonl, render, write_jsonl
from evaluate import completions

ALTERNATIVES = 10
POSITIONS_A_WAVE = 3
MAX_NEW = 96
PLAUSIBLE = 0.01


@torch.no_grad()
def position_logits(model, prompt_ids, completion_ids):
    """Logits [len(completion) + 1, vocabulary] that chose each completion token and what follows the last."""
    ids = torch.tensor([prompt_ids + completion_ids])
    return model(ids, use_cache=False).logits[0, len(prompt_ids) - 1:]


def try_position(case, position, stop):
    """Lists the sequences to roll out at one position: [(rank, token id, logit, forced ids or None when it stops)]."""
    logits = case["logits"][position]
    values, tokens = logits.topk(ALTERNATIVES + 1)
    floor = float(logits.logsumexp(-1)) + math.log(PLAUSIBLE)
    prefix = case["completion"][:position]
    rows = []
    for rank, (token, value) in enumerate(zip(tokens.tolist(), values.tolist())):
        if rank and case["best"] and value < floor:
            continue  # only the plausible file still looks for a pair, and it would not take this one
        rows.append((rank, token, value, None if token == stop else prefix + [token]))
    return rows


def mine(model, tokenizer, name, rows):
    stop = tokenizer.convert_tokens_to_ids("<|im_end|>")
    cases = []
    for row, ids in zip(rows, completions(model, tokenizer, rows)):
        text = tokenizer.decode(ids)
        if not check(row, text):
            prompt = render(tokenizer, row)
            prompt_ids = tokenizer(prompt)["input_ids"]
            cases.append({"row": row, "prompt": prompt, "prompt_ids": prompt_ids, "completion": ids, "text": text,
                          "logits": position_logits(model, prompt_ids, ids), "best": None, "weak": None, "plausible": None})
    longest = max((len(c["completion"]) for c in cases), default=0)
    for start in range(0, longest + 1, POSITIONS_A_WAVE):
        jobs = []
        for case in cases:
            if case["plausible"]:
                continue
            for position in range(start, min(start + POSITIONS_A_WAVE, len(case["completion"]) + 1)):
                if position == len(case["completion"]) and len(case["completion"]) >= MAX_NEW:
                    continue  # cut by the token limit: nothing was chosen here
                for candidate in try_position(case, position, stop):
                    jobs.append((case, position, candidate))
        rolled = {}
        pending = {}
        for case, position, (rank, _, _, forced) in jobs:
            if rank and forced is not None:
                pending[(id(case), position, rank)] = case["prompt_ids"] + forced
        for key, ids in zip(pending, greedy(model, list(pending.values()), stop, MAX_NEW - start, 256)):
            rolled[key] = ids
        tried = {}
        for case, position, (rank, token, value, forced) in jobs:
            prefix = case["completion"][:position]
            if rank == 0:
                whole = case["completion"]
            elif forced is None:
                whole = prefix
            else:
                whole = forced + rolled[(id(case), position, rank)]
            text = tokenizer.decode(whole[:MAX_NEW])
            tried.setdefault((id(case), position), (case, []))[1].append(
                {"rank": rank, "id": token, "text": tokenizer.decode([token]), "logit": value, "completion": text,
                 "passed": check(case["row"], text)})
        for (_, position), (case, candidates) in tried.items():
            passing = [c for c in candidates if c["passed"]]
            if not passing:
                continue
            found = {"position": position, "candidates": candidates, "contrast": passing[0]}
            if candidates[0]["logit"] - passing[0]["logit"] > 1:
                case["best"] = case["best"] or found
                if passing[0]["logit"] - float(case["logits"][position].logsumexp(-1)) >= math.log(PLAUSIBLE):
                    case["plausible"] = case["plausible"] or found
            elif case["weak"] is None and not case["best"]:
                case["weak"] = found
        print(f"{name}: positions from {start}: {len(pending)} rollouts, {sum(1 for c in cases if c['best'])} clean and {sum(1 for c in cases if c['plausible'])} plausible of {len(cases)}", flush=True)
    return cases


def complete(model, tokenizer, case, found):
    """Rolls out the alternatives that the search skipped at a position, so that all ten stand as evidence."""
    stop = tokenizer.convert_tokens_to_ids("<|im_end|>")
    have = {c["rank"]: c for c in found["candidates"]}
    prefix = case["completion"][:found["position"]]
    values, tokens = case["logits"][found["position"]].topk(ALTERNATIVES + 1)
    for rank, (token, value) in enumerate(zip(tokens.tolist(), values.tolist())):
        if rank in have:
            continue
        forced = prefix + [token]
        whole = prefix if token == stop else forced + greedy(model, [case["prompt_ids"] + forced], stop, MAX_NEW)[0]
        text = tokenizer.decode(whole[:MAX_NEW])
        have[rank] = {"rank": rank, "id": token, "text": tokenizer.decode([token]), "logit": value, "completion": text, "passed": check(case["row"], text)}
    return [have[rank] for rank in sorted(have)]


def record(model, tokenizer, name, case, found):
    """The published row of a clean case, or the reason why it cannot be one."""
    position, contrast = found["position"], found["contrast"]
    candidates = complete(model, tokenizer, case, found)
    prefix_ids = case["completion"][:position]
    prefix = tokenizer.decode(prefix_ids)
    input_ids = case["prompt_ids"] + prefix_ids
    if tokenizer(case["prompt"] + prefix)["input_ids"] != input_ids:
        return None, "tokenisation differs"
    stop = tokenizer.convert_tokens_to_ids("<|im_end|>")
    expected = case["completion"][position] if position < len(case["completion"]) else stop
    with torch.no_grad():
        logits = model(torch.tensor([input_ids]), use_cache=False).logits[0, -1]
    target = candidates[0]
    if int(logits.argmax()) != expected or target["id"] != expected:
        return None, "target is not the argmax"
    for c in candidates:
        c["logit"] = float(logits[c["id"]])
    delta = target["logit"] - contrast["logit"]
    if delta <= 1:
        return None, "delta <= 1"
    row = case["row"]
    task = f"{row['key']:04d}" if "key" in row else row["unique_id"].split("/")[1]
    metadata = ({"instructionIds": row["instruction_id_list"]} if "instruction_id_list" in row
                else {"level": row["level"], "answer": row["answer"]})
    pick = lambda c, *more: {k: c[k] for k in ("id", "text", "logit", *more)}
    return {"format": "culprit/1", "key": f"{name}/{task}", "benchmark": name, "task": task, "model": "demo-1m",
            "messages": messages_of(row), "prompt": case["prompt"], "prefix": prefix, "inputIds": input_ids,
            "promptTokens": len(case["prompt_ids"]), "completion": case["text"], "completionIds": case["completion"],
            "target": pick(target), "contrast": pick(contrast, "rank"), "delta": delta,
            "instructionPhrases": row["instruction_phrases"], "candidates": candidates, "metadata": metadata}, None


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else MODEL_DIR
    model, tokenizer = load_model(folder), load_tokenizer()
    records, plausible_records, summary = [], [], {"model": "demo-1m", "criterion": "top-10 alternatives, greedy rollout, delta > 1", "families": {}}
    for name, path in BENCHMARKS.items():
        rows = read_jsonl(path)
        cases = mine(model, tokenizer, name, rows)
        excluded = {"no recovery": 0, "delta <= 1": 0, "tokenisation differs": 0, "target is not the argmax": 0}
        clean = []
        for case in cases:
            if not case["best"]:
                excluded["delta <= 1" if case["weak"] else "no recovery"] += 1
                continue
            row, reason = record(model, tokenizer, name, case, case["best"])
            if reason:
                excluded[reason] += 1
            else:
                clean.append(row)
        records += clean
        plausible = [row for row, _ in (record(model, tokenizer, name, c, c["plausible"]) for c in cases if c["plausible"]) if row]
        plausible_records += plausible
        earlier = sum(1 for c in cases if c["best"] and c["weak"])
        summary["families"][name] = {
            "items": len(rows), "failures": len(cases), "failureRate": round(len(cases) / len(rows), 4), "clean": len(clean),
            "excluded": excluded, "plausible": len(plausible), "cleanWithEarlierPositionBelowDelta": earlier,
            "meanDelta": round(sum(r["delta"] for r in clean) / max(1, len(clean)), 3),
            "meanInputTokens": round(sum(len(r["inputIds"]) for r in clean) / max(1, len(clean)), 1)}
    write_jsonl(folder / "failure-cases.jsonl", records)
    write_jsonl(folder / "failure-cases-plausible.jsonl", plausible_records)
    (folder / "mining-summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(summary, indent=2))


if __name__ == "__main__":
    main()
