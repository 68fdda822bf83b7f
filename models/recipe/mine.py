"""Failure cases with token pairs by the strict recovery criterion.

    python mine.py [MODEL FOLDER]

For every held-out item that the greedy completion fails: at each position of the completion, its closing <|im_end|>
included, from the first on, each of the ten best alternatives is forced and continued greedily to the end, and the
checker judges the whole. The contrast is the best-ranked alternative that passes. The case is clean at the earliest
position whose contrast gives delta = logit[target] - logit[contrast] > 1: failure-cases.jsonl.

A model this small has few sensible alternatives at most positions, so the ten best include noise, and noise early in the
answer sometimes changes the outcome by accident. failure-cases-divergence.jsonl therefore takes the position where the
greedy completion leaves the recipe's own answer, and keeps the case when the contrast (found as above) is that answer's
token: fewer cases, each with a target and a contrast that mean something.
"""

import json
import sys
from pathlib import Path

import torch

from checkers import check
from common import BENCHMARKS, MODEL_DIR, greedy, load_model, load_tokenizer, messages_of, read_jsonl, render, write_jsonl
from evaluate import completions

ALTERNATIVES = 10
POSITIONS_A_WAVE = 3
MAX_NEW = 96
REASONS = ["no recovery", "delta <= 1", "tokenisation differs", "target is not the argmax"]


@torch.no_grad()
def position_logits(model, prompt_ids, completion_ids):
    """Logits [len(completion) + 1, vocabulary] that chose each completion token and what follows the last."""
    ids = torch.tensor([prompt_ids + completion_ids])
    return model(ids, use_cache=False).logits[0, len(prompt_ids) - 1:]


def failing(model, tokenizer, rows):
    cases = []
    for row, ids in zip(rows, completions(model, tokenizer, rows)):
        text = tokenizer.decode(ids)
        if not check(row, text):
            prompt = render(tokenizer, row)
            prompt_ids = tokenizer(prompt)["input_ids"]
            cases.append({"row": row, "prompt": prompt, "prompt_ids": prompt_ids, "completion": ids, "text": text,
                          "logits": position_logits(model, prompt_ids, ids), "best": None, "weak": None})
    return cases


def try_positions(model, tokenizer, jobs, longest_prefix):
    """Forces the ten best alternatives at every (case, position) of `jobs` and rolls them out together.
    Returns one list of candidates per job, rank 0 (the target) first."""
    stop = tokenizer.convert_tokens_to_ids("<|im_end|>")
    results, pending = [], []
    for case, position in jobs:
        values, tokens = case["logits"][position].topk(ALTERNATIVES + 1)
        prefix, candidates = case["completion"][:position], []
        for rank, (token, value) in enumerate(zip(tokens.tolist(), values.tolist())):
            candidate = {"rank": rank, "id": token, "text": tokenizer.decode([token]), "logit": value}
            if rank == 0:
                candidate["ids"] = case["completion"]
            elif token == stop:
                candidate["ids"] = prefix
            else:
                candidate["ids"] = prefix + [token]
                pending.append((case, candidate))
            candidates.append(candidate)
        results.append(candidates)
    sequences = [case["prompt_ids"] + candidate["ids"] for case, candidate in pending]
    for (_, candidate), more in zip(pending, greedy(model, sequences, stop, MAX_NEW - longest_prefix, 256)):
        candidate["ids"] = (candidate["ids"] + more)[:MAX_NEW]
    for (case, _), candidates in zip(jobs, results):
        for candidate in candidates:
            candidate["completion"] = tokenizer.decode(candidate.pop("ids"))
            candidate["passed"] = check(case["row"], candidate["completion"])
    return results


