"""Writes the held-out items: benchmarks/demo-ifeval.jsonl (IFEval rows) and benchmarks/demo-math.jsonl (MATH rows).

    python make_benchmarks.py
"""

import ifeval_tasks
import math_tasks
from checkers import check
from common import BENCHMARKS, generator, write_jsonl
from ifeval_tasks import is_held_out

ITEMS = {"demo-ifeval": 800, "demo-math": 500}


def unique_items(family, name):
    rng, seen, rows = generator(f"held-out/{name}"), set(), []
    while len(rows) < ITEMS[name]:
        row, answer = family.make_item(rng, True)
        identity = row.get("signature") or row["prompt"]
        if identity in seen:
            continue
        assert check(row, answer), row
        assert is_held_out(row.get("topic") or row["signature"]), row  # training draws only from the other side of this hash
        seen.add(identity)
        rows.append({**row, "reference": answer})
    return rows


def main():
    ifeval = [{"key": i, "prompt": r["prompt"], "instruction_id_list": r["instruction_id_list"], "kwargs": r["kwargs"],
               "instruction_phrases": r["instruction_phrases"], "reference": r["reference"], "split": "held-out"}
              for i, r in enumerate(unique_items(ifeval_tasks, "demo-ifeval"), 1)]
    math = [{"unique_id": f"demo-math/{i:04d}", "problem": r["problem"], "solution": r["solution"], "answer": r["answer"],
             "level": r["level"], "subject": r["subject"], "instruction_phrases": r["instruction_phrases"], "split": "held-out"}
            for i, r in enumerate(unique_items(math_tasks, "demo-math"), 1)]
    for row in ifeval + math:
        assert all(p in (row.get("prompt") or row["problem"]) for p in row["instruction_phrases"]), row
    write_jsonl(BENCHMARKS["demo-ifeval"], ifeval)
    write_jsonl(BENCHMARKS["demo-math"], math)
    print(f"{len(ifeval)} + {len(math)} held-out items")


if __name__ == "__main__":
    main()
