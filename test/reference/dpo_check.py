"""Reads exported preferences as trainers do, without Culprit's code.

    python test/reference/dpo_check.py MODEL TRL.jsonl WEIGHTED.jsonl WEIGHTED.parquet TIS.jsonl

TRL's plain file loads in `datasets` and trains a step with the library's own DPOTrainer. For every row of the weighted
files: tokenised as DPOTrainer tokenises it, prompt and both completions give the exported ids (and at most an end token
more), and there is one weight for each id, of mean 1. For every row of TIS-DPO's file: its loader's assertion holds, and
what it makes of the weights (chosen ones negated, transform `origin`) is positive. Then the weighted example of docs/
trains a few steps and its loss falls. Prints the counts as JSON; exits with 1 where something does not hold. Needs torch,
transformers, trl and datasets.
"""

import importlib.util
import json
import sys
import tempfile
from pathlib import Path

import torch
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer

ROOT = Path(__file__).resolve().parents[2]


def train_a_step(folder, path, tokenizer):
    """The library's own trainer on the plain file; gives the rows as it tokenised them, and the first loss."""
    data = load_dataset("json", data_files=path, split="train")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with tempfile.TemporaryDirectory() as out:
        config = DPOConfig(output_dir=out, max_steps=1, per_device_train_batch_size=4, max_length=None, report_to=[],
                           save_strategy="no", use_cpu=True, bf16=False, gradient_checkpointing=False, logging_steps=1)
        trainer = DPOTrainer(model=model, args=config, train_dataset=data, processing_class=tokenizer)
        before = model.lm_head.weight.detach().clone()
        trainer.train()
        assert not torch.equal(before, model.lm_head.weight), "a step changed nothing"
        return trainer.train_dataset, trainer.state.log_history[0]["loss"]


def check_weighted(rows, tokenised, tokenizer):
    """Every row of a weighted file against the trainer's tokens."""
    assert len(rows) == len(tokenised)
    for row, own in zip(rows, tokenised, strict=True):
        assert own["prompt_ids"] == row["prompt_ids"], row["key"]
        for side in ("chosen", "rejected"):
            ids, weights = row[f"{side}_ids"], row[f"{side}_weights"]
            trained = own[f"{side}_ids"]
            assert trained == ids or trained == ids + [tokenizer.eos_token_id], (row["key"], side)
            assert len(weights) == len(ids) > 0, (row["key"], side)
            assert abs(sum(weights) / len(weights) - 1) < 1e-9 and min(weights) > 0, (row["key"], side)
        assert row["chosen_ids"][row["divergence_index"]] != row["rejected_ids"][row["divergence_index"]]


def check_tis(rows, tokenizer):
    """The assertion of TIS-DPO's loader (exlaw/TIS-DPO), and its negation of chosen weights."""
    for row in rows:
        assert tokenizer.eos_token not in row["chosen"] + row["rejected"], row["key"]
        for side in ("chosen", "rejected"):
            count = len(tokenizer(row[side], add_special_tokens=False).input_ids)
            assert len(row[f"{side}_weight"]) == count, (row["key"], side)
        assert all(-weight > 0 for weight in row["chosen_weight"])
        assert all(weight > 0 for weight in row["rejected_weight"])


def example():
    spec = importlib.util.spec_from_file_location("weighted_dpo", ROOT / "docs" / "examples" / "weighted_dpo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main():
    folder, plain, weighted, parquet, tis = sys.argv[1:6]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenised, loss = train_a_step(folder, plain, tokenizer)
    lines = load_dataset("json", data_files=weighted, split="train")
    columns = load_dataset("parquet", data_files=parquet, split="train")
    assert lines.to_list() == columns.to_list(), "JSONL and Parquet differ"
    check_weighted(lines, tokenised, tokenizer)
    tis_rows = load_dataset("json", data_files=tis, split="train")
    check_tis(tis_rows, tokenizer)
    with tempfile.TemporaryDirectory() as out:
        run = example().train(folder, weighted, steps=12, batch=8, rate=1e-4, out=out)
    assert run["loss"]["last"] < run["loss"]["first"], run
    assert run["delta"]["after"] < run["delta"]["before"], run
    print(json.dumps({"rows": len(lines), "tis": len(tis_rows), "loss": loss, "run": run}))


if __name__ == "__main__":
    main()
