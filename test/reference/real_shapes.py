"""Golden values of models with random weights at real shapes, by transformers in float32 with the rules of docs/method.md
put into its modules (rules.py) and brute-force automatic differentiation:

    deno run -A test/real_shapes.ts /tmp/real_shapes [NAME ...]
    python3 test/reference/real_shapes.py --check test/data/golden/*
    python3 test/reference/real_shapes.py /tmp/real_shapes test/data/real_shapes   (torch, transformers 5.24, safetensors)

--check compares with LXT's golden values first. Files that are there already stay as they are.
"""

import json
import sys
from pathlib import Path

from safetensors.torch import load_file, save_file

from rules import RULES, Rule, attribute, edges, load


def check(folder):
    meta, golden = json.loads(Path(folder, "golden.json").read_text()), load_file(Path(folder, "golden.safetensors"))
    model = load(folder)
    for Rule.name in RULES:
        relevance, logits, nodes, gradients = attribute(model, meta["input_ids"], meta["target"], meta["contrast"])
        found = {"node_relevance": relevance, "edges.1": edges(nodes, gradients, 1)}
        for name, values in found.items():
            want = golden[f"{Rule.name}.{name}"]
            error = ((values - want).abs().max() / want.abs().max()).item()
            print(f"{folder} {Rule.name}.{name}: {error:.1e}")
            assert error < 1e-4


def main(models, out):
    Path(out).mkdir(parents=True, exist_ok=True)
    for folder in sorted(Path(models).iterdir()):
        model = load(folder)
        middle = model.config.num_hidden_layers // 2
        for request in json.loads((folder / "requests.json").read_text()):
            ids, target, contrast = request["inputIds"], request["target"], request["contrast"]
            path = Path(out, f"{folder.name}-{len(ids)}.safetensors")
            if path.exists():
                continue
            tensors = {}
            for Rule.name in RULES:
                relevance, logits, nodes, gradients = attribute(model, ids, target, contrast)
                tensors[f"{Rule.name}.node_relevance"] = relevance.contiguous()
                tensors["logits_every_97th"] = logits[::97].contiguous()
                tensors["logits_pair"] = logits[[target, contrast]].contiguous()
                if Rule.name != "gradient":
                    tensors[f"{Rule.name}.edges.{middle}"] = edges(nodes, gradients, middle)
            save_file(tensors, path)
            print(path.name, {name: list(values.shape) for name, values in tensors.items()})


if sys.argv[1] == "--check":
    for directory in sys.argv[2:]:
        check(directory)
else:
    main(sys.argv[1], sys.argv[2])
