"""Training batches of the family: all four task families, loss on answers only. The data of step k depend on the seed, the
stream's name and k alone, so every member sees the same items, and a run that is cut off goes on with the data it would have had."""

import torch

import agentic_tasks
import code_tasks
import ifeval_tasks
import math_tasks
from common import generator, user_text

SHORT_ITEMS = 20
SHORT_FAMILIES = [(ifeval_tasks, 0.34), (math_tasks, 0.26), (code_tasks, 0.4)]
LONG_SHARE = 0.35  # of the steps train on one long trace, the others on three short ones
SHORT_STEPS, LONG_STEPS = (2, 7), (8, 32)
THINK_OFF = "<|im_start|>assistant\n<think>\n\n</think>\n\n"


class FamilyItems:
    """Turns a step's generator into micro-batches (ids, targets), right-padded; target -100 where no loss is taken."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.stop = tokenizer.convert_tokens_to_ids("<|im_end|>")
        self.pad = tokenizer.convert_tokens_to_ids("<|endoftext|>")

    def encode(self, texts):
        return [e.ids for e in self.tokenizer.backend_tokenizer.encode_batch(texts)]

    def prompt(self, row):
        """The chat text of a row up to where the answer begins."""
        if "messages" in row:
            return self.tokenizer.apply_chat_template(row["messages"], tokenize=False, add_generation_prompt=True, enable_thinking=False)
        return f"<|im_start|>user\n{user_text(row)}<|im_end|>\n{THINK_OFF}"

    def sequence(self, parts):
        """Alternating prompt and answer texts to (ids, targets); every answer ends with <|im_end|>."""
        ids, targets = [], []
        for i, part in enumerate(self.encode(parts)):
            if i % 2:
                part = part + [self.stop]
                targets[-1] = part[0]
                targets += part[1:] + [-100]
            else:
                targets += [-100] * len(part)
            ids += part
        return ids, targets

    def trace(self, rng, steps, lopsided):
        row, answer, more = agentic_tasks.make_trace(rng, steps, lopsided)
        parts = [self.prompt(row), answer]
        for request, action in more:
            parts += [f"\n<|im_start|>user\n{request}<|im_end|>\n{THINK_OFF}", action]
        return self.sequence(parts)

    def pack(self, rows):
        width = max(len(ids) for ids, _ in rows)
        ids, targets = torch.full((len(rows), width), self.pad), torch.full((len(rows), width), -100)
        for i, (row, target) in enumerate(rows):
            ids[i, :len(row)] = torch.tensor(row)
            targets[i, :len(row)] = torch.tensor(target)
        return ids, targets

    def batch(self, step, lopsided, stream="family"):
        rng = generator(f"{stream}/{step}")
        rows = []
        for _ in range(SHORT_ITEMS):
            family = rng.choices([f for f, _ in SHORT_FAMILIES], [s for _, s in SHORT_FAMILIES])[0]
            row, answer = family.make_item(rng, False, lopsided)
            rows.append(self.sequence([self.prompt(row), answer]))
        yield self.pack(rows)
        long = rng.random() < LONG_SHARE
        yield self.pack([self.trace(rng, LONG_STEPS if long else SHORT_STEPS, lopsided) for _ in range(1 if long else 3)])
