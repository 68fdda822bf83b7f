"""Golden values of models with random weights at real shapes, by transformers in float32 with the rules of docs/method.md
section 2 put into its modules and brute-force automatic differentiation:

    deno run -A test/real_shapes.ts /tmp/real_shapes                            (1.7 GB)
    python3 test/reference/real_shapes.py --check test/data/golden/qwen3-a test/data/golden/olmo3-a
    python3 test/reference/real_shapes.py /tmp/real_shapes test/data/real_shapes   (torch, transformers 5.18, safetensors)

Shares no code with LXT or with the engine; --check compares with LXT's golden values first.
"""

import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from transformers.models.olmo3 import modeling_olmo3
from transformers.models.qwen3 import modeling_qwen3

RULE = "gradient"


class Divide(torch.autograd.Function):
    """x, with its gradient divided by n."""

    @staticmethod
    def forward(ctx, x, n):
        ctx.n = n
        return x

    @staticmethod
    def backward(ctx, gradient):
        return gradient / ctx.n, None


def norm(self, x):
    r = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)
    return self.weight * x * (r if RULE == "gradient" else r.detach())


def mlp(self, x):
    gate, up = self.gate_proj(x), self.up_proj(x)
    if RULE == "gradient":
        inner = F.silu(gate) * up
    elif RULE == "attnlrp":
        inner = Divide.apply(gate * torch.sigmoid(gate).detach() * up, 2)
    else:
        inner = F.silu(gate).detach() * up
    return self.down_proj(inner)


def patch_attention(module):
    ordinary = module.eager_attention_forward

    def attention(self, query, key, value, *args, **kwargs):
        if RULE == "attnlrp":
            query, key, value = Divide.apply(query, 4), Divide.apply(key, 4), Divide.apply(value, 2)
        elif RULE == "cplrp":
            query, key = query.detach(), key.detach()
        return ordinary(self, query, key, value, *args, **kwargs)

    module.eager_attention_forward = attention


for module, prefix in ((modeling_qwen3, "Qwen3"), (modeling_olmo3, "Olmo3")):
    getattr(module, prefix + "RMSNorm").forward = norm
    getattr(module, prefix + "MLP").forward = mlp
    patch_attention(module)


def load(folder):
    # eager: the attention function is looked up in the module, where it was replaced.
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    return model.requires_grad_(False)


def attribute(model, ids, target, contrast):
    """Node relevance [layers + 1, tokens], last logits, and the nodes with their gradients."""
    nodes = []
    hooks = [layer.register_forward_pre_hook(lambda _m, inputs: nodes.append(inputs[0])) for layer in model.model.layers]
    hooks.append(model.model.norm.register_forward_pre_hook(lambda _m, inputs: nodes.append(inputs[0])))
    embeddings = model.model.embed_tokens(torch.tensor([ids])).detach().requires_grad_()
    logits = model(inputs_embeds=embeddings, use_cache=False).logits[0, -1]
    for hook in hooks:
        hook.remove()
    gradients = torch.autograd.grad(logits[target] - logits[contrast], nodes, retain_graph=True)
    relevance = torch.stack([(h * g).sum(-1)[0] for h, g in zip(nodes, gradients)])
    return relevance.detach(), logits.detach(), nodes, gradients


def edges(nodes, gradients, layer):
    """A [targets, sources] from node layer `layer` to the next, one vector-Jacobian product a target."""
    rows = []
    for token in range(nodes[0].shape[1]):
        seed = torch.zeros_like(gradients[layer + 1])
        seed[0, token] = gradients[layer + 1][0, token]
        (pulled,) = torch.autograd.grad(nodes[layer + 1], nodes[layer], seed, retain_graph=True)
        rows.append((nodes[layer] * pulled).sum(-1)[0].detach())
    return torch.stack(rows)


def check(folder):
    global RULE
    meta, golden = json.loads(Path(folder, "golden.json").read_text()), load_file(Path(folder, "golden.safetensors"))
    model = load(folder)
    for RULE in ("attnlrp", "cplrp", "gradient"):
        relevance, logits, nodes, gradients = attribute(model, meta["input_ids"], meta["target"], meta["contrast"])
        found = {"node_relevance": relevance, "edges.1": edges(nodes, gradients, 1)}
        for name, values in found.items():
            want = golden[f"{RULE}.{name}"]
            error = ((values - want).abs().max() / want.abs().max()).item()
            print(f"{folder} {RULE}.{name}: {error:.1e}")
            assert error < 1e-4


def main(models, out):
    global RULE
    Path(out).mkdir(parents=True, exist_ok=True)
    for folder in sorted(Path(models).iterdir()):
        request = json.loads((folder / "request.json").read_text())
        model = load(folder)
        middle = len(model.model.layers) // 2
        tensors = {}
        for RULE in ("attnlrp", "cplrp", "gradient"):
            relevance, logits, nodes, gradients = attribute(model, request["inputIds"], request["target"], request["contrast"])
            tensors[f"{RULE}.node_relevance"] = relevance.contiguous()
            tensors["logits_every_97th"] = logits[::97].contiguous()
            tensors["logits_pair"] = logits[[request["target"], request["contrast"]]].contiguous()
            if RULE != "gradient":
                tensors[f"{RULE}.edges.{middle}"] = edges(nodes, gradients, middle)
        save_file(tensors, Path(out, folder.name + ".safetensors"))
        print(folder.name, {name: list(values.shape) for name, values in tensors.items()})


if sys.argv[1] == "--check":
    for directory in sys.argv[2:]:
        check(directory)
else:
    main(sys.argv[1], sys.argv[2])
