"""Trains with DPO on an export of Culprit, each completion token weighted by what the export says of it.

    npx culprit export preferences --format trl-weighted --key @divergence --out pairs.jsonl
    pip install "trl==1.16.0" datasets
    python docs/examples/weighted_dpo.py models/demo-1m pairs.jsonl --out trained [--plain] [--steps 60] [--lora 16]

The loss is -log sigmoid(beta * (sum_t w_t (logp - logp_ref)(chosen_t) - sum_t w_t (logp - logp_ref)(rejected_t))); with
--plain every w_t is 1, which is ordinary DPO. Prints the loss before and after, and how the logit difference between
the wrong and the right token (delta) moved on the exported pairs, and on those of --measure, which are not trained on;
saves the model in --out. With --lora RANK an adapter is trained and saved (pip install peft), which `culprit --lora`
reads; --save-every N keeps the state after every N steps as out/checkpoint-N.
"""

import argparse
import json
from contextlib import nullcontext

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
        # An adapter's reference is the model without it.
        frozen = self.ref_model or model
        with torch.no_grad(), nullcontext() if self.ref_model else self.accelerator.unwrap_model(model).disable_adapter():
            reference = token_logps(frozen, inputs)
        chosen, rejected = (weights * (policy - reference)).sum(dim=1).chunk(2)
        loss = -logsigmoid(self.beta * (chosen - rejected)).mean()
        return (loss, {}) if return_outputs else loss


def token_logps(model, batch):
    """Log-probability of each token after the first, [rows, tokens - 1]."""
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False).logits
    return logits[:, :-1].log_softmax(-1).gather(-1, batch["input_ids"][:, 1:, None])[..., 0]


@torch.no_grad()
def deltas(model, rows):
    """logit[wrong token] - logit[right token] where they part, of each pair."""
    model.eval()
    found = []
    for row in rows:
        logits = model(input_ids=torch.tensor([row["prompt_ids"]], device=model.device), use_cache=False).logits[0, -1]
        found.append(float(logits[row["rejected_ids"][0]] - logits[row["chosen_ids"][0]]))
    return found


def lora_config(rank):
    """An adapter on all linear layers but the head, scaled by 2; None for rank 0."""
    from peft import LoraConfig

    return LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")


def load_rows(path):
    return load_dataset("parquet" if path.endswith(".parquet") else "json", data_files=path, split="train")


def train(folder, path, *, plain=False, steps=60, batch=16, rate=2e-5, beta=0.5, out="trained", seed=1, lora=0,
          save_every=0, measure=None):
    """Trains and returns what it measured."""
    set_seed(seed)
    rows = load_rows(path)
    others = load_rows(measure) if measure else []
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    reference = None if lora else AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    data = rows
    if plain:
        data = rows.map(lambda row: {f"{side}_weights": [1.0] * len(row[f"{side}_ids"]) for side in ("chosen", "rejected")})
    config = DPOConfig(
        output_dir=out, max_steps=steps, per_device_train_batch_size=batch, learning_rate=rate, beta=beta, seed=seed,
        max_length=None, logging_steps=1, report_to=[], save_strategy="steps" if save_every else "no",
        save_steps=save_every or 500, save_only_model=True, use_cpu=not torch.cuda.is_available(),
        bf16=False, gradient_checkpointing=False, disable_dropout=True, lr_scheduler_type="constant")
    trainer = WeightedDPOTrainer(
        model=model, ref_model=reference, args=config, train_dataset=data, processing_class=tokenizer,
        peft_config=lora_config(lora) if lora else None,
        data_collator=WeightedCollator(pad_token_id=tokenizer.pad_token_id))
    before = deltas(trainer.model, rows), deltas(trainer.model, others)
    trainer.train()
    after = deltas(trainer.model, rows), deltas(trainer.model, others)
    trainer.save_model(out)
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    mean = lambda values: sum(values) / len(values)
    wrong = lambda values: mean([delta > 0 for delta in values])
    return {
        "weights": "plain" if plain else "weighted", "pairs": len(rows), "steps": steps, "lora": lora,
        "loss": {"first": mean(losses[:5]), "last": mean(losses[-5:])},
        "delta": {"before": mean(before[0]), "after": mean(after[0])},
        "wrong": {"before": wrong(before[0]), "after": wrong(after[0])},
        "held": {"before": before[1], "after": after[1]},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("pairs", help="an export in the format trl-weighted, .jsonl or .parquet")
    parser.add_argument("--plain", action="store_true", help="weigh all tokens 1")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=2e-5)
    parser.add_argument("--beta", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lora", type=int, default=0, help="rank of an adapter; 0: all weights are trained")
    parser.add_argument("--save-every", type=int, default=0, help="steps between checkpoints; 0: none")
    parser.add_argument("--measure", help="another export, whose deltas are measured and not trained on")
    parser.add_argument("--out", default="trained")
    given = vars(parser.parse_args())
    result = train(given.pop("model"), given.pop("pairs"), **given)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
