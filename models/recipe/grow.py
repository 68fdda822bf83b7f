"""Widens a Qwen3 model without changing what it computes, as Net2Net (arXiv 1511.05641) and bert2BERT (arXiv 2110.07143) do."""

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
