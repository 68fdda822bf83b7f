"""Trains with DPO on an export of Culprit, each completion token weighted by what the export says of it.

    npx culprit export preferences --format trl-weighted --key @divergence --out pairs.jsonl
    pip install "trl==1.16.0" datasets
    python docs/examples/weighted_dpo.py models/demo-1m pairs.jsonl --out trained [--plain] [--steps 60]

The loss is -log sigmoid(beta * (sum_t w_t (logp - logp_ref)(chosen_t) - sum_t w_t (logp - logp_ref)(rejected_t))); with
--plain every w_t is 1, which is ordinary DPO. Prints the loss before and after, and how the logit difference between
the wrong and the right token (delta) moved on the exported pairs; saves the model in --out.
"""

import argparse
import json

import torch
from datasets import load_dataset
from torch.nn.functional import logsigmoid
from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
from trl import DPOConfig, DPOTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference


class WeightedCollator(DataCollatorForPreference):
    """Adds `weights`, [2 * pairs, tokens]: 0 on the context, the padding, and an end token that the trainer added."""

    def torch_call(self, examples):
        batch = super().torch_call(examples)
        weights = torch.zeros(batch["input_ids"].shape)
        rows = [(e, "chosen") for e in examples] + [(e, "rejected") for e in examples]
        for row, (example, side) in zip(weights, rows, strict=True):
            start, own = len(example["prompt_ids"]), example[f"{side}_weights"]
            row[start:start + len(own)] = torch.tensor(own)
        batch["weights"] = weights
        return batch


class WeightedDPOTrainer(DPOTrainer):
    """DPOTrainer whose token log-probabilities are weighted before they are summed."""

    def _set_signature_columns_if_needed(self):
        super()._set_signature_columns_if_needed()
        self._signature_columns += ["chosen_weights", "rejected_weights"]

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        weights = inputs["weights"][:, 1:]
        policy = token_logps(model, inputs)
        with torch.no_grad():
            reference = token_logps(self.ref_model, inputs)
        chosen, rejected = (weights * (policy - reference)).sum(dim=1).chunk(2)
        loss = -logsigmoid(self.beta * (chosen - rejected)).mean()
        return (loss, {}) if return_outputs else loss


def token_logps(model, batch):
    """Log-probability of each token after the first, [rows, tokens - 1]."""
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False).logits
    return logits[:, :-1].log_softmax(-1).gather(-1, batch["input_ids"][:, 1:, None])[..., 0]


@torch.no_grad()
def mean_delta(model, rows):
    """Mean of logit[wrong token] - logit[right token] where they part."""
    deltas = []
    for row in rows:
        logits = model(input_ids=torch.tensor([row["prompt_ids"]]), use_cache=False).logits[0, -1]
        deltas.append(float(logits[row["rejected_ids"][0]] - logits[row["chosen_ids"][0]]))
    return sum(deltas) / len(deltas), sum(delta > 0 for delta in deltas) / len(deltas)


def train(folder, path, *, plain=False, steps=60, batch=16, rate=2e-5, beta=0.5, out="trained", seed=1):
    """Trains and returns what it measured."""
    set_seed(seed)
    rows = load_dataset("parquet" if path.endswith(".parquet") else "json", data_files=path, split="train")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    data = rows
    if plain:
        data = rows.map(lambda row: {f"{side}_weights": [1.0] * len(row[f"{side}_ids"]) for side in ("chosen", "rejected")})
    config = DPOConfig(
        output_dir=out, max_steps=steps, per_device_train_batch_size=batch, learning_rate=rate, beta=beta, seed=seed,
        max_length=None, logging_steps=1, report_to=[], save_strategy="no", use_cpu=not torch.cuda.is_available(),
        bf16=False, gradient_checkpointing=False, disable_dropout=True, lr_scheduler_type="constant")
    trainer = WeightedDPOTrainer(
        model=model, ref_model=reference, args=config, train_dataset=data, processing_class=tokenizer,
        data_collator=WeightedCollator(pad_token_id=tokenizer.pad_token_id))
    model.eval()
    before = mean_delta(model, rows)
    trainer.train()
    model.eval()
    after = mean_delta(model.cpu(), rows)
    trainer.save_model(out)
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {
        "weights": "plain" if plain else "weighted", "pairs": len(rows), "steps": steps,
        "loss": {"first": sum(losses[:5]) / len(losses[:5]), "last": sum(losses[-5:]) / len(losses[-5:])},
        "delta": {"before": before[0], "after": after[0]},
        "wrong": {"before": before[1], "after": after[1]},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("pairs", help="an export in the format trl-weighted, .jsonl or .parquet")
    parser.add_argument("--plain", action="store_true", help="weigh all tokens 1")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rate", type=float, default=2e-5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", default="trained")
    given = parser.parse_args()
    result = train(given.model, given.pairs, plain=given.plain, steps=given.steps, rate=given.rate, seed=given.seed,
                   out=given.out)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
