"""Greedy failure rates of the shipped weights on the held-out items.

    python evaluate.py [MODEL FOLDER] [-v]
"""

import sys
from collections import Counter

from checkers import check, check_instruction
from common import BENCHMARKS, MODEL_DIR, greedy, load_model, load_tokenizer, read_jsonl, render


def completions(model, tokenizer, rows):
    """Greedy completion ids of every row."""
    stop = tokenizer.convert_tokens_to_ids("<|im_end|>")
    return greedy(model, [tokenizer(render(tokenizer, r))["input_ids"] for r in rows], stop)


def main():
    folder = next((a for a in sys.argv[1:] if a != "-v"), MODEL_DIR)
    model, tokenizer = load_model(folder), load_tokenizer()
    for name, path in BENCHMARKS.items():
        rows = read_jsonl(path)
        texts = [tokenizer.decode(c) for c in completions(model, tokenizer, rows)]
        passed = [check(r, t) for r, t in zip(rows, texts)]
        print(f"{name}: {passed.count(False)} of {len(rows)} fail, {passed.count(False) / len(rows):.1%}")
        seen, failed = Counter(), Counter()
        for row, text, ok in zip(rows, texts, passed):
            if "instruction_id_list" in row:
                for i, k in zip(row["instruction_id_list"], row["kwargs"]):
                    seen[i] += 1
                    failed[i] += not check_instruction(i, k, text)
            else:
                label = f"level {row['level']} {row['subject']}"
                seen[label] += 1
                failed[label] += not ok
        for label in sorted(seen):
            print(f"    {label}: {failed[label]} of {seen[label]}")
        if "-v" in sys.argv:
            for row, text, ok in zip(rows, texts, passed):
                if not ok:
                    print("   ", repr(row.get("prompt") or row["problem"]), "->", repr(text), row.get("answer", ""))


if __name__ == "__main__":
    main()
