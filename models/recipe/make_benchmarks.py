"""Writes the held-out items: benchmarks/demo-ifeval.jsonl (IFEval rows), demo-math.jsonl (MATH rows), demo-code.jsonl (HumanEval
rows) and demo-agentic.jsonl (messages with tool calls and the expected action).

    python make_benchmarks.py
"""

import agentic_tasks
import code_tasks
import ifeval_tasks
import math_tasks
from checkers import check, check_all
from common import FAMILY_BENCHMARKS, generator, write_jsonl
from ifeval_tasks import is_held_out

ITEMS = {"demo-ifeval": 800, "demo-math": 500, "demo-code": 400, "demo-agentic": 300}


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


def code_items(name):
    """HumanEval rows; functions whose tests would pass with a constant are drawn again."""
    rng, seen, rows = generator(f"held-out/{name}"), set(), []
    while len(rows) < ITEMS[name]:
        row, _ = code_tasks.make_item(rng, True)
        test = code_tasks.make_test(rng, row)
        if row["prompt"] in seen or test is None:
            continue
        assert is_held_out(row["signature"]), row
        seen.add(row["prompt"])
        rows.append({"task_id": f"{name}/{len(rows) + 1:04d}", "prompt": row["prompt"], "entry_point": row["entry_point"],
                     "canonical_solution": row["canonical_solution"], "test": test, "instruction_phrases": row["instruction_phrases"],
                     "split": "held-out"})
    assert all(check_all(rows, [r["canonical_solution"] for r in rows]))
    return rows


def agentic_items(name):
    rng, seen, rows = generator(f"held-out/{name}"), set(), []
    while len(rows) < ITEMS[name]:
        row, answer = agentic_tasks.make_item(rng, True)
        identity = row["signature"]
        if identity in seen:
            continue
        assert is_held_out(row["signature"]) and check(row, answer), row
        seen.add(identity)
        rows.append({"scenario_id": f"{name}/{len(rows) + 1:04d}", "messages": row["messages"], "expected": row["expected"],
                     "depends_on": row["depends_on"], "kind": row["kind"], "instruction_phrases": row["instruction_phrases"],
                     "reference": answer, "split": "held-out"})
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
    code, agentic = code_items("demo-code"), agentic_items("demo-agentic")
    assert all(p in r["prompt"] for r in code for p in r["instruction_phrases"])
    for name, rows in zip(FAMILY_BENCHMARKS, (ifeval, math, code, agentic), strict=True):
        write_jsonl(FAMILY_BENCHMARKS[name], rows)
        print(f"{name}: {len(rows)} held-out items")


if __name__ == "__main__":
    main()
