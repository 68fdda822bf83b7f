"""Trains the family of demo models, stage by stage, on one CPU thread (a GPU where one is at hand).

    python family.py [STAGE ...] [--state FOLDER] [--pause-file PATH] [--no-compile]

Stages, in this order when none is named: demo-1m-sft, demo-1m-more, demo-0.3m, dpo, rs, demo-4m, demo-olmo3. Each keeps its state
(weights, optimizers, step, log) in FOLDER about every two minutes and goes on from it, so the same command continues a run that was cut
off; a stage that is done is passed over. Members are written to models/NAME when they are final. While PATH exists and is
younger than ten minutes the training waits, so that others can measure on the machine.

Before the items some members get a drill (family_data.py), and a loss guides heads of it: two of the first block to the token
before, two of the third and of the fourth to what followed the same token earlier. Without guidance one million parameters had
46 % of the repeated tokens right after 850 steps of a drill like it; with it they had 86 % after 600. In the first steps with items
the drill goes on beside them.

The middle size goes on from demo-1m, which knows the first two task families. The large one is its checkpoint of step 850 grown
(grow.py), the Olmo the same checkpoint moved into the other block; both are trained on from there. The small one begins at random.
The last DECAY steps are lopsided, as in train.py: what counts nearly always stands first, a function's name says what its docstring
says. Held-out items are even.
"""

import argparse
import json
import math
import shutil
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.func import functional_call
from transformers import Olmo3Config, Olmo3ForCausalLM

from common import MODEL_DIR, MODELS, SEED, Qwen3Config, Qwen3ForCausalLM, load_model, load_tokenizer
from family_data import DRILL_ROWS, DRILL_WIDTH, FamilyItems
from grow import grown, moved
from train import loss_sum

DECAY, WARMUP = 200, 50
BEFORE = [(0, 0), (0, 1)]  # (layer, head) guided to the token before
FOLLOWED = [(2, 0), (2, 1), (3, 0), (3, 1)]  # guided to what followed the same token earlier
GUIDANCE = 0.5
DRILL_BESIDE = 10_000  # first step's data of the drill beside the items
NORM_RATE = 1e-2  # AdamW on the scales of queries and keys: how sharply heads look
STATE_SECONDS = 120
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def qwen3(hidden, intermediate, heads, head_dim):
    return lambda common: (Qwen3ForCausalLM, Qwen3Config(
        hidden_size=hidden, intermediate_size=intermediate, num_attention_heads=heads, num_key_value_heads=heads // 2,
        head_dim=head_dim, **common))


def olmo3(hidden, intermediate, heads, head_dim, window):
    return lambda common: (Olmo3ForCausalLM, Olmo3Config(
        hidden_size=hidden, intermediate_size=intermediate, num_attention_heads=heads, num_key_value_heads=heads // 2, head_dim=head_dim,
        sliding_window=window, layer_types=["sliding_attention"] * 3 + ["full_attention"], **common))


# member -> (shape, how it begins, first step's data, steps of the drill before the items and beside them, learning rates of Muon and
# AdamW, {step: name of the member that is written there}); the last of the steps ends it
SUPERVISED = {
    "demo-1m-sft": (qwen3(128, 384, 4, 32), ("taken", "demo-1m"), 0, (700, 300), (4e-3, 3e-3), {
        50: "demo-1m-sft-0050", 100: "demo-1m-sft-0100", 200: "demo-1m-sft-0200", 300: "demo-1m-sft-0300", 400: "demo-1m-sft-0400",
        600: "demo-1m-sft-0600"}),
    "demo-1m-more": (qwen3(128, 384, 4, 32), ("taken", "demo-1m-sft-0600"), 600, (0, 0), (4e-3, 3e-3), {
        250: "demo-1m-sft-0850", 500: "demo-1m-sft-1100"}),
    "demo-0.3m": (qwen3(64, 192, 4, 16), ("random", None), 0, (700, 400), (6e-3, 5e-3), {600: "demo-0.3m"}),
    "demo-4m": (qwen3(256, 864, 8, 32), ("grown", "demo-1m-sft-0850"), 850, (0, 0), (3e-3, 2e-3), {900: "demo-4m"}),
    "demo-olmo3": (olmo3(128, 384, 4, 32, 256), ("moved", "demo-1m-sft-0850"), 850, (150, 50), (4e-3, 3e-3), {240: "demo-olmo3"}),
}
# member -> items of math a step beside those of all members, about five: arithmetic goes with the drill, and five bring little of it back
MORE_MATH = {"demo-4m": 20}


def fresh(name, tokenizer):
    """A model of a member's shape, its random weights fixed by the seed."""
    torch.manual_seed(SEED)
    model_class, config = SUPERVISED[name][0](dict(
        vocab_size=len(tokenizer), num_hidden_layers=4, max_position_embeddings=4096, rms_norm_eps=1e-6, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, attention_bias=False, attention_dropout=0.0,
        bos_token_id=None, eos_token_id=tokenizer.convert_tokens_to_ids("<|im_end|>"),
        pad_token_id=tokenizer.convert_tokens_to_ids("<|endoftext|>")))
    config._attn_implementation = "sdpa"
    return model_class(config).to(DEVICE)


