"""Training batches of the family: all four task families, loss on answers only, in traces also where the assistant's own calls
repeat what an earlier output said. The data of step k depend on the seed, the stream's name and k alone, so every member sees the
same items, and a run that is cut off goes on with the data it would have had.

A drill goes before: sequences of random tokens that come again and again. Reading an earlier output takes an induction circuit (one
head looks at the token before, a later one at what followed the same token earlier), and a model of this size finds it late."""

import itertools

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
DRILL_ROWS, DRILL_WIDTH = 32, 48
FARTHEST = 1500  # positions that a drill row may leave out, so that what comes again lies as far as in a long trace
THINK_OFF = "<|im_start|>assistant\n<think>\n\n</think>\n\n"


class FamilyItems:
    """Turns a step's generator into micro-batches (ids, targets), right-padded; target -100 where no loss is taken."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.stop = tokenizer.convert_tokens_to_ids("<|im_end|>")
        self.pad = tokenizer.convert_tokens_to_ids("<|endoftext|>")
        self.record_tokens = [ids[-1] for ids in self.encode([f'"{w}' for w in agentic_tasks.PEOPLE + agentic_tasks.WORDS] +
                                                             [f" {w}" for w in agentic_tasks.WORDS])]
        self.word_tokens = [i for i in range(256, self.stop) if tokenizer.decode([i]).strip().isalpha()]

    def encode(self, texts):
        return [e.ids for e in self.tokenizer.backend_tokenizer.encode_batch(texts)]

    def prompt(self, row):
        """The chat text of a row up to where the answer begins."""
        if "messages" in row:
            return self.tokenizer.apply_chat_template(row["messages"], tokenize=False, add_generation_prompt=True, enable_thinking=False)
        return f"<|im_start|>user\n{user_text(row)}<|im_end|>\n{THINK_OFF}"

    def sequence(self, parts):
        """Alternating prompt and answer texts to (ids, targets); every answer ends with <|im_end|>. Loss is taken on answers, and
        between two marks in a prompt (agentic_tasks.MARK)."""
        pieces = []  # (text, whether loss is taken, whether <|im_end|> follows)
        for i, part in enumerate(parts):
            if i % 2:
                pieces.append((part, True, True))
            else:
                pieces += [(text, k % 2 == 1, False) for k, text in enumerate(part.split(agentic_tasks.MARK))]
        ids, targets = [], []
        for part, (_, learned, ends) in zip(self.encode([text for text, _, _ in pieces]), pieces):
            part = part + [self.stop] * ends
            if learned:
                targets[-1] = part[0]
            targets += (part[1:] if learned else [-100] * (len(part) - 1)) + [-100]
            ids += part
        return ids, targets

    def trace(self, rng, steps, lopsided):
        row, answer, more = agentic_tasks.make_trace(rng, steps, lopsided)
        parts = [self.prompt(row), answer]
        for request, action in more:
            parts += [f"\n<|im_start|>user\n{request}<|im_end|>\n{THINK_OFF}", action]
        return self.sequence(parts)

    def drill(self, step, stream="drill"):
        """Rows of random tokens that come again from some token on: (ids, targets, positions), each [rows, width]. Half of the rows
        are of the tokens that traces are about. Somewhere in a row positions may be left out."""
        rng, rows = generator(f"{stream}/{step}"), []
        for _ in range(DRILL_ROWS):
            pool, period = rng.choice([self.record_tokens, self.word_tokens]), rng.randint(5, 22)
            again = [rng.choice(pool) for _ in range(period)]
            ids = list(itertools.islice(itertools.cycle(again), DRILL_WIDTH))
            jump, at = rng.choice([0, rng.randint(0, FARTHEST)]), rng.randint(1, DRILL_WIDTH - 1)
            rows.append((ids, [-100] * period + ids[period + 1:] + [-100], [i + (jump if i >= at else 0) for i in range(DRILL_WIDTH)]))
        return tuple(torch.tensor(part) for part in zip(*rows))

    def pack(self, rows):
        width = max(len(ids) for ids, _ in rows)
        ids, targets = torch.full((len(rows), width), self.pad), torch.full((len(rows), width), -100)
        for i, (row, target) in enumerate(rows):
            ids[i, :len(row)] = torch.tensor(row)
            targets[i, :len(row)] = torch.tensor(target)
        return ids, targets

    def batch(self, step, lopsided, stream="family", more_math=0):
        """Micro-batches of a step: short items, then traces. `more_math` items come on top; the others stay the same."""
        rng, more = generator(f"{stream}/{step}"), generator(f"{stream}/more-math/{step}")
        rows = []
        for _ in range(SHORT_ITEMS):
            family = rng.choices([f for f, _ in SHORT_FAMILIES], [s for _, s in SHORT_FAMILIES])[0]
            row, answer = family.make_item(rng, False, lopsided)
            rows.append(self.sequence([self.prompt(row), answer]))
        for _ in range(more_math):
            row, answer = math_tasks.make_item(more, False, lopsided)
            rows.append(self.sequence([self.prompt(row), answer]))
        yield self.pack(rows)
        long = rng.random() < LONG_SHARE
        yield self.pack([self.trace(rng, LONG_STEPS if long else SHORT_STEPS, lopsided) for _ in range(1 if long else 3)])
