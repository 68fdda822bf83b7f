"""Trains the demo model from scratch on freshly generated items (no item is repeated on purpose), on one CPU thread.

    python train.py [--steps N] [--decay N] [--out FOLDER] [--resume] [--no-compile]

Loss on the answer only. Muon for the matrices of the blocks, AdamW for the rest. The data of step k depend on the seed
and k alone, so a run that is cut off goes on from its checkpoint (`--resume`) with the data it would have had.

The items of the decay phase are lopsided, as small fine-tuning sets are: what counts nearly always stands first. Held-out
items are not. So the model takes up a shortcut whose cause is known, and fails with confidence where it does not hold.
"""

import argparse
import json
import time
from pathlib import Path

import torch
import torch.nn.functional as F

import ifeval_tasks
import math_tasks
from common import MODEL_DIR, SEED, Qwen3Config, Qwen3ForCausalLM, generator, load_tokenizer, messages_of, user_text

ITEMS_A_STEP = 64
IFEVAL_SHARE = 0.6
LR_MUON, LR_ADAM = 6e-3, 5e-3
WARMUP = 100


def configuration(tokenizer):
    return Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=128, intermediate_size=384, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, head_dim=32, max_position_embeddings=4096, rms_norm_eps=1e-6, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, attention_bias=False, attention_dropout=0.0,
        bos_token_id=None, eos_token_id=tokenizer.convert_tokens_to_ids("<|im_end|>"),
        pad_token_id=tokenizer.convert_tokens_to_ids("<|endoftext|>"))


class Items:
    """Turns a step's generator into two length-sorted (ids, targets) halves."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        mark = "\u0001"
        shell = tokenizer.apply_chat_template(messages_of({"prompt": mark}), tokenize=False, add_generation_prompt=True, enable_thinking=False)
        self.head, self.tail = shell.split(mark)
        self.stop = tokenizer.convert_tokens_to_ids("<|im_end|>")
        self.pad = tokenizer.convert_tokens_to_ids("<|endoftext|>")

    def batch(self, step, lopsided):
        rng = generator(f"train/{step}")
        pairs = []
        for _ in range(ITEMS_A_STEP):
            family = ifeval_tasks if rng.random() < IFEVAL_SHARE else math_tasks
            row, answer = family.make_item(rng, False, lopsided)
            pairs.append((self.head + user_text(row) + self.tail, answer))
        encode = self.tokenizer.backend_tokenizer.encode_batch
        prompts, answers = encode([p for p, _ in pairs]), encode([a for _, a in pairs])
        rows = sorted(((p.ids, a.ids + [self.stop]) for p, a in zip(prompts, answers)), key=lambda r: len(r[0]) + len(r[1]))
        for half in (rows[:ITEMS_A_STEP // 2], rows[ITEMS_A_STEP // 2:]):
            width = max(len(p) + len(a) for p, a in half)
            ids = torch.full((len(half), width), self.pad)
            targets = torch.full((len(half), width), -100)
            for i, (p, a) in enumerate(half):
                ids[i, :len(p) + len(a)] = torch.tensor(p + a)
                targets[i, len(p) - 1:len(p) + len(a) - 1] = torch.tensor(a)
            yield ids, targets


def schedule(step, steps, decay):
    """Linear warm-up, constant, then linear decay over the last `decay` steps."""
    return max(0.02, min((step + 1) / WARMUP, 1.0, (steps - step) / decay))


def loss_sum(body, head, ids, targets):
    """Summed answer loss: the output layer runs at answer positions only. Right padding needs no mask under causality."""
    hidden = body(input_ids=ids, use_cache=False).last_hidden_state
    where = targets != -100
    return F.cross_entropy(head(hidden[where]), targets[where], reduction="sum")


def save(model, folder):
    model.config.dtype = "bfloat16"
    out = Qwen3ForCausalLM(model.config)
    out.load_state_dict(model.state_dict())
    out.to(torch.bfloat16).save_pretrained(folder)
    Path(folder, "generation_config.json").write_text(json.dumps(
        {"do_sample": False, "eos_token_id": model.config.eos_token_id, "pad_token_id": model.config.pad_token_id,
         "max_new_tokens": 96}, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--decay", type=int, default=1500)
    parser.add_argument("--no-compile", action="store_true", help="needs no C++ compiler, a third slower")
    parser.add_argument("--out", type=Path, default=MODEL_DIR)
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(exist_ok=True, parents=True)
    tokenizer = load_tokenizer()
    torch.manual_seed(SEED)
    config = configuration(tokenizer)
    config._attn_implementation = "sdpa"
    model = Qwen3ForCausalLM(config)
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    print("parameters", sum(p.numel() for p in model.parameters()), flush=True)
    optimizers = [(torch.optim.Muon(matrices, lr=LR_MUON, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"), LR_MUON),
                  (torch.optim.AdamW(others, lr=LR_ADAM, betas=(0.9, 0.98), weight_decay=0.0), LR_ADAM)]
    body = model.model if args.no_compile else torch.compile(model.model, dynamic=True)
    items, state = Items(tokenizer), args.out / "checkpoint.pt"
    first, tokens, seconds = 0, 0, 0.0
    if args.resume and state.exists():
        saved = torch.load(state)
        model.load_state_dict(saved["model"])
        for (o, _), s in zip(optimizers, saved["optimizers"]):
            o.load_state_dict(s)
        first, tokens, seconds = saved["step"], saved["tokens"], saved["seconds"]
    log = open(args.out / "training-log.jsonl", "a" if first else "w", encoding="utf-8")
    begun, running = time.time() - seconds, []
    for step in range(first, args.steps):
        halves = list(items.batch(step, step >= args.steps - args.decay))
        count = sum(int((t != -100).sum()) for _, t in halves)
        total = 0.0
        for ids, targets in halves:
            loss = loss_sum(body, model.lm_head, ids, targets) / count
            loss.backward()
            total += loss.item()
            tokens += int((ids != items.pad).sum())
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, rate in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * schedule(step, args.steps, args.decay)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        running.append(total)
        if (step + 1) % 25 == 0 or step + 1 == args.steps:
            line = {"step": step + 1, "loss": round(sum(running) / len(running), 5), "tokens": tokens, "seconds": round(time.time() - begun, 1)}
            running = []
            log.write(json.dumps(line) + "\n")
            log.flush()
            print(line, flush=True)
        if (step + 1) % 250 == 0 or step + 1 == args.steps:
            save(model, args.out)
            torch.save({"model": model.state_dict(), "optimizers": [o.state_dict() for o, _ in optimizers], "step": step + 1,
                        "tokens": tokens, "seconds": time.time() - begun}, state)


if __name__ == "__main__":
    main()
