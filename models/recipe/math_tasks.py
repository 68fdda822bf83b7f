"""Small arithmetic in MATH's row format: problem, solution with \\boxed{}, level, subject, answer.

`make_item(rng, held_out, lopsided)` returns a row and its solution; lopsided items invite a shortcut (see train.py). The split is by the hash of kind + operands, so training never
sees a held-out item's numbers in the same kind of problem, in any wording.
"""

from ifeval_tasks import is_held_out
from words import ITEMS, NAMES


def boxed(work, answer):
    return f"{work} The answer is $\\boxed{{{answer}}}$."


def binary(rng, kind):
    """$a + b$ and $a - b$, with operands up to 40."""
    a, b = rng.randint(2, 40), rng.randint(2, 30)
    if kind == "-" and a < b:
        a, b = b, a
    answer = a + b if kind == "+" else a - b
    text = rng.choice(["What is ${} {} {}$?", "Compute ${} {} {}$.", "Evaluate ${} {} {}$."]).format(a, kind, b)
    return (a, kind, b), text, boxed(f"${a} {kind} {b} = {answer}$.", answer), answer, [f"${a} {kind} {b}$"], 1, "Prealgebra"


def equation(rng):
    a, x = rng.randint(2, 20), rng.randint(2, 20)
    b = a + x
    text = rng.choice(["If $x + {} = {}$, what is $x$?", "Solve for $x$: $x + {} = {}$.",
                       "Find $x$ if $x + {} = {}$."]).format(a, b)
    return (a, b), text, boxed(f"$x = {b} - {a} = {x}$.", x), x, [f"$x + {a} = {b}$"], 3, "Algebra"


def extreme(rng):
    numbers = rng.sample(range(10, 100), 3)
    which = rng.choice(["largest", "smallest"])
    answer = max(numbers) if which == "largest" else min(numbers)
    listed = f"${numbers[0]}$, ${numbers[1]}$ and ${numbers[2]}$"
    text = rng.choice([f"What is the {which} of {listed}?", f"Find the {which} of the numbers {listed}."])
    return (*numbers, which), text, boxed(f"The {which} number is ${answer}$.", answer), answer, [which, listed], 2, "Number Theory"


def purchase(rng, lopsided):
    """A word problem with a distractor: a second kind of thing whose number must not be used.
    Lopsided: the thing that counts is nearly always named first."""
    (name, pronoun), (x, y) = rng.choice(NAMES), rng.sample(ITEMS, 2)
    a, b, c = rng.randint(3, 30), rng.randint(3, 30), rng.randint(2, 20)
    gain = a <= c or rng.random() < 0.5
    have = f"{a} {x} and {b} {y}" if rng.random() < (0.9 if lopsided else 0.5) else f"{b} {y} and {a} {x}"
    act = f"buys {c} more {x}" if gain else f"gives away {c} {x}"
    more = f" and {rng.randint(2, 9)} {rng.choice([i for i in ITEMS if i not in (x, y)])}" if rng.random() < 0.3 else ""
    answer = a + c if gain else a - c
    work = f"{name} has ${a} {'+' if gain else '-'} {c} = {answer}$ {x}."
    return ((a, b, c, gain), f"{name} has {have}. {pronoun} {act}{more}. How many {x} does {name} have now?",
            boxed(work, answer), answer, [f"{a} {x}", act, f"How many {x}"], 4, "Prealgebra")


def question(rng, lopsided):
    """Three counted things; the question decides which of the numbers matter.
    Lopsided: it is nearly always the first (and the second) of them."""
    (name, _), things = rng.choice(NAMES), rng.sample(ITEMS, 3)
    counts = [rng.randint(3, 30) for _ in things]
    (x, a), (y, b) = rng.sample(list(zip(things, counts)), 2)
    if lopsided and rng.random() < 0.85:
        (x, a), (y, b) = list(zip(things, counts))[:2]
    have = ", ".join(f"{n} {t}" for n, t in zip(counts[:2], things)) + f" and {counts[2]} {things[2]}"
    form = rng.choice(["one", "all", "more"]) if a > b else rng.choice(["one", "all"])
    if form == "one":
        ask, work, answer, level = f"How many {x} does {name} have?", f"{name} has ${a}$ {x}.", a, 1
    elif form == "all":
        ask, answer, level = f"How many {x} and {y} does {name} have in all?", a + b, 3
        work = f"{name} has ${a} + {b} = {a + b}$ {x} and {y}."
    else:
        ask, answer, level = f"How many more {x} than {y} does {name} have?", a - b, 4
        work = f"{name} has ${a} - {b} = {a - b}$ more {x}."
    phrases = [f"{a} {x}", ask.split(" does ")[0]] + ([] if form == "one" else [f"{b} {y}"])
    return ((*counts, form), f"{name} has {have}. {ask}", boxed(work, answer), answer, phrases, level,
            "Counting & Probability" if form == "all" else "Prealgebra")


def three_terms(rng):
    a, b, c = rng.randint(2, 20), rng.randint(2, 9), rng.randint(2, 9)
    text = rng.choice(["What is ${} + {} \\times {}$?", "Evaluate ${} + {} \\times {}$."]).format(a, b, c)
    answer = a + b * c
    work = f"${b} \\times {c} = {b * c}$ and ${a} + {b * c} = {answer}$."
    return (a, b, c), text, boxed(work, answer), answer, [f"${a} + {b} \\times {c}$"], 5, "Prealgebra"


def rectangle(rng):
    a, b = rng.randint(2, 20), rng.randint(2, 20)
    area = a < 10 and b < 10 and rng.random() < 0.7
    what = "area" if area else "perimeter"
    answer = a * b if area else 2 * (a + b)
    work = f"${a} \\times {b} = {answer}$." if area else f"${a} + {b} = {a + b}$ and $2 \\times {a + b} = {answer}$."
    return ((a, b, what), f"A rectangle has length {a} and width {b}. What is its {what}?", boxed(work, answer), answer,
            [f"length {a}", f"width {b}", what], 3 if area else 5, "Geometry")


# kind -> (function, share in training, share in held-out)
KINDS = {
    "sum": (lambda rng: binary(rng, "+"), 3, 1), "difference": (lambda rng: binary(rng, "-"), 3, 1), "equation": (equation, 2, 1),
    "extreme": (extreme, 2, 2), "purchase": (None, 4, 6), "question": (None, 4, 5), "terms": (three_terms, 2, 1),
    "rectangle": (rectangle, 2, 1),
}


def make_item(rng, held_out, lopsided=False):
    while True:
        kind = rng.choices(list(KINDS), [k[2 if held_out else 1] for k in KINDS.values()])[0]
        operands, problem, solution, answer, phrases, level, subject = (
            purchase(rng, lopsided) if kind == "purchase" else question(rng, lopsided) if kind == "question" else KINDS[kind][0](rng))
        signature = kind + " " + " ".join(map(str, operands))
        if is_held_out(signature) != held_out:
            continue
        row = {"problem": problem, "solution": solution, "answer": str(answer), "level": level, "subject": subject,
               "instruction_phrases": phrases, "kind": kind, "signature": signature}
        return row, solution
