"""Trains with GRPO from where answers went wrong, each token's policy gradient weighted by an export of Culprit.

    npx culprit export preferences --format trl-weighted --key @divergence --benchmark demo-ifeval --out pairs.jsonl
    pip install "trl==1.16.0" datasets peft
    python docs/examples/weighted_grpo.py models/demo-1m pairs.jsonl --items models/benchmarks/demo-ifeval.jsonl \
        --check "npx culprit check --benchmark ifeval" --out trained [--plain] [--steps 50] [--group 8] [--lora 16]

A prompt is a pair's context: the rendered prompt and the answer before the error. For each, a group of continuations is
sampled; the reward of one is the share of its item's instructions that the whole answer follows (strict, by the command
of --check); the advantage is the reward less the group's mean, divided by its standard deviation. The gradient is that of

    - mean over answers of 1/T sum_t w_t A logp(y_t)

with w_t the export's weight of the same token where the continuation goes along with the chosen or the rejected one
(up to the first token that differs from both), and 1 from there on, the mean weight of a completion; with --plain all of
them are 1, which is ordinary GRPO. --kl adds TRL's KL term to the model without training. Prints rewards and how many
tokens had a weight of their own; saves the model in --out.
"""

import argparse
import json
import shlex
import subprocess
import tempfile
from pathlib import Path

import torch
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
from trl import GRPOConfig, GRPOTrainer


class WeightedGRPOTrainer(GRPOTrainer):
    """GRPOTrainer whose advantages, [rows], become [rows, tokens]: each token's own weight times its row's."""

    def _generate_and_score_completions(self, inputs):
        output = super()._generate_and_score_completions(inputs)
        weights = torch.ones(output["completion_ids"].shape)
        self.sampled_tokens = getattr(self, "sampled_tokens", 0) + int(output["completion_mask"].sum())
        for row, ids, example in zip(weights, output["completion_ids"].tolist(), inputs, strict=True):
            own = followed_weights(ids, example)
            row[: len(own)] = torch.tensor(own)
            self.weighted_tokens = getattr(self, "weighted_tokens", 0) + len(own)
        output["advantages"] = output["advantages"][:, None] * weights.to(output["advantages"].device)
        return output


def followed_weights(ids, example):
    """Weights of the first tokens of a continuation, as long as they are those of one of the pair's completions."""
    found = []
    for side in ("chosen", "rejected"):
        shared = 0
        for token, other in zip(ids, example[f"{side}_ids"]):
            if token != other:
                break
            shared += 1
        if shared > len(found):
            found = example[f"{side}_weights"][:shared]
    return found


def answers_before(rows, tokenizer, items):
    """What stands between prompt and error in each row, and its item's prompt."""
    rendered = {
        tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True, enable_thinking=False): prompt
        for prompt in items["prompt"]}
    found = []
    for row in rows:
        start = next((start for start in rendered if row["prompt"].startswith(start)), None)
        if start is None:
            raise SystemExit(f"{row['key']}: its context begins with no item's prompt: give the --items that it is of")
        found.append({"question": rendered[start], "before": row["prompt"][len(start):]})
    return found


def open_reward(command, items):
    """The share of instructions that each answer follows, by Culprit's checker."""

    def reward(completions, question, before, **_others):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "responses.jsonl"
            rows = zip(question, before, completions, strict=True)
            path.write_text("".join(
                json.dumps({"prompt": prompt, "response": start + rest}) + "\n" for prompt, start, rest in rows))
            done = subprocess.run(
                [*shlex.split(command), "--items", items, "--responses", str(path), "--json"], check=True,
                capture_output=True, text=True)
        each = [json.loads(line)["strict"]["each"] for line in done.stdout.splitlines()]
        return [sum(one is True for one in verdicts) / len(verdicts) for verdicts in each]

    return reward


def train(folder, path, *, items, check, plain=False, steps=50, group=8, prompts=1, tokens=96, rate=1e-5, kl=0.0,
          temperature=1.0, out="trained", seed=1, lora=0):
    """Trains and returns what it measured."""
    set_seed(seed)
    rows = load_dataset("parquet" if path.endswith(".parquet") else "json", data_files=path, split="train")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    known = load_dataset("json", data_files=items, split="train")
    before = answers_before(rows, tokenizer, known)
    data = rows.map(lambda _row, at: before[at], with_indices=True)
    config = GRPOConfig(
        output_dir=out, max_steps=steps, per_device_train_batch_size=group * prompts, num_generations=group,
        max_completion_length=tokens, learning_rate=rate, beta=kl, temperature=temperature, seed=seed, loss_type="grpo",
        logging_steps=1, report_to=[], save_strategy="no", use_cpu=not torch.cuda.is_available(), bf16=False,
        gradient_checkpointing=False, disable_dropout=True, lr_scheduler_type="constant")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    peft = None
    if lora:
        from weighted_dpo import lora_config

        peft = lora_config(lora)
    trainer = (GRPOTrainer if plain else WeightedGRPOTrainer)(
        model=model, reward_funcs=open_reward(check, items), args=config, train_dataset=data, processing_class=tokenizer,
        peft_config=peft)
    trainer.train()
    trainer.save_model(out)
    rewards = [entry["reward"] for entry in trainer.state.log_history if "reward" in entry]
    fifth = max(1, len(rewards) // 5)
    return {
        "weights": "plain" if plain else "weighted", "pairs": len(rows), "steps": steps, "group": group, "lora": lora,
        "reward": {"first": sum(rewards[:fifth]) / fifth, "last": sum(rewards[-fifth:]) / fifth},
        "moved": sum(entry.get("frac_reward_zero_std", 0.0) < 1 for entry in trainer.state.log_history if "reward" in entry),
        "sampled_tokens": getattr(trainer, "sampled_tokens", None),
        "weighted_tokens": getattr(trainer, "weighted_tokens", 0),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("pairs", help="an export in the format trl-weighted, .jsonl or .parquet")
    parser.add_argument("--items", required=True, help="the benchmark's items that the pairs are of")
    parser.add_argument("--check", required=True, help="a command that checks, to which --items and --responses are added")
    parser.add_argument("--plain", action="store_true", help="weigh all tokens 1")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--group", type=int, default=8, help="continuations of one prompt")
    parser.add_argument("--prompts", type=int, default=1, help="prompts of a step")
    parser.add_argument("--tokens", type=int, default=96, help="tokens of a continuation at most")
    parser.add_argument("--rate", type=float, default=1e-5)
    parser.add_argument("--kl", type=float, default=0.0, help="weight of the KL term; 0: none")
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lora", type=int, default=0, help="rank of an adapter; 0: all weights are trained")
    parser.add_argument("--out", default="trained")
    given = vars(parser.parse_args())
    print(json.dumps(train(given.pop("model"), given.pop("pairs"), **given)))


if __name__ == "__main__":
    main()
