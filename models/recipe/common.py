"""Paths, chat rendering and batched greedy decoding shared by the recipe's programs."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import json
import random
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen3Config, Qwen3ForCausalLM
from transformers.cache_utils import DynamicCache

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

MODELS = Path(__file__).resolve().parent.parent
MODEL_DIR = MODELS / "demo-1m"
BENCHMARKS = {"demo-ifeval": MODELS / "benchmarks" / "demo-ifeval.jsonl", "demo-math": MODELS / "benchmarks" / "demo-math.jsonl"}
# demo-1m was trained on the first two; the family's other members on all four.
FAMILY_BENCHMARKS = {**BENCHMARKS, "demo-code": MODELS / "benchmarks" / "demo-code.jsonl", "demo-agentic": MODELS / "benchmarks" / "demo-agentic.jsonl"}
SEED = 20260


def read_jsonl(path):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines() if line]


def write_jsonl(path, rows):
    Path(path).write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")


def user_text(row):
    """What the user says: the prompt or problem itself."""
    return row["prompt"] if "prompt" in row else row["problem"]


def messages_of(row):
    return row.get("messages") or [{"role": "user", "content": user_text(row)}]


def load_tokenizer(folder=MODEL_DIR):
    return AutoTokenizer.from_pretrained(folder)


def render(tokenizer, row):
    """Chat text up to where the assistant's answer begins, thinking off."""
    return tokenizer.apply_chat_template(messages_of(row), tokenize=False, add_generation_prompt=True, enable_thinking=False)


def load_model(folder=MODEL_DIR):
    """The shipped weights (bf16) in float32 arithmetic."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()


def generator(name):
    """A random generator whose stream depends on the recipe's seed and a name only."""
    return random.Random(f"{SEED}/{name}")


@torch.no_grad()
def greedy(model, sequences, stop_id, max_new=96, batch=128):
    """Greedy continuations of token-id lists, right-cut at stop_id (dropped). Equal lengths share a batch: no padding, so
    each sequence gets the arithmetic it would get alone up to the order of summation."""
    out = [None] * len(sequences)
    by_length = {}
    for i, s in enumerate(sequences):
        by_length.setdefault(len(s), []).append(i)
    for indices in by_length.values():
        for start in range(0, len(indices), batch):
            part = indices[start:start + batch]
            ids = torch.tensor([sequences[i] for i in part], device=model.device)
            cache = DynamicCache(config=model.config)
            new = torch.empty(len(part), 0, dtype=torch.long, device=model.device)
            alive = torch.ones(len(part), dtype=torch.bool, device=model.device)
            step = ids
            for _ in range(max_new):
                logits = model(step, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1]
                step = logits.argmax(-1, keepdim=True)
                new = torch.cat([new, step], 1)
                alive &= step[:, 0] != stop_id
                if not alive.any():
                    break
            for i, row in zip(part, new.tolist()):
                out[i] = row[:row.index(stop_id)] if stop_id in row else row
    return out


@torch.no_grad()
def greedy_drafted(model, prompts, drafts, stop_id, max_new=96):
    """As `greedy`, for long prompts, one at a time: a draft of the answer is read with the prompt in one pass, kept up to where
    the model leaves it, and only from there on tokens are generated one by one."""
    out = []
    for prompt, draft in zip(prompts, drafts, strict=True):
        read = torch.tensor([prompt + draft], device=model.device)
        said = model(read, use_cache=False, logits_to_keep=len(draft) + 1).logits[0].argmax(-1).tolist()
        wanted = draft + [stop_id]
        place = next((i for i, (a, b) in enumerate(zip(said, wanted)) if a != b), None)
        if place is None:
            out.append(draft)
        elif said[place] == stop_id:
            out.append(draft[:place])
        else:
            kept = draft[:place] + [said[place]]
            out.append(kept + greedy(model, [prompt + kept], stop_id, max_new - len(kept))[0])
    return out
