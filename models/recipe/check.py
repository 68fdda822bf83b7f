"""Verifies the committed artefacts again, and prints what it found. Exits 1 when something does not hold.

    python check.py [--quick]
"""

import json
import random
import sys

import torch

import ifeval_tasks
import math_tasks
from checkers import check
from common import BENCHMARKS, MODEL_DIR, generator, greedy, load_model, load_tokenizer, read_jsonl, render, user_text
from evaluate import completions

PROBLEMS = []


def expect(holds, what):
    print(("ok      " if holds else "FAILED  ") + what, flush=True)
    if not holds:
        PROBLEMS.append(what)


def check_tokenizer(tokenizer):
    raw = json.loads((MODEL_DIR / "tokenizer.json").read_text(encoding="utf-8"))
    expect(len(tokenizer) == 2048 and sum(len(t) == 1 for t in raw["model"]["vocab"]) == 256, "tokenizer: 2048 ids, all 256 bytes")
    rng, bad = random.Random(7), 0
    for _ in range(2000):
        text = "".join(chr(rng.choice([rng.randint(0, 127), rng.randint(0, 0x2FFF), rng.randint(0x1F300, 0x1F6FF)])) for _ in range(rng.randint(0, 60)))
        bad += tokenizer.backend_tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=False) != tokenizer.backend_tokenizer.normalizer.normalize_str(text)
    expect(bad == 0, "tokenizer: 2000 random texts come back exactly (NFC)")
    expect(len(raw["added_tokens"]) == 26 and sum(t["special"] for t in raw["added_tokens"]) == 14, "tokenizer: 26 added tokens, 14 special")


def check_split(rows_by_name):
    seen = {"demo-ifeval": {r["prompt"] for r in rows_by_name["demo-ifeval"]}, "demo-math": {r["problem"] for r in rows_by_name["demo-math"]}}
    overlap, drawn = 0, 0
    for step in range(0, 2600, 26):
        rng = generator(f"train/{step}")
        for _ in range(64):
            family, name = ((ifeval_tasks, "demo-ifeval") if rng.random() < 0.6 else (math_tasks, "demo-math"))
            row, _ = family.make_item(rng, False, step >= 2000)
            overlap += user_text(row) in seen[name]
            drawn += 1
    expect(overlap == 0, f"split: none of {drawn} drawn training prompts is a held-out prompt")


def check_failures(model, tokenizer, rows_by_name, summary):
    for name, rows in rows_by_name.items():
        expect(len({user_text(r) for r in rows}) == len(rows) and all(r["split"] == "held-out" for r in rows), f"{name}: {len(rows)} different held-out items")
        failures = sum(not check(r, tokenizer.decode(c)) for r, c in zip(rows, completions(model, tokenizer, rows)))
        said = summary["families"][name]
        expect(failures == said["failures"], f"{name}: {failures} failures, {failures / len(rows):.1%} (written down: {said['failures']})")
        expect(0.10 <= failures / len(rows) <= 0.60, f"{name}: failure rate within 10 to 60 %")
        expect(said["failures"] == said["clean"] + sum(said["excluded"].values()), f"{name}: {said['clean']} clean + excluded = failures")


def check_cases(model, tokenizer, rows_by_name, summary, file, count, sample):
    print(f"-- {file}")
    cases = read_jsonl(MODEL_DIR / file)
    for name, said in summary["families"].items():
        expect(sum(c["benchmark"] == name for c in cases) == said[count], f"{name}: {said[count]} rows")
    expect(all(tokenizer(c["prompt"] + c["prefix"])["input_ids"] == c["inputIds"] for c in cases), "cases: inputIds are the tokens of prompt + prefix")
    expect(all(p in c["prompt"] for c in cases for p in c["instructionPhrases"]), "cases: every instruction phrase stands in the prompt")
    expect(all(c["delta"] > 1 and c["delta"] == c["target"]["logit"] - c["contrast"]["logit"] for c in cases), "cases: delta > 1 and as the logits say")
    by_key = {(n, f"{r['key']:04d}" if "key" in r else r["unique_id"].split("/")[1]): r for n, rows in rows_by_name.items() for r in rows}
    stop = tokenizer.convert_tokens_to_ids("<|im_end|>")
    worst, wrong = 0.0, 0
    for case in random.Random(11).sample(cases, min(sample, len(cases))):
        row = by_key[case["benchmark"], case["task"]]
        ids = case["inputIds"]
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1]
        worst = max(worst, *(abs(float(logits[c["id"]]) - c["logit"]) for c in case["candidates"]))
        good = render(tokenizer, row) == case["prompt"] and int(logits.argmax()) == case["target"]["id"]
        best = None
        for c in case["candidates"]:
            kept = ids[case["promptTokens"]:]
            whole = kept if c["id"] == stop else kept + [c["id"]] + greedy(model, [ids + [c["id"]]], stop)[0]
            passed = check(row, tokenizer.decode(whole[:96]))
            good &= passed == c["passed"]
            best = c["rank"] if passed and best is None else best
        good &= best == case["contrast"]["rank"] and not check(row, case["completion"])
        wrong += not good
    expect(wrong == 0 and worst < 1e-3, f"cases: a sample of {min(sample, len(cases))} rolled out again agrees; largest logit difference {worst:.1e}")


def check_golden():
    golden = json.loads((MODEL_DIR / "golden.json").read_text())
    gap = 0.0
    for case in golden["cases"]:
        delta = case["logits"]["target"] - case["logits"]["contrast"]
        gap = max(gap, *(abs(sum(layer) - delta) / max(map(abs, layer)) for layer in case["nodeRelevance"]["cplrp"]))
    expect(gap < 1e-4, f"golden: {len(golden['cases'])} cases; cplrp sums to delta at every layer, largest gap {gap:.1e} of max |R|")


def main():
    tokenizer, model = load_tokenizer(), load_model()
    rows = {name: read_jsonl(path) for name, path in BENCHMARKS.items()}
    summary = json.loads((MODEL_DIR / "mining-summary.json").read_text())
    size = sum(f.stat().st_size for f in MODEL_DIR.iterdir() if f.suffix in (".safetensors", ".json") and f.name not in ("golden.json", "mining-summary.json"))
    expect(size < 8e6, f"model files: {size / 1e6:.2f} MB, {sum(p.numel() for p in model.parameters()):,} parameters")
    check_tokenizer(tokenizer)
    check_split(rows)
    check_failures(model, tokenizer, rows, summary)
    sample = 5 if "--quick" in sys.argv else 25
    check_cases(model, tokenizer, rows, summary, "failure-cases.jsonl", "clean", sample)
    check_cases(model, tokenizer, rows, summary, "failure-cases-divergence.jsonl", "cleanAtDivergence", sample)
    check_golden()
    sys.exit(1 if PROBLEMS else 0)


if __name__ == "__main__":
    main()
