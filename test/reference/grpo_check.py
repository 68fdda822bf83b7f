"""The weighted GRPO example against its formula, on a model and an export.

    python test/reference/grpo_check.py MODEL PAIRS.jsonl ITEMS.jsonl "CHECK COMMAND"

Which weights a continuation gets is checked by hand: all of the chosen one's, those of the shared beginning, none. Then
the example trains a few steps. In each, the gradient of the trainer's loss with respect to the embeddings is compared with
that of -mean over rows of 1/T sum_t w_t A logp_t, computed here from the model's logits; and A with the rewards less
their group's mean over its standard deviation. Prints what was compared as JSON; exits with 1 where something does not
hold. Needs torch, transformers, trl and datasets.
"""

import importlib.util
import json
import sys
import tempfile
from pathlib import Path

import torch

# At 1 the demo models say the same again and again, and nothing is learnt from equal rewards.
TEMPERATURE, STEPS = 1.5, 6
ROOT = Path(__file__).resolve().parents[2]


def example():
    spec = importlib.util.spec_from_file_location("weighted_grpo", ROOT / "docs" / "examples" / "weighted_grpo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check_weights(module):
    pair = {"chosen_ids": [5, 6, 7], "chosen_weights": [0.5, 1.5, 1.0], "rejected_ids": [8, 6], "rejected_weights": [1.9, 0.1]}
    assert module.followed_weights([5, 6, 7, 9], pair) == [0.5, 1.5, 1.0]
    assert module.followed_weights([8, 7], pair) == [1.9]
    assert module.followed_weights([4, 6], pair) == []
    assert module.followed_weights([5, 6], pair) == [0.5, 1.5]


def gradient(model, loss):
    model.zero_grad()
    loss.backward()
    found = model.get_input_embeddings().weight.grad.clone()
    model.zero_grad()
    return found


def own_loss(model, inputs, weights):
    """The formula, from the logits."""
    prompt, ids, mask = inputs["prompt_ids"], inputs["completion_ids"], inputs["completion_mask"]
    whole = torch.cat([prompt, ids], dim=1)
    attention = torch.cat([inputs["prompt_mask"], mask], dim=1)
    position = (attention.cumsum(dim=1) - 1).clamp(min=0)
    logits = model(input_ids=whole, attention_mask=attention, position_ids=position, use_cache=False).logits / TEMPERATURE
    logp = logits[:, prompt.shape[1] - 1:-1].log_softmax(-1).gather(-1, ids[..., None])[..., 0]
    return -((weights * logp * mask).sum(1) / mask.sum(1)).mean()


def main():
    folder, pairs, items, command = sys.argv[1:5]
    module = example()
    check_weights(module)
    seen = []

    class Watched(module.WeightedGRPOTrainer):
        def _generate_and_score_completions(self, inputs):
            self.rows = inputs
            return super()._generate_and_score_completions(inputs)

        def _compute_loss(self, model, inputs):
            advantages = inputs["advantages"]
            assert advantages.shape == inputs["completion_ids"].shape
            rewards = self.last_rewards
            group = rewards.view(-1, self.num_generations)
            wanted = ((group - group.mean(1, keepdim=True)) / (group.std(1, keepdim=True) + 1e-4)).flatten()
            own = torch.ones(advantages.shape)
            for row, ids, pair in zip(own, inputs["completion_ids"].tolist(), self.in_order(inputs), strict=True):
                weights = module.followed_weights(ids, pair)
                row[: len(weights)] = torch.tensor(weights)
            # The trainer draws its rows anew: the advantage is a row's product over its weight.
            by_row = advantages / own
            assert torch.allclose(by_row, by_row[:, :1].expand_as(by_row), atol=1e-5)
            assert torch.allclose(by_row[:, 0].sort().values, wanted.sort().values, atol=1e-4)
            mine = gradient(model, own_loss(model, inputs, advantages))
            theirs = gradient(model, super()._compute_loss(model, inputs))
            scale, error = float(theirs.abs().max()), float((mine - theirs).abs().max())
            # Where rewards are equal but for their rounding, the gradient is rounding too.
            assert error < 1e-4 * scale + 1e-7, (error, scale)
            seen.append({"error": error, "scale": scale, "moved": scale > 1e-3, "weighted": int((own != 1).sum())})
            return super()._compute_loss(model, inputs)

        def in_order(self, inputs):
            """The pair of each row, by its context's last tokens."""
            found = []
            for ids, mask in zip(inputs["prompt_ids"].tolist(), inputs["prompt_mask"].tolist()):
                context = [token for token, kept in zip(ids, mask) if kept]
                found.append(next(row for row in self.rows if row["prompt_ids"] == context))
            return found

    reward_of = module.open_reward

    def open_reward(check, path):
        inner = reward_of(check, path)

        def reward(*args, **named):
            found = inner(*args, **named)
            Watched.last_rewards = torch.tensor(found)
            return found

        return reward

    module.WeightedGRPOTrainer, module.open_reward = Watched, open_reward
    with tempfile.TemporaryDirectory() as out:
        run = module.train(folder, pairs, items=items, check=command, steps=STEPS, group=8, tokens=32, rate=1e-4,
                           temperature=TEMPERATURE, out=out)
    assert len(seen) == STEPS and any(one["moved"] for one in seen) and any(one["weighted"] for one in seen), seen
    print(json.dumps({"steps": seen, "run": run}))


if __name__ == "__main__":
    main()
