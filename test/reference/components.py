"""Relevance of heads and neurons of chosen nodes by transformers and LXT: input times gradient of o_proj and down_proj.

    python test/reference/components.py > test/data/components.json

Float32. Needs torch, transformers and lxt; the models are those of test/data/golden. What a head writes is its part of
o_proj's input, what a neuron writes its part of down_proj's input, so both are automatic differentiation's own numbers.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test" / "bench"))
from reference import Reference, torch  # noqa: E402


def components(directory):
    case = json.loads((directory / "golden.json").read_text())
    reference = Reference(directory, "cpu-float32")
    inputs = {}
    hooks = []
    for index, layer in enumerate(reference.model.model.layers):
        for name, module in (("heads", layer.self_attn.o_proj), ("neurons", layer.mlp.down_proj)):
            def keep(module, arguments, key=(name, index)):
                arguments[0].retain_grad()
                inputs[key] = arguments[0]
            hooks.append(module.register_forward_pre_hook(keep))
    ids = torch.tensor([case["input_ids"]])
    embeddings = reference.model.model.embed_tokens(ids).detach().requires_grad_()
    last = reference.blocks(embeddings, 0, reference.layers)[-1]
    logits = reference.model.lm_head(reference.model.model.norm(last[:, -1]))[0]
    (logits[case["target"]] - logits[case["contrast"]]).backward()
    heads = reference.model.config.num_attention_heads
    tokens = len(case["input_ids"])
    nodes = []
    for layer in range(reference.layers):
        for token in (1, tokens // 2, tokens - 1):
            def product(name):
                found = inputs[(name, layer)]
                return (found * found.grad)[0, token].detach()

            def digits(values):
                return [float(f"{value:.6g}") for value in values.tolist()]
            nodes.append({
                "layer": layer + 1,
                "token": token,
                "heads": digits(product("heads").view(heads, -1).sum(-1)),
                "neurons": digits(product("neurons")),
            })
    for hook in hooks:
        hook.remove()
    return {"rule": "attnlrp", "nodes": nodes}


json.dump({name: components(ROOT / "test" / "data" / "golden" / name) for name in ("qwen3-a", "qwen3-b")}, sys.stdout)
