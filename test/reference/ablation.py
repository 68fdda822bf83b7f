"""Last-position logits and greedy completions with heads and neurons set to zero, by transformers in float32, for
gpu/generation/ablation.test.ts:

    python3 test/reference/ablation.py test/data/golden-ablation      (torch, transformers 5)

Hooks zero the columns of what the output projection and the projection down read. Experts are one module, so theirs runs
twice where a neuron is ablated, with its column of the projection down and without it; each token takes the one it needs.
"""

import json
import random
import sys
from contextlib import contextmanager
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "test" / "data" / "golden"
MODELS = ("qwen3-a", "olmo3-a", "phi3-a", "gemma2-a", "gpt2-a", "gptneox-a", "qwen3moe-a")
NEW_TOKENS = 6


def blocks(model):
    core = model.base_model
    return core.layers if hasattr(core, "layers") else core.h


def output_of(block):
    if hasattr(block, "self_attn"):
        return block.self_attn.o_proj
    return block.attn.c_proj if hasattr(block, "attn") else block.attention.dense


def down_of(block):
    mlp = block.mlp
    for name in ("down_proj", "c_proj", "dense_4h_to_h"):
        if hasattr(mlp, name):
            return getattr(mlp, name)
    return None


def rows_of(positions, length):
    rows = torch.zeros(length, dtype=torch.bool)
    if positions is None:
        rows[:] = True
    else:
        rows[positions] = True
    return rows


@contextmanager
def ablated(model, ablate, length):
    rows = rows_of(ablate.get("positions"), length)
    heads, hooks, restored = model.config.num_attention_heads, [], []

    def zero(module, columns):
        def hook(module, arguments):
            x = arguments[0].clone()
            x[..., rows[:, None] & columns[None, :]] = 0
            return (x, *arguments[1:])
        hooks.append(module.register_forward_pre_hook(hook))

    def width(module):
        return module.weight.shape[0] if type(module).__name__ == "Conv1D" else module.weight.shape[1]

    for number, block in enumerate(blocks(model), 1):
        mine = [h["index"] for h in ablate.get("heads", []) if h["layer"] == number]
        if mine:
            module = output_of(block)
            columns = torch.zeros(width(module), dtype=torch.bool).view(heads, -1)
            columns[mine] = True
            zero(module, columns.flatten())
        neurons = [n for n in ablate.get("neurons", []) if n["layer"] == number]
        if not neurons:
            continue
        module = down_of(block)
        if module is not None:
            columns = torch.zeros(width(module), dtype=torch.bool)
            columns[[n["index"] for n in neurons]] = True
            zero(module, columns)
            continue
        experts = block.mlp.experts
        forward = experts.forward

        def both(hidden, *arguments, experts=experts, forward=forward, neurons=neurons, **named):
            plain = forward(hidden, *arguments, **named)
            kept = experts.down_proj.data.clone()
            for n in neurons:
                experts.down_proj.data[n["expert"], :, n["index"]] = 0
            without = forward(hidden, *arguments, **named)
            experts.down_proj.data.copy_(kept)
            return torch.where(rows[:, None], without, plain)

        experts.forward = both
        restored.append((experts, forward))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for experts, forward in restored:
            experts.forward = forward


@torch.no_grad()
def run(model, ablate, ids):
    with ablated(model, ablate, len(ids)):
        return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]


def width_of(model, layer):
    block = blocks(model)[layer - 1]
    down = down_of(block)
    if down is None:
        experts = block.mlp.experts.down_proj
        return experts.shape[2], experts.shape[0]
    return (down.weight.shape[0] if type(down).__name__ == "Conv1D" else down.weight.shape[1]), None


def requests(model, rng, length):
    layers, heads = len(blocks(model)), model.config.num_attention_heads
    ids = [rng.randrange(3, model.config.vocab_size) for _ in range(length)]

    def some_neurons(layer, share):
        width, experts = width_of(model, layer)
        names = [dict(layer=layer, index=i, **({} if e is None else dict(expert=e)))
                 for e in ([None] if experts is None else range(experts)) for i in range(width)]
        return rng.sample(names, int(len(names) * share))

    head = lambda layer: dict(layer=layer, index=rng.randrange(heads))
    positions = sorted(rng.sample(range(length), max(1, length // 3)))
    everywhere = [n for layer in range(1, layers + 1) for n in some_neurons(layer, 0.3)]
    return [
        dict(heads=[head(1)]),
        dict(heads=[head(layer) for layer in range(1, layers + 1)]),
        dict(neurons=some_neurons(1, 0.5)),
        dict(heads=[head(layers)], neurons=some_neurons(layers, 0.4) + some_neurons(2, 0.2)),
        dict(heads=[head(2)], neurons=some_neurons(1, 0.5), positions=positions),
        dict(heads=[head(1), head(layers)], neurons=everywhere if length < 16 else [], positions=[length - 1]),
    ], ids


def main(out):
    for name in MODELS:
        model = AutoModelForCausalLM.from_pretrained(
            GOLDEN / name, dtype=torch.float32, attn_implementation="eager").eval()
        rng = random.Random(name)
        rows, moved = [], []
        for length in (9, 21):
            asked, ids = requests(model, rng, length)
            plain = run(model, {}, ids)
            for ablate in asked:
                logits = run(model, ablate, ids)
                moved.append(((logits - plain).abs().max() / logits.abs().max()).item())
                grown, gaps = list(ids), []
                while len(grown) < length + NEW_TOKENS:
                    top = torch.topk(run(model, ablate, grown), 2)
                    gaps.append((top.values[0] - top.values[1]).item())
                    grown.append(int(top.indices[0]))
                top = torch.topk(logits, 3)
                tokens = rng.sample(range(model.config.vocab_size), 8)
                rows.append(dict(
                    request=dict(inputIds=ids, ablate=ablate),
                    tokens=[dict(id=i, logit=logits[i].item()) for i in tokens],
                    top=[dict(id=int(i), logit=v.item()) for v, i in zip(top.values, top.indices)],
                    completion=grown[length:], smallestGap=min(gaps)))
        Path(out).mkdir(parents=True, exist_ok=True)
        Path(out, f"{name}.json").write_text(json.dumps(rows) + "\n")
        print(name, len(rows), "least change", min(moved), "smallest gap", min(row["smallestGap"] for row in rows))


if __name__ == "__main__":
    main(sys.argv[1])
