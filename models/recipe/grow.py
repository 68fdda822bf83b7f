"""Turns a trained Qwen3 model into the start of another member: `grown` widens it without changing what it computes, as Net2Net
(arXiv 1511.05641) and bert2BERT (arXiv 2110.07143) do; `moved` puts its weights into Olmo-3's block, which is near it only."""

import torch


def shares(shape, generator):
    """Random shares of two copies that sum to one: unequal, so that the copies grow apart in training."""
    first = 0.5 + 0.25 * torch.randn(shape, generator=generator)
    return first, 1 - first


def grown(small, large, seed=1):
    """Weights of `large`'s shape that compute what `small` computes: twice the hidden size, twice the heads, at least twice the
    MLP. The residual stream holds every value twice; heads and MLP units come twice; what reads copies weighs them by random
    shares. MLP units beyond the double keep `large`'s random weights but write nothing at first."""
    rng = torch.Generator().manual_seed(seed)
    source, fresh = small.state_dict(), large.state_dict()
    assert large.config.hidden_size == 2 * small.config.hidden_size and large.config.head_dim == small.config.head_dim

    def reads(weight):  # [out, in] to [out, 2 in]
        first, second = shares(weight.shape, rng)
        return torch.cat([weight * first, weight * second], 1)

    def twice(weight):  # along the outputs
        return torch.cat([weight, weight], 0)

    out = {}
    for name, weight in source.items():
        if "embed_tokens" in name or name == "lm_head.weight":
            out[name] = torch.cat([weight, weight], 1)
        elif name == "model.norm.weight":
            out[name] = twice(weight) / 2  # tied embeddings: every logit would count twice
        elif "q_norm" in name or "k_norm" in name:
            out[name] = weight
        elif weight.ndim == 1:
            out[name] = twice(weight)
        elif "gate_proj" in name or "up_proj" in name:
            out[name] = torch.cat([reads(weight), reads(weight), fresh[name].cpu()[2 * weight.shape[0]:]], 0)
        elif "down_proj" in name:
            whole = reads(weight)
            spare = fresh[name].shape[1] - whole.shape[1]
            out[name] = twice(torch.cat([whole, torch.zeros(len(whole), spare)], 1))
        elif "o_proj" in name:
            out[name] = twice(reads(weight))
        else:  # q, k, v: all heads, then all again
            out[name] = twice(reads(weight))
    return out


@torch.no_grad()
def moved(small, other, ids):
    """Weights of `other`'s Olmo-3 shape from a Qwen3 model of the same sizes. Olmo-3 normalises what attention and MLP write
    rather than what they read: each norm's weight and its mean scale on the tokens `ids` [rows, tokens] go into the matrices
    that read it, and the new norms have the scale that the old blocks wrote with. Training has to mend the rest."""
    inputs, outputs, hooks = {}, {}, []
    for i, layer in enumerate(small.model.layers):
        for part, norm, block in (("attention", layer.input_layernorm, layer.self_attn), ("feedforward", layer.post_attention_layernorm, layer.mlp)):
            hooks.append(norm.register_forward_hook(lambda _, x, __, key=(i, part): inputs.__setitem__(key, x[0].pow(2).mean(-1).rsqrt().mean())))
            hooks.append(block.register_forward_hook(
                lambda _, __, y, key=(i, part): outputs.__setitem__(key, (y[0] if isinstance(y, tuple) else y).pow(2).mean(-1).sqrt().mean())))
    small(ids, use_cache=False)
    for hook in hooks:
        hook.remove()
    source, out = small.state_dict(), {}
    heads = {"q_norm": small.config.num_attention_heads, "k_norm": small.config.num_key_value_heads}
    for name in other.state_dict():
        parts = name.split(".")
        layer = int(parts[2]) if parts[1] == "layers" else None
        if layer is not None and parts[-2] in ("post_attention_layernorm", "post_feedforward_layernorm"):
            part = "attention" if "attention" in parts[-2] else "feedforward"
            out[name] = torch.full((small.config.hidden_size,), float(outputs[layer, part]))
        elif layer is not None and parts[-2] in heads:
            out[name] = source[name].repeat(heads[parts[-2]])
        elif layer is not None and parts[-2] in ("q_proj", "k_proj", "v_proj"):
            out[name] = source[name] * source[f"model.layers.{layer}.input_layernorm.weight"] * inputs[layer, "attention"]
        elif layer is not None and parts[-2] in ("gate_proj", "up_proj"):
            out[name] = source[name] * source[f"model.layers.{layer}.post_attention_layernorm.weight"] * inputs[layer, "feedforward"]
        else:
            out[name] = source[name]
    return out