def search(model, tokenizer, name, cases):
    """Sets `best` (the earliest position with delta > 1) and `weak` (an earlier one without) of every case."""
    longest = max((len(c["completion"]) for c in cases), default=0)
    for start in range(0, longest + 1, POSITIONS_A_WAVE):
        jobs = [(case, position) for case in cases if not case["best"]
                for position in range(start, min(start + POSITIONS_A_WAVE, len(case["completion"]) + 1)) if position < MAX_NEW]
        for (case, position), candidates in zip(jobs, try_positions(model, tokenizer, jobs, start)):
            passing = [c for c in candidates if c["passed"]]
            if case["best"] or not passing:
                continue
            found = {"position": position, "candidates": candidates, "contrast": passing[0]}
            clean = candidates[0]["logit"] - passing[0]["logit"] > 1
            case["best" if clean else "weak"] = case["best" if clean else "weak"] or found
        print(f"{name}: positions from {start}: {len(jobs)} tried, {sum(1 for c in cases if c['best'])} of {len(cases)} clean", flush=True)


def at_divergence(model, tokenizer, cases):
    """(case, found) for the cases whose contrast, where they leave the recipe's own answer, is that answer's token."""
    stop, jobs, wanted = tokenizer.convert_tokens_to_ids("<|im_end|>"), [], []
    for case in cases:
        answer = tokenizer(case["row"].get("reference") or case["row"]["solution"])["input_ids"] + [stop]
        taken = case["completion"] + [stop]
        position = next(i for i, (a, b) in enumerate(zip(taken, answer)) if a != b)
        jobs.append((case, position))
        wanted.append(answer[position])
    for (case, position), token, candidates in zip(jobs, wanted, try_positions(model, tokenizer, jobs, 0)):
        passing = [c for c in candidates if c["passed"]]
        if passing and passing[0]["id"] == token:
            yield case, {"position": position, "candidates": candidates, "contrast": passing[0]}


def record(model, tokenizer, name, case, found):
    """(the published row of a clean case, None) or (None, the reason why it cannot be one)."""
    position, candidates, contrast = found["position"], found["candidates"], found["contrast"]
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


def family(model, tokenizer, name, path):
    """(clean rows, divergence rows, summary) of one benchmark."""
    rows = read_jsonl(path)
    cases = failing(model, tokenizer, rows)
    search(model, tokenizer, name, cases)
    excluded, clean = dict.fromkeys(REASONS, 0), []
    for case in cases:
        row, reason = record(model, tokenizer, name, case, case["best"]) if case["best"] else (None, "delta <= 1" if case["weak"] else "no recovery")
        if row:
            clean.append(row)
        else:
            excluded[reason] += 1
    divergence = [row for row, _ in (record(model, tokenizer, name, c, f) for c, f in at_divergence(model, tokenizer, cases)) if row]
    # A key of its own, so that both files can be imported side by side.
    divergence = [{**row, "key": row["key"] + "@divergence"} for row in divergence]
    places = {r["key"]: len(r["inputIds"]) for r in clean}
    return clean, divergence, {
        "items": len(rows), "failures": len(cases), "failureRate": round(len(cases) / len(rows), 4), "clean": len(clean),
        "excluded": excluded, "cleanAtDivergence": len(divergence),
        "samePositionInBoth": sum(places.get(r["key"].removesuffix("@divergence")) == len(r["inputIds"]) for r in divergence),
        "cleanWithEarlierPositionBelowDelta": sum(1 for c in cases if c["best"] and c["weak"]),
        "meanDelta": round(sum(r["delta"] for r in clean) / max(1, len(clean)), 3),
        "meanDeltaAtDivergence": round(sum(r["delta"] for r in divergence) / max(1, len(divergence)), 3),
        "meanInputTokens": round(sum(len(r["inputIds"]) for r in clean) / max(1, len(clean)), 1)}


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else MODEL_DIR
    model, tokenizer = load_model(folder), load_tokenizer()
    clean, divergence, summary = [], [], {"model": "demo-1m", "criterion": "top-10 alternatives, greedy rollout, delta > 1", "families": {}}
    for name, path in BENCHMARKS.items():
        more_clean, more_divergence, summary["families"][name] = family(model, tokenizer, name, path)
        clean += more_clean
        divergence += more_divergence
    write_jsonl(folder / "failure-cases.jsonl", clean)
    write_jsonl(folder / "failure-cases-divergence.jsonl", divergence)
    (folder / "mining-summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(summary, indent=2))


if __name__ == "__main__":
    main()
