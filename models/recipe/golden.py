"""Golden values for the demo model: node relevance by LXT's monkey patching, float32, PyTorch autograd.

    python golden.py                 writes demo-1m/golden.json (6 cases)
    python golden.py --validate DIR  compares with DIR/golden.safetensors of a model folder DIR and prints the errors

Each rule runs in a process of its own: LXT patches transformers' Qwen3 module for good.
"""

import json
import subprocess
import sys
from pathlib import Path

import torch

from common import MODEL_DIR, read_jsonl

RULES = ["attnlrp", "cplrp", "gradient"]
PER_FAMILY = 3


def patch(rule):
    """Patches transformers' Qwen3 with LXT's maps for the rule; nothing for the plain gradient."""
    import transformers.models.qwen3.modeling_qwen3 as qwen3
    if rule == "gradient":
        return
    import transformers.pytorch_utils as utilities
    for gone in ("find_pruneable_heads_and_indices", "prune_linear_layer"):
        if not hasattr(utilities, gone):  # LXT 2.1 imports them for BERT, which is not used here; transformers 5 dropped them
            setattr(utilities, gone, None)
    import lxt.efficient.models.qwen3 as maps
    from lxt.efficient import monkey_patch
    # transformers 5 keeps its attention functions in an object with methods of its own, which LXT 2.1 would replace by a
    # plain dict: only the eager attention is wrapped here, by LXT's own wrapper, and the model is loaded with it.
    patch_map = {k: v for k, v in (maps.attnLRP if rule == "attnlrp" else maps.cp_LRP).items() if k is not qwen3}
    monkey_patch(qwen3, patch_map)
    from lxt.efficient.patches import cp_wrap_attention_forward, wrap_attention_forward
    wrap = wrap_attention_forward if rule == "attnlrp" else cp_wrap_attention_forward
    qwen3.eager_attention_forward = wrap(qwen3.eager_attention_forward)


def relevance(model, ids, target, contrast):
    """(node relevance [layers + 1, tokens], last-position logits [vocabulary])."""
    embeddings = model.model.embed_tokens(torch.tensor([ids])).detach().requires_grad_()
    nodes, hooks = [embeddings], []
    for layer in model.model.layers:
        def keep(_module, _inputs, output):
            output.retain_grad()
            nodes.append(output)
        hooks.append(layer.register_forward_hook(keep))
    logits = model(inputs_embeds=embeddings, use_cache=False).logits[0, -1]
    (logits[target] - logits[contrast]).backward()
    for hook in hooks:
        hook.remove()
    return torch.stack([(h * h.grad).sum(-1)[0] for h in nodes]).detach(), logits.detach()


def load(folder):
    from transformers import Qwen3ForCausalLM
    model = Qwen3ForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    for p in model.parameters():
        p.requires_grad_(False)
    return model


def validate(folder, rule):
    from safetensors.torch import load_file
    meta, golden = json.loads(Path(folder, "golden.json").read_text()), load_file(Path(folder, "golden.safetensors"))
    patch(rule)
    got, logits = relevance(load(folder), meta["input_ids"], meta["target"], meta["contrast"])
    want = golden[f"{rule}.node_relevance"]
    print(f"{rule}: max |difference| / max |R| = {((got - want).abs().max() / want.abs().max()).item():.2e}, logits {(logits - golden['logits_last']).abs().max().item():.1e}")


def chosen_cases():
    """Per family: the smallest, the middle and the largest delta of failure-cases-divergence.jsonl."""
    picked = []
    for name in ("demo-ifeval", "demo-math"):
        rows = sorted((r for r in read_jsonl(MODEL_DIR / "failure-cases-divergence.jsonl") if r["benchmark"] == name), key=lambda r: r["delta"])
        picked += [rows[0], rows[len(rows) // 2], rows[-1]]
    return picked


def compute(rule):
    patch(rule)
    model, out = load(MODEL_DIR), []
    for case in chosen_cases():
        nodes, logits = relevance(model, case["inputIds"], case["target"]["id"], case["contrast"]["id"])
        out.append({"key": case["key"], "nodes": nodes.tolist(), "target": float(logits[case["target"]["id"]]), "contrast": float(logits[case["contrast"]["id"]])})
    print(json.dumps(out))


def main():
    if "--validate" in sys.argv:
        folder = sys.argv[sys.argv.index("--validate") + 1]
        if "--rule" in sys.argv:
            return validate(folder, sys.argv[-1])
        for rule in RULES:
            subprocess.run([sys.executable, __file__, "--validate", folder, "--rule", rule], check=True)
        return
    if "--rule" in sys.argv:
        return compute(sys.argv[-1])
    from importlib.metadata import version
    results = {rule: json.loads(subprocess.run([sys.executable, __file__, "--rule", rule], check=True, capture_output=True, text=True).stdout) for rule in RULES}
    cases = []
    for i, case in enumerate(chosen_cases()):
        assert all(results[r][i]["key"] == case["key"] for r in RULES)
        cases.append({"key": case["key"], "file": "failure-cases-divergence.jsonl", "inputIds": case["inputIds"], "target": case["target"]["id"], "contrast": case["contrast"]["id"],
                      "logits": {"target": results["gradient"][i]["target"], "contrast": results["gradient"][i]["contrast"]},
                      "nodeRelevance": {r: results[r][i]["nodes"] for r in RULES}})
    made = {"by": "lxt.efficient monkey patching of transformers' Qwen3, eager attention, PyTorch autograd", "arithmetic": "float32 on bf16 weights",
            "torch": version("torch"), "transformers": version("transformers"), "lxt": version("lxt")}
    (MODEL_DIR / "golden.json").write_text(json.dumps({"model": "demo-1m", "madeWith": made, "cases": cases}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
