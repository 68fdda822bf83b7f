"""What biases, learned positions and LayerNorm's biases absorb of delta under CP-LRP, for gpu/explanation/attribution.test.ts:

    python3 test/reference/absorbed.py > test/data/absorbed.json      (torch, transformers 5.24)

Each is <b, gradient of b> under the rules of rules.py; with the relevance of the tokens' embeddings they sum to delta, which
is checked here.
"""

import json
import os

import torch

from rules import Rule, attribute, load

DATA = os.path.join(os.path.dirname(__file__), "..", "data", "golden")
Rule.name = "cplrp"
found = {}
for name in ("llama-b", "qwen2-a", "gpt2-a", "gptneox-a"):
    golden = json.load(open(os.path.join(DATA, name, "golden.json")))
    model = load(os.path.join(DATA, name))
    constants = [p for n, p in model.named_parameters() if n.endswith(".bias") or n.endswith("wpe.weight")]
    for parameter in constants:
        parameter.requires_grad_()
    relevance, logits, _, _ = attribute(model, golden["input_ids"], golden["target"], golden["contrast"])
    embeddings = model.get_input_embeddings()(torch.tensor([golden["input_ids"]])).detach()
    again = model(inputs_embeds=embeddings, use_cache=False).logits[0, -1]
    delta = again[golden["target"]] - again[golden["contrast"]]
    gradients = torch.autograd.grad(delta, constants, allow_unused=True)
    absorbed = sum((p * g).sum().item() for p, g in zip(constants, gradients) if g is not None)
    assert abs(relevance[0].sum().item() + absorbed - delta.item()) < 1e-4 * relevance.abs().max().item(), name
    found[name] = round(absorbed, 6)
print(json.dumps(found))