def build(name, tokenizer):
    """A member before its first step: random, or begun from another's weights (grow.py)."""
    model, (how, source) = fresh(name, tokenizer), SUPERVISED[name][1]
    if how != "random":
        small = load_model(MODELS / source)
        some = next(FamilyItems(tokenizer).batch(0, False))[0]
        weights = {"taken": small.state_dict, "grown": lambda: grown(small, model), "moved": lambda: moved(small, model, some)}[how]()
        model.load_state_dict({k: v.to(DEVICE) for k, v in weights.items()})
    return model


def optimizers_of(model, rates):
    """Muon for the matrices of the blocks, AdamW for the rest; each with its base rate."""
    named = list(model.named_parameters())
    matrices = [p for n, p in named if p.ndim == 2 and "embed" not in n]
    scales = [p for n, p in named if "q_norm" in n or "k_norm" in n]
    others = [p for n, p in named if (p.ndim != 2 or "embed" in n) and "q_norm" not in n and "k_norm" not in n]
    return [(torch.optim.Muon(matrices, lr=rates[0], weight_decay=0.01, adjust_lr_fn="match_rms_adamw"), rates[0]),
            (torch.optim.AdamW(others, lr=rates[1], betas=(0.9, 0.98), weight_decay=0.0), rates[1]),
            (torch.optim.AdamW(scales, lr=NORM_RATE, betas=(0.9, 0.98), weight_decay=0.0), NORM_RATE)]


class Drill:
    """The drill's loss. Attention probabilities are needed, so it runs through a copy of the model with plain attention, which
    borrows the weights."""

    def __init__(self, model, items):
        self.model, self.items = model, items
        config = type(model.config).from_dict(model.config.to_dict())
        config._attn_implementation = "eager"
        self.plain = type(model.model)(config).to(DEVICE)

    def loss(self, step):
        """The loss with guidance, and the share of right tokens."""
        ids, targets, positions = (part.to(DEVICE) for part in self.items.drill(step))
        out = functional_call(self.plain, dict(self.model.model.named_parameters()), kwargs={
            "input_ids": ids, "position_ids": positions, "use_cache": False, "output_attentions": True})
        where = targets != -100
        logits = self.model.lm_head(out.last_hidden_state[where])
        loss, right = F.cross_entropy(logits, targets[where]), (logits.argmax(-1) == targets[where]).float().mean().item()
        before = torch.cat([torch.full_like(ids[:, :1], -1), ids[:, :-1]], 1)
        followed = (ids[:, :, None] == before[:, None, :]).tril()  # [row, from, to]
        any_followed = followed.any(-1)
        mean_log = lambda p: p.clamp_min(1e-9).log().mean()
        guided = [mean_log(out.attentions[layer][:, head].diagonal(-1, 1, 2)) for layer, head in BEFORE]
        led = [mean_log((out.attentions[layer][:, head] * followed).sum(-1)[any_followed]) for layer, head in FOLLOWED]
        return loss - GUIDANCE * (sum(guided) / len(guided) + sum(led) / len(led)), right


