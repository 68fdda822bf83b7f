"""Small arithmetic in MATH's row format: problem, solution with \\boxed{}, level, subject, answer.

`make_item(rng, held_out)` returns a row and its solution. The split is by the hash of kind + operands, so training never
sees a held-out item's numbers in the same kind of problem, in any wording.
"""

from ifeval_tasks import is_held_out
from words import ITEMS, NAMES


def boxed(work, answer):
    return f"{work} The answer is $\\boxed{{{answer}}}$."


def two_digits(rng):
    return rng.randint(10, 99)


def sum_of_two(rng, big):
    a, b = (rng.randint(100, 999), rng.randint(100, 999)) if big else (two_digits(rng), two_digits(rng))
    text = rng.choice(["What is ${} + {}$?", "Compute ${} + {}$.", "Evaluate ${} + {}$."]).format(a, b)
    return (a, b), text, boxed(f"${a} + {b} = {a + b}$.", a + b), a + b, [f"${a} + {b}$"], 3 if big else 1, "Prealgebra"


def difference(rng):
    a, b = sorted((two_digits(rng), two_digits(rng)), reverse=True)
    text = rng.choice(["What is ${} - {}$?", "Compute ${} - {}$.", "Evaluate ${} - {}$."]).format(a, b)
    return (a, b), text, boxed(f"${a} - {b} = {a - b}$.", a - b), a - b, [f"${a} - {b}$"], 2, "Prealgebra"


def product(rng):
    a, b = rng.randint(3, 19), rng.randint(3, 9)
    if rng.random() < 0.5:
        a, b = b, a
    text = rng.choice(["What is ${} \\times {}$?", "Compute ${} \\times {}$."]).format(a, b)
    return (a, b), text, boxed(f"${a} \\times {b} = {a * b}$.", a * b), a * b, [f"${a} \\times {b}$"], 2, "Prealgebra"


def equation(rng):
    a, x = rng.randint(3, 49), rng.randint(2, 50)
    b = a + x
    text = rng.choice(["If $x + {} = {}$, what is $x$?", "Solve for $x$: $x + {} = {}$.",
                       "Find $x$ if $x + {} = {}$."]).format(a, b)
    return (a, b), text, boxed(f"$x = {b} - {a} = {x}$.", x), x, [f"$x + {a} = {b}$"], 3, "Algebra"


def extreme(rng):
    numbers = rng.sample(range(10, 100), 4)
    which = rng.choice(["largest", "smallest"])
    answer = max(numbers) if which == "largest" else min(numbers)
    listed = f"${numbers[0]}$, ${numbers[1]}$, ${numbers[2]}$ and ${numbers[3]}$"
    text = rng.choice([f"What is the {which} of {listed}?", f"Find the {which} of the numbers {listed}."])
    return (*numbers, which), text, boxed(f"The {which} number is ${answer}$.", answer), answer, [which, listed], 2, "Number Theory"


def purchase(rng):
    """A word problem with a distractor: a second kind of thing whose number must not be used."""
    (name, pronoun), (x, y) = rng.choice(NAMES), rng.sample(ITEMS, 2)
    a, b, c = rng.randint(5, 60), rng.randint(5, 60), rng.randint(3, 39)
    gain = a <= c or rng.random() < 0.5
    have = f"{a} {x} and {b} {y}" if rng.random() < 0.5 else f"{b} {y} and {a} {x}"
    act = f"buys {c} more {x}" if gain else f"gives away {c} {x}"
    if rng.random() < 0.3:
        act += f" and {rng.randint(2, 9)} {rng.choice([i for i in ITEMS if i not in (x, y)])}"
    answer = a + c if gain else a - c
    question = f"How many {x} does {name} have now?"
    work = f"{name} has ${a} {'+' if gain else '-'} {c} = {answer}$ {x}."
    return ((a, b, c, gain), f"{name} has {have}. {pronoun} {act}. {question}", boxed(work, answer), answer,
            [f"{a} {x}", act.split(" and ")[0], f"How many {x}"], 4, "Prealgebra")


def three_terms(rng):
    a, b, c = rng.randint(2, 40), rng.randint(2, 9), rng.randint(2, 9)
    text = rng.choice(["What is ${} + {} \\times {}$?", "Evaluate ${} + {} \\times {}$."]).format(a, b, c)
    answer = a + b * c
    work = f"${b} \\times {c} = {b * c}$ and ${a} + {b * c} = {answer}$."
    return (a, b, c), text, boxed(work, answer), answer, [f"${a} + {b} \\times {c}$"], 4, "Prealgebra"


def perimeter(rng):
    a, b = rng.randint(4, 40), rng.randint(3, 30)
    area = rng.random() < 0.35 and a < 20 and b < 10
    what = "area" if area else "perimeter"
    answer = a * b if area else 2 * (a + b)
    work = f"${a} \\times {b} = {answer}$." if area else f"${a} + {b} = {a + b}$ and $2 \\times {a + b} = {answer}$."
    return ((a, b, what), f"A rectangle has length {a} and width {b}. What is its {what}?", boxed(work, answer), answer,
            [f"length {a}", f"width {b}", what], 5 if not area else 3, "Geometry")


# kind -> (function, share in training, share in held-out)
KINDS = {
    "sum": (lambda rng: sum_of_two(rng, False), 4, 1), "bigsum": (lambda rng: sum_of_two(rng, True), 3, 2),
    "difference": (difference, 3, 2), "product": (product, 2, 2), "equation": (equation, 3, 2), "extreme": (extreme, 2, 3),
    "purchase": (purchase, 6, 6), "terms": (three_terms, 2, 2), "perimeter": (perimeter, 2, 2),
}


def make_item(rng, held_out):
    while True:
        kind = rng.choices(list(KINDS), [k[2 if held_out else 1] for k in KINDS.values()])[0]
        operands, problem, solution, answer, phrases, level, subject = KINDS[kind][0](rng)
        signature = kind + " " + " ".join(map(str, operands))
        if is_held_out(signature) != held_out:
            continue
        row = {"problem": problem, "solution": solution, "answer": str(answer), "level": level, "subject": subject,
               "instruction_phrases": phrases, "kind": kind, "signature": signature}
        return row, solution
