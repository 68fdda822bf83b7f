"""The two stages after the supervised one: DPO, then rejection sampling, both on even training items that no earlier stage drew.

DPO (arXiv 2305.18290): the model answers training items greedily; where the checker says no, its answer is rejected and the
recipe's own is chosen. The reference is the supervised model. A share of the chosen answer's own loss keeps it likely.
Rejection sampling: several answers an item are sampled; of the items that the model sometimes fails one passing answer each is
trained on, with as many items again that it always passes. Both stages keep what they drew beside their state.
"""

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F

import agentic_tasks
import code_tasks
import ifeval_tasks
import math_tasks
from checkers import check_all
from common import MODELS, generator, greedy, load_model
from family import DEVICE, Stage, export, step_optimizers
from family_data import LONG_SHARE, LONG_STEPS, SHORT_STEPS, FamilyItems

BETA, CHOSEN_LOSS = 0.2, 0.1
RATE, WARMUP = 2e-4, 10
DPO_ITEMS = {"ifeval": 1200, "math": 800, "code": 800, "agentic": 200}
RS_ITEMS = {"ifeval": 500, "math": 350, "code": 350, "agentic": 80}
SAMPLES, TEMPERATURE = 4, 1.0
BATCH, EPOCHS = 32, 2
SHORT = {"ifeval": ifeval_tasks, "math": math_tasks, "code": code_tasks}


def draw(stream, counts):
    """Rows with the recipe's answers, from a named stream: training items, even, no two alike."""
    out = []
    for name, count in counts.items():
        rng, seen = generator(f"{stream}/{name}"), set()
        while len(seen) < count:
            if name == "agentic":
                row, answer = agentic_tasks.make_item(rng, False, False, LONG_STEPS if rng.random() < LONG_SHARE else SHORT_STEPS)
            else:
                row, answer = SHORT[name].make_item(rng, False)
            if name == "code":
                row["test"] = code_tasks.make_test(rng, row)
            identity = json.dumps(row.get("messages") or row.get("prompt") or row["problem"])
            if identity in seen or (name == "code" and row["test"] is None):
                continue
            seen.add(identity)
            out.append((name, row, answer))
    return out


@torch.no_grad()
def sample(model, sequences, stop_id, rng, max_new):
    """One sampled continuation of each token-id list at TEMPERATURE, right-cut at stop_id; equal lengths share a batch."""
    out, by_length = [None] * len(sequences), {}
    for i, s in enumerate(sequences):
        by_length.setdefault(len(s), []).append(i)
    for indices in by_length.values():
        for start in range(0, len(indices), 64):
            part = indices[start:start + 64]
            step, cache, new = torch.tensor([sequences[i] for i in part]), None, []
            alive = torch.ones(len(part), dtype=torch.bool)
            for _ in range(max_new):
                done = model(step.to(model.device), past_key_values=cache, use_cache=True, logits_to_keep=1)
                cache = done.past_key_values
                step = torch.multinomial((done.logits[:, -1].cpu() / TEMPERATURE).softmax(-1), 1, generator=rng)
                new.append(step)
                alive &= step[:, 0] != stop_id
                if not alive.any():
                    break
            for i, row in zip(part, torch.cat(new, 1).tolist()):
                out[i] = row[:row.index(stop_id)] if stop_id in row else row
    return out


