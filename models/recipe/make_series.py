"""Writes series.json (which members stand in which series, in order) and prints the README's table of failure rates.

    python make_series.py
"""

import hashlib
import json
import struct

from common import FAMILY_BENCHMARKS, MODEL_DIR, MODELS, read_jsonl
from family import SUPERVISED

# member -> steps with items since the drill
CHECKPOINTS = {name: offset + step for _, _, offset, _, _, exports in (SUPERVISED[s] for s in ("demo-1m-sft", "demo-1m-more"))
               for step, name in exports.items()}
LAST = list(CHECKPOINTS)[-1]
SCALING = [("demo-0.3m", "0.3M"), (LAST, "1M"), ("demo-4m", "4M")]
TRAINING = [(name, f"SFT {step}") for name, step in CHECKPOINTS.items()] + [("demo-1m-dpo", "DPO"), ("demo-1m-rs", "RS")]
# In no series: demo-1m knows two of the four task families only, and the Olmo has another architecture.
OTHERS = [("demo-1m", "base"), ("demo-olmo3", "Olmo-3")]


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


def positions():
    """Steps with items along the training series; a later stage counts on from the one before."""
    out, before = dict(CHECKPOINTS), CHECKPOINTS[LAST]
    for model in ("demo-1m-dpo", "demo-1m-rs"):
        if (MODELS / model / "model.safetensors").exists():
            before = out[model] = before + read_jsonl(MODELS / model / "training-log.jsonl")[-1]["step"]
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
        "others": [entry(m, label, parameters(m)) for m, label in present(OTHERS)]}
    (MODELS / "series.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    print("| model | parameters | " + " | ".join(FAMILY_BENCHMARKS) + " |\n|---|---|" + "---|" * len(FAMILY_BENCHMARKS))
    shown = {m: label for m, label in present(OTHERS[:1] + TRAINING + SCALING + OTHERS[1:])}
    for model in shown:
        path = MODELS / model / "evaluation.json"
        rates = json.loads(path.read_text())["benchmarks"] if path.exists() else {}
        cells = [f"{rates[b]['failureRate']:.1%}".replace("%", " %") if b in rates else "-" for b in FAMILY_BENCHMARKS]
        print(f"| `{model}` | {parameters(model):,} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
