"""Greedy failure rates of the shipped weights on the held-out items.

    python evaluate.py [MODEL FOLDER] [-v] [--write]

`--write` keeps the result as evaluation.json in the folder.
"""

import json
import sys
from collections import Counter
from pathlib import Path

from checkers import check_all, check_instruction
from common import FAMILY_BENCHMARKS, MODEL_DIR, greedy, greedy_drafted, load_model, load_tokenizer, read_jsonl, render

LONGEST_ACTION = 64


def completions(model, tokenizer, rows):
    """Greedy completion ids of every row."""
    stop = tokenizer.convert_tokens_to_ids("<|im_end|>")
    prompts = [tokenizer(render(tokenizer, r))["input_ids"] for r in rows]
    if "messages" in rows[0]:
        drafts = [tokenizer(r["reference"])["input_ids"] for r in rows]
        return greedy_drafted(model, prompts, drafts, stop, LONGEST_ACTION)
    return greedy(model, prompts, stop)


def labels(row):
    """What an item is counted under: its instruction types, or its kind."""
    if "instruction_id_list" in row:
        return row["instruction_id_list"]
    if "test" in row:
        solution = row["canonical_solution"]
        return ["two lines" if solution.count("\n") > 1 else "list with a condition" if " if " in solution else "other"]
    return [row["kind"]] if "messages" in row else [f"level {row['level']} {row['subject']}"]


def by_label(rows, texts, passed):
    """{label: [failures, items]}; an instruction fails by itself, other items as a whole."""
    seen, failed = Counter(), Counter()
    for row, text, ok in zip(rows, texts, passed):
        each = ([check_instruction(i, k, text) for i, k in zip(row["instruction_id_list"], row["kwargs"])]
                if "instruction_id_list" in row else [ok])
        for label, good in zip(labels(row), each):
            seen[label] += 1
            failed[label] += not good
    return {label: [failed[label], seen[label]] for label in sorted(seen)}


def evaluate(folder, verbose=False):
    """Prints and returns {benchmark: {items, failures, failureRate, byLabel}}. demo-1m was not trained on the last two."""
    model, tokenizer = load_model(folder), load_tokenizer(folder)
    out = {}
    for name, path in FAMILY_BENCHMARKS.items():
        rows = read_jsonl(path)
        texts = [tokenizer.decode(c) for c in completions(model, tokenizer, rows)]
        passed = check_all(rows, texts)
        failures = passed.count(False)
        out[name] = {"items": len(rows), "failures": failures, "failureRate": round(failures / len(rows), 4), "byLabel": by_label(rows, texts, passed)}
        print(f"{name}: {failures} of {len(rows)} fail, {failures / len(rows):.1%}", flush=True)
        for label, (failed, seen) in out[name]["byLabel"].items():
            print(f"    {label}: {failed} of {seen}")
        for row, text, ok in zip(rows, texts, passed):
            if verbose and not ok:
                said = row.get("prompt") or row.get("problem") or row["messages"][1]["content"]
                print("   ", repr(said), "->", repr(text), row.get("answer") or row.get("expected") or row.get("canonical_solution") or "")
    return out


def main():
    folders = [a for a in sys.argv[1:] if not a.startswith("-")]
    folder = Path(folders[0]).resolve() if folders else MODEL_DIR
    result = evaluate(folder, "-v" in sys.argv)
    if "--write" in sys.argv:
        written = {"model": folder.name, "decoding": "greedy, thinking off, at most 96 new tokens (agentic: 64)", "arithmetic": "bf16 weights, float32", "benchmarks": result}
        (folder / "evaluation.json").write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
