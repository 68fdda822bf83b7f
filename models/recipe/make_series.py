"""Writes series.json (which members stand in which series, in order) and prints the README's table of failure rates.

    python make_series.py
"""

import hashlib
import json
import struct

from common import FAMILY_BENCHMARKS, MODEL_DIR, MODELS, read_jsonl
from family import SUPERVISED

CHECKPOINTS = list(SUPERVISED["demo-1m-sft"][-1].values())
LAST = CHECKPOINTS[-1]
SCALING = [("demo-0.3m", "0.3M"), (LAST, "1M"), ("demo-4m", "4M")]
TRAINING = ([("demo-1m", "base")] + [(name, f"SFT {step}") for step, name in SUPERVISED["demo-1m-sft"][-1].items()] +
            [("demo-1m-dpo", "DPO"), ("demo-1m-rs", "RS")])


def parameters(model):
    """Elements of all tensors of a member, from the header of its weights."""
    with open(MODELS / model / "model.safetensors", "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    header.pop("__metadata__", None)
    count = 0
    for tensor in header.values():
        begin, end = tensor["data_offsets"]
        count += (end - begin) // 2
    return count


def steps(model):
    """Optimizer steps of a member's own log."""
    return read_jsonl(MODELS / model / "training-log.jsonl")[-1]["step"]


def positions():
    """Steps since demo-1m, along the training series; a stage counts on from the one before."""
    out, before = {}, 0
    for model, _ in TRAINING:
        if not (MODELS / model / "model.safetensors").exists():
            continue
        out[model] = 0 if model == "demo-1m" else steps(model) + (before if model in ("demo-1m-dpo", "demo-1m-rs") else 0)
        before = out[model]
    return out


def main():
    at = positions()
    present = lambda members: [(m, label) for m, label in members if (MODELS / m / "model.safetensors").exists()]
    entry = lambda model, label, position: {"model": model, "label": label, "position": position, "parameters": parameters(model)}
    index = {
        "tokenizerSha256": hashlib.sha256((MODEL_DIR / "tokenizer.json").read_bytes()).hexdigest(),
        "benchmarks": list(FAMILY_BENCHMARKS),
        "series": [
            {"name": "demo-sizes", "kind": "scaling", "members": [entry(m, label, parameters(m)) for m, label in present(SCALING)]},
            {"name": "demo-checkpoints", "kind": "training", "members": [entry(m, label, at[m]) for m, label in present(TRAINING)]}],
        "others": [entry(m, "Olmo-3", parameters(m)) for m in ("demo-olmo3",) if (MODELS / m / "model.safetensors").exists()]}
    (MODELS / "series.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    print("| model | parameters | " + " | ".join(FAMILY_BENCHMARKS) + " |\n|---|---|" + "---|" * len(FAMILY_BENCHMARKS))
    shown = {m: label for m, label in present(TRAINING + SCALING + [("demo-olmo3", "Olmo-3")])}
    for model in shown:
        path = MODELS / model / "evaluation.json"
        rates = json.loads(path.read_text())["benchmarks"] if path.exists() else {}
        cells = [f"{rates[b]['failureRate']:.1%}".replace("%", " %") if b in rates else "-" for b in FAMILY_BENCHMARKS]
        print(f"| `{model}` | {parameters(model):,} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