def kept(path, make):
    """What `make` gives, drawn once and kept as JSON."""
    if not path.exists():
        path.write_text(json.dumps(make()), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def preference_pairs(model, tokenizer, items):
    """[{family, prompt, chosen, rejected}] as token ids, where the greedy answer fails."""
    drawn, pairs = draw("dpo", DPO_ITEMS), []
    prompts = items.encode([items.prompt(row) for _, row, _ in drawn])
    said = greedy(model, prompts, items.stop, 96)
    passed = check_all([row for _, row, _ in drawn], [tokenizer.decode(s) for s in said])
    for (name, _, answer), prompt, own, ok in zip(drawn, prompts, said, passed):
        if not ok:
            pairs.append({"family": name, "prompt": prompt, "chosen": items.encode([answer])[0] + [items.stop], "rejected": own + [items.stop]})
    print("pairs:", {n: sum(p["family"] == n for p in pairs) for n in DPO_ITEMS}, "of", DPO_ITEMS, flush=True)
    return pairs


def sampled_answers(model, tokenizer, items):
    """[{family, prompt, chosen}]: passing samples of items that the model sometimes fails, then as many that it always passes."""
    drawn, rng = draw("rs", RS_ITEMS), torch.Generator().manual_seed(1)
    prompts = items.encode([items.prompt(row) for _, row, _ in drawn])
    said = sample(model, [p for p in prompts for _ in range(SAMPLES)], items.stop, rng, 96)
    passed = check_all([row for _, row, _ in drawn for _ in range(SAMPLES)], [tokenizer.decode(s) for s in said])
    mixed, easy = [], []
    for i, (name, _, _) in enumerate(drawn):
        good = [said[i * SAMPLES + k] for k in range(SAMPLES) if passed[i * SAMPLES + k]]
        if good:
            (easy if len(good) == SAMPLES else mixed).append({"family": name, "prompt": prompts[i], "chosen": good[0] + [items.stop]})
    print("rejection sampling:", f"{sum(passed) / len(passed):.3f} of the samples pass;", len(mixed), "mixed items,", len(easy), "always passed", flush=True)
    return mixed + easy[:: max(1, len(easy) // max(1, len(mixed)))][:len(mixed)]


def log_probabilities(model, pad, rows):
    """Summed log-probability of each answer: rows are (prompt ids, answer ids)."""
    width = max(len(p) + len(a) for p, a in rows)
    ids = torch.tensor([p + a + [pad] * (width - len(p) - len(a)) for p, a in rows])
    hidden = model.model(input_ids=ids.to(DEVICE), use_cache=False).last_hidden_state
    out = []
    for i, (p, a) in enumerate(rows):
        logits = model.lm_head(hidden[i, len(p) - 1:len(p) + len(a) - 1])
        out.append(-F.cross_entropy(logits, torch.tensor(a).to(DEVICE), reduction="sum"))
    return torch.stack(out)


def micro_batches(part, tokens=3000):
    """Splits rows, longest first, so that a padded micro-batch stays under so many tokens."""
    part, out = sorted(part, key=lambda r: -len(r["prompt"])), []
    for row in part:
        if out and len(out[-1][0]["prompt"]) * (len(out[-1]) + 1) < tokens:
            out[-1].append(row)
        else:
            out.append([row])
    return out


def run(args, tokenizer, name, start, member, rows_of, losses):
    """A stage over rows drawn once: EPOCHS passes in a fixed random order with AdamW, warm-up and linear decay."""
    model, items = load_model(MODELS / start).to(DEVICE), FamilyItems(tokenizer)
    rows = kept(Path(args.state) / f"{name}-rows.json", lambda: rows_of(model, tokenizer, items))
    model.train()
    stage = Stage(args, name, model, [(torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.0), RATE)])
    a_pass = len(rows) // BATCH
    steps = EPOCHS * a_pass
    if stage.step >= steps and (MODELS / member / "model.safetensors").exists():
        return
    while stage.step < steps:
        stage.wait()
        order = list(range(len(rows)))
        generator(f"{name}/epoch/{stage.step // a_pass}").shuffle(order)
        first = stage.step % a_pass * BATCH
        part, sums, tokens = [rows[i] for i in order[first:first + BATCH]], {}, 0
        for micro in micro_batches(part):
            loss, figures, count = losses(model, items, micro)
            (loss / BATCH).backward()
            tokens += count
            for key, value in figures.items():
                sums[key] = sums.get(key, 0.0) + value / BATCH
        if not all(math.isfinite(v) for v in sums.values()):
            raise SystemExit(f"{name}: the loss is not finite at step {stage.step}")
        step_optimizers(model, stage.optimizers, max(0.02, min((stage.step + 1) / WARMUP, 1.0, (steps - stage.step) / steps)))
        stage.done(tokens, last=stage.step + 1 == steps, every=5, **sums)
    export(model.eval(), member, stage.log)


def dpo(args, tokenizer):
    reference = load_model(MODELS / "demo-1m-sft-1100").to(DEVICE)

    def losses(model, items, part):
        rows = [(r["prompt"], r["chosen"]) for r in part] + [(r["prompt"], r["rejected"]) for r in part]
        with torch.no_grad():
            base = log_probabilities(reference, items.pad, rows)
        own = log_probabilities(model, items.pad, rows)
        chosen, rejected = (own - base).chunk(2)
        margin = BETA * (chosen - rejected)
        lengths = torch.tensor([len(r["chosen"]) for r in part], device=DEVICE)
        loss = (-F.logsigmoid(margin) - CHOSEN_LOSS * own[:len(part)] / lengths).sum()
        return loss, {"loss": loss.item(), "margin": margin.sum().item(), "right": float((margin > 0).sum())}, sum(len(p) + len(a) for p, a in rows)

    run(args, tokenizer, "dpo", "demo-1m-sft-1100", "demo-1m-dpo", preference_pairs, losses)


def rs(args, tokenizer):
    def losses(model, items, part):
        rows = [(r["prompt"], r["chosen"]) for r in part]
        lengths = torch.tensor([len(r["chosen"]) for r in part], device=DEVICE)
        loss = (-log_probabilities(model, items.pad, rows) / lengths).sum()
        return loss, {"loss": loss.item()}, sum(len(p) + len(a) for p, a in rows)

    run(args, tokenizer, "rs", "demo-1m-dpo", "demo-1m-rs", sampled_answers, losses)


STAGES = {"dpo": dpo, "rs": rs}
