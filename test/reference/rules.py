"""The rules of docs/method.md sections 2 and 11 as patches of transformers' modules, float32, for every family.

Shares no code with LXT or with the engine: autograd through modules whose backward pass was changed.
"""

import types

import torch
import torch.nn as nn
import torch.nn.functional as F
from transformers import AutoModelForCausalLM

RULES = ("attnlrp", "cplrp", "gradient")


class Rule:
    """The rule in force."""

    name = "gradient"


class Divide(torch.autograd.Function):
    """x, with its gradient divided by n."""

    @staticmethod
    def forward(ctx, x, n):
        ctx.n = n
        return x

    @staticmethod
    def backward(ctx, gradient):
        return gradient / ctx.n, None


def rms_norm(self, x):
    weight = 1 + self.weight if type(self).__name__.startswith("Gemma") else self.weight
    epsilon = self.eps if hasattr(self, "eps") else self.variance_epsilon
    r = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon)
    return weight * (x * (r if Rule.name == "gradient" else r.detach()))


def layer_norm(self, x):
    centred = x - x.mean(-1, keepdim=True)
    r = torch.rsqrt(centred.pow(2).mean(-1, keepdim=True) + self.eps)
    return self.weight * centred * (r if Rule.name == "gradient" else r.detach()) + self.bias


def activate(act, g):
    """act(g) whose slope is act(g) / g."""
    if Rule.name == "gradient":
        return act(g)
    ratio = torch.where(g == 0, torch.full_like(g, 0.5), act(g) / torch.where(g == 0, torch.ones_like(g), g))
    return g * ratio.detach()


def gate(act, g, u):
    """The product act(g) u, halved under AttnLRP, its gate a constant under CP-LRP."""
    if Rule.name == "cplrp":
        return act(g).detach() * u
    w = activate(act, g) * u
    return Divide.apply(w, 2) if Rule.name == "attnlrp" else w


def gated_mlp(self, x):
    act = self.act_fn if hasattr(self, "act_fn") else self.activation_fn
    if hasattr(self, "gate_up_proj"):
        g, u = self.gate_up_proj(x).chunk(2, dim=-1)
    else:
        g, u = self.gate_proj(x), self.up_proj(x)
    return self.down_proj(gate(act, g, u))


def plain_mlp(self, x):
    if hasattr(self, "c_fc"):
        return self.c_proj(activate(self.act, self.c_fc(x)))
    return self.dense_4h_to_h(activate(self.act, self.dense_h_to_4h(x)))


def experts(self, x):
    """transformers' Qwen3MoeSparseMoeBlock, expert by expert."""
    shape = x.shape
    x = x.reshape(-1, shape[-1])
    probabilities = F.softmax(F.linear(x, self.gate.weight), dim=-1)
    shares, chosen = torch.topk(probabilities, self.gate.top_k, dim=-1)
    if self.gate.norm_topk_prob:
        shares = shares / shares.sum(-1, keepdim=True)
    if Rule.name == "cplrp":
        shares = shares.detach()
    inner = self.experts
    out = torch.zeros_like(x)
    for expert in chosen.unique().tolist():
        rows, ranks = (chosen == expert).nonzero(as_tuple=True)
        g, u = F.linear(x[rows], inner.gate_up_proj[expert]).chunk(2, dim=-1)
        y = F.linear(gate(inner.act_fn, g, u), inner.down_proj[expert]) * shares[rows, ranks, None]
        out = out.index_add(0, rows, Divide.apply(y, 2) if Rule.name == "attnlrp" else y)
    return out.reshape(shape)


def patched_attention(ordinary):
    def attention(module, query, key, value, *args, **kwargs):
        if Rule.name == "attnlrp":
            query, key, value = Divide.apply(query, 4), Divide.apply(key, 4), Divide.apply(value, 2)
        elif Rule.name == "cplrp":
            query, key = query.detach(), key.detach()
        return ordinary(module, query, key, value, *args, **kwargs)

    return attention


def load(folder):
    """A model in float32 whose backward pass follows `Rule.name`."""
    # eager: the attention function is looked up in the module, where it is replaced.
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    for module in model.modules():
        name = type(module).__name__
        if name.endswith("RMSNorm"):
            module.forward = types.MethodType(rms_norm, module)
        elif isinstance(module, nn.LayerNorm):
            module.forward = types.MethodType(layer_norm, module)
        elif name.endswith("SparseMoeBlock"):
            module.forward = types.MethodType(experts, module)
        elif name in ("GPT2MLP", "GPTNeoXMLP"):
            module.forward = types.MethodType(plain_mlp, module)
        elif name.endswith("MLP"):
            module.forward = types.MethodType(gated_mlp, module)
    source = __import__(type(model).__module__, fromlist=["eager_attention_forward"])
    if not hasattr(source.eager_attention_forward, "is_patched"):
        source.eager_attention_forward = patched_attention(source.eager_attention_forward)
        source.eager_attention_forward.is_patched = True
    return model.requires_grad_(False)


def parts(model):
    """Blocks and final norm."""
    if hasattr(model, "transformer"):
        return model.transformer.h, model.transformer.ln_f
    base = model.gpt_neox if hasattr(model, "gpt_neox") else model.model
    return base.layers, base.final_layer_norm if hasattr(base, "final_layer_norm") else base.norm


def attribute(model, ids, target, contrast):
    """Node relevance [layers + 1, tokens], last logits, and the nodes with their gradients."""
    relevance, logits, nodes, gradients = explain(model, ids, lambda logits: logits[-1, target] - logits[-1, contrast])
    return relevance, logits[-1], nodes, gradients


def explain(model, ids, objective):
    """The same of any scalar function of the logits [tokens, vocabulary]; all logits."""
    nodes = []
    blocks, norm = parts(model)

    def keep(_module, args, kwargs):
        nodes.append(args[0] if args else kwargs["hidden_states"])

    hooks = [block.register_forward_pre_hook(keep, with_kwargs=True) for block in blocks]
    hooks.append(norm.register_forward_pre_hook(keep, with_kwargs=True))
    embeddings = model.get_input_embeddings()(torch.tensor([ids])).detach().requires_grad_()
    logits = model(inputs_embeds=embeddings, use_cache=False).logits[0]
    for hook in hooks:
        hook.remove()
    if hasattr(model, "transformer"):
        nodes[0] = embeddings  # GPT-2's blocks read positions besides.
    gradients = torch.autograd.grad(objective(logits), nodes, retain_graph=True)
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