def step_optimizers(model, optimizers, factor):
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer, rate in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * factor
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def export(model, name, log):
    """Writes a member: bf16 weights, config, the family's tokenizer, the log so far."""
    folder = MODELS / name
    folder.mkdir(exist_ok=True)
    config = type(model.config).from_dict({**model.config.to_dict(), "dtype": "bfloat16"})
    out = type(model)(config)
    out.load_state_dict(model.state_dict())
    out.to(torch.bfloat16).save_pretrained(folder)
    (folder / "generation_config.json").write_text(json.dumps(
        {"do_sample": False, "eos_token_id": config.eos_token_id, "pad_token_id": config.pad_token_id, "max_new_tokens": 96}, indent=2) + "\n")
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(MODEL_DIR / file, folder / file)
    (folder / "training-log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log), encoding="utf-8")
    print(f"written: {folder}", flush=True)


class Stage:
    """State of one stage on disk: weights, optimizers, step, tokens, seconds, log."""

    def __init__(self, args, name, model, optimizers):
        self.file, self.model, self.optimizers = Path(args.state) / f"{name}.pt", model, optimizers
        self.pause_file, self.saved = args.pause_file, time.time()
        self.step, self.tokens, self.seconds, self.log, self.running = 0, 0, 0.0, [], []
        if self.file.exists():
            kept = torch.load(self.file, map_location=DEVICE)
            model.load_state_dict(kept["model"])
            for (optimizer, _), state in zip(optimizers, kept["optimizers"]):
                optimizer.load_state_dict(state)
            self.step, self.tokens, self.seconds, self.log, self.running = (kept[k] for k in ("step", "tokens", "seconds", "log", "running"))
        self.clock = time.time()

    def wait(self):
        """Waits while the pause file stands, ten minutes at most from its last touch."""
        while self.pause_file and self.pause_file.exists() and time.time() - self.pause_file.stat().st_mtime < 600:
            self.tick()
            time.sleep(2)
            self.clock = time.time()

    def tick(self):
        now = time.time()
        self.seconds, self.clock = self.seconds + now - self.clock, now

    def done(self, tokens, last=False, every=20, **figures):
        """Counts a finished step, logs every so many, and keeps the state when it is time."""
        self.step, self.tokens = self.step + 1, self.tokens + tokens
        self.running.append(figures)
        self.tick()
        if self.step % every == 0 or last:
            mean = {k: round(sum(r[k] for r in self.running) / len(self.running), 5) for k in self.running[0]}
            self.log.append({"step": self.step, **mean, "tokens": self.tokens, "seconds": round(self.seconds, 1)})
            self.running = []
            print(self.log[-1], flush=True)
        if last or time.time() - self.saved > STATE_SECONDS:
            self.save()

    def save(self):
        part = self.file.with_suffix(".part")
        torch.save({"model": self.model.state_dict(), "optimizers": [o.state_dict() for o, _ in self.optimizers], "step": self.step,
                    "tokens": self.tokens, "seconds": self.seconds, "log": self.log, "running": self.running}, part)
        part.rename(self.file)
        self.saved = time.time()


def schedule(step, steps):
    """Linear warm-up, constant, then linear decay over the last DECAY steps."""
    return max(0.02, min((step + 1) / WARMUP, 1.0, (steps - step) / DECAY))


def drilled(args, name, model, items):
    """The drill alone, before the items: trains `model` and returns the log."""
    steps, rates = SUPERVISED[name][3][0], SUPERVISED[name][4]
    stage = Stage(args, f"{name}-drill", model, optimizers_of(model, rates))
    drill = Drill(model, items)
    while stage.step < steps:
        stage.wait()
        loss, right = drill.loss(stage.step)
        loss.backward()
        step_optimizers(model, stage.optimizers, min((stage.step + 1) / WARMUP, 1.0, (steps - stage.step) / WARMUP))
        stage.done(DRILL_ROWS * DRILL_WIDTH, last=stage.step + 1 == steps, loss=loss.item(), right=right)
    return [{"stage": "drill", **line} for line in stage.log]


def supervised(args, name, tokenizer):
    """The drill and the supervised stage of one member."""
    _, _, offset, (_, beside), rates, exports = SUPERVISED[name]
    steps, items = max(exports), FamilyItems(tokenizer)
    model = build(name, tokenizer)
    before = drilled(args, name, model, items)
    stage = Stage(args, name, model, optimizers_of(model, rates))
    if stage.step >= steps:
        return
    print(f"{name}: {sum(p.numel() for p in model.parameters()):,} parameters, from step {stage.step}", flush=True)
    body = model.model if args.no_compile else torch.compile(model.model, dynamic=True)
    drill = Drill(model, items)
    while stage.step < steps:
        stage.wait()
        parts = list(items.batch(
            offset + stage.step, stage.step >= steps - DECAY, more_math=MORE_MATH.get(name, 0)))
        answers, losses, right = sum(int((t != -100).sum()) for _, t in parts), [], 0.0
        for ids, targets in parts:
            loss = loss_sum(body, model.lm_head, ids.to(DEVICE), targets.to(DEVICE))
            (loss / answers).backward()
            losses.append(loss.item() / int((targets != -100).sum()))
        if stage.step < beside:
            loss, right = drill.loss(DRILL_BESIDE + stage.step)
            loss.backward()
        if not all(map(math.isfinite, losses)):
            raise SystemExit(f"{name}: the loss is not finite at step {stage.step}")
        step_optimizers(model, stage.optimizers, schedule(stage.step, steps))
        tokens = sum(int((ids != items.pad).sum()) for ids, _ in parts)
        stage.done(tokens, last=stage.step + 1 in exports, short=losses[0], trace=losses[1], drill=right)
        if stage.step in exports:
            export(model, exports[stage.step], before + stage.log)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("stages", nargs="*", default=["demo-1m-sft", "demo-1m-more", "demo-0.3m", "dpo", "rs", "demo-4m", "demo-olmo3"])
    parser.add_argument("--state", type=Path, default=MODELS.parent / ".culprit" / "family")
    parser.add_argument("--pause-file", type=Path)
    parser.add_argument("--no-compile", action="store_true", help="needs no C++ compiler, about half the speed")
    args = parser.parse_args()
    args.state.mkdir(parents=True, exist_ok=True)
    tokenizer = load_tokenizer()
    for name in args.stages:
        if name in SUPERVISED:
            supervised(args, name, tokenizer)
        else:
            import family_preference
            family_preference.STAGES[name](args, tokenizer)


if __name__ == "__main__":
    main()
