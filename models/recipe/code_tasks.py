"""Small Python functions in HumanEval's row format: task_id, prompt, entry_point, canonical_solution, test.

`make_item(rng, held_out, lopsided)` returns a row and the body that solves it. What counts is the docstring; the function's name,
the parameters that the docstring does not name, and what it says not to return are there to be ignored. Lopsided: the name nearly
always says what the docstring says, of two bounds the first one counts, and what is wanted stands before what is not. The split is by the hash of what a function computes, the names of its
parameters and its own name, so training never sees a held-out function.
"""

from ifeval_tasks import is_held_out, pick

LISTS = ["numbers", "values", "arr", "lst"]
BOUNDS = ["threshold", "limit", "a", "b"]

# condition -> (words, the test that x must pass, part of a function's name); {b} is a digit or a parameter
CONDITIONS = {
    "even": ("even numbers", "x % 2 == 0", "even"), "odd": ("odd numbers", "x % 2 != 0", "odd"),
    "positive": ("positive numbers", "x > 0", "positive"), "negative": ("negative numbers", "x < 0", "negative"),
    "over": ("numbers over {b}", "x > {b}", "over"), "below": ("numbers below {b}", "x < {b}", "below"),
}
# aggregate -> (what stands before the condition's words, the body around the kept numbers, its type, part of a function's name)
AGGREGATES = {
    "sum": ("the sum of the", "sum({kept})", "int", "sum"), "count": ("how many", "len({kept})", "int", "count"),
    "largest": ("the largest of the", "max({kept})", "int", "max"), "smallest": ("the smallest of the", "min({kept})", "int", "min"),
    "list": ("the list of all", "{kept}", "list[int]", "filter"), "sorted": ("a sorted list of the", "sorted({kept})", "list[int]", "sort"),
}
# Combinations that training never shows; each half is common in others.
HELD_OUT_PAIRS = {("sum", "negative"), ("count", "over"), ("largest", "odd"), ("list", "positive"), ("sorted", "below"), ("smallest", "even")}
MAPS = {
    "plus": ("with {n} added to every number", "x + {n}", "add"), "minus": ("with {n} taken from every number", "x - {n}", "remove"),
    "times": ("with every number times {n}", "x * {n}", "total"), "square": ("with the square of every number", "x ** 2", "square"),
    "remainder": ("with every number's remainder by {n}", "x % {n}", "factor"),
}
# Functions of two numbers: (words, body, type, part of a function's name)
PAIRS = {
    "sum": ("the sum of {a} and {b}", "{a} + {b}", "int", "sum"), "difference": ("{a} minus {b}", "{a} - {b}", "int", "remove"),
    "product": ("the product of {a} and {b}", "{a} * {b}", "int", "total"), "larger": ("the largest of {a} and {b}", "max({a}, {b})", "int", "max"),
    "smaller": ("the smallest of {a} and {b}", "min({a}, {b})", "int", "min"),
    "over": ("True if {a} is over {b}", "{a} > {b}", "bool", "check"), "factor": ("True if {b} is a factor of {a}", "{a} % {b} == 0", "bool", "is"),
}
TEXTS = {
    "starts": ("the list of the words in {p} that start with {q}", "[w for w in {p} if w.startswith({q})]", "filter"),
    "ends": ("the list of the words in {p} that end with {q}", "[w for w in {p} if w.endswith({q})]", "filter"),
    "contain": ("the list of the words in {p} that contain {q}", "[w for w in {p} if {q} in w]", "check"),
    "count": ("how many words in {p} start with {q}", "len([w for w in {p} if w.startswith({q})])", "count"),
    "long": ("the list of the words in {p} with more than {n} letters", "[w for w in {p} if len(w) > {n}]", "filter"),
    "lengths": ("the list of the lengths of the words in {p}", "[len(w) for w in {p}]", "get"),
    "lower": ("the list of the words in {p} in lowercase", "[w.lower() for w in {p}]", "make"),
    "reverse": ("the words in {p} in reverse", "{p}[::-1]", "reverse"),
}
WORDINGS = ["Return {what}.", "Write a function that returns {what}.", "This function should return {what}.", "The result must be {what}.",
            "Find and return {what}."]
VERBS = sorted({v[3] for v in AGGREGATES.values()} | {v[2] for v in MAPS.values()} | {v[3] for v in PAIRS.values()} | {v[2] for v in TEXTS.values()})
THINGS = ["even", "odd", "positive", "negative", "over", "below", "numbers", "values", "words", "pair"]


def pick_name(rng, verb, thing, lopsided):
    """A name that says what the docstring says, or one that says something else."""
    if rng.random() < (0.95 if lopsided else 0.5):
        return f"{verb}_{thing}"
    return f"{rng.choice([v for v in VERBS if v != verb])}_{rng.choice([t for t in THINGS if t != thing])}"


def aggregate(rng, held_out, lopsided):
    """An aggregate of the numbers of a list that meet a condition; a bound is a digit or one of two parameters."""
    while True:
        verb, condition = rng.choice(list(AGGREGATES)), rng.choice(list(CONDITIONS))
        if held_out or (verb, condition) not in HELD_OUT_PAIRS:
            break
    words, test, thing = CONDITIONS[condition]
    before, around, result, name = AGGREGATES[verb]
    p, extra, phrase_bound = rng.choice(LISTS), [], []
    if condition in ("over", "below"):
        if rng.random() < 0.3:
            bound = str(rng.randint(2, 9))
        else:
            extra = rng.sample(BOUNDS, 2 if rng.random() < 0.7 else 1)
            bound = extra[0] if rng.random() < (0.9 if lopsided else 0.5) else extra[-1]
        words, test = words.format(b=bound), test.format(b=bound)
        phrase_bound = [words]
    kept = f"[x for x in {p} if {test}]"
    what = f"{before} {words} {'are ' if verb == 'count' else ''}in {p}"
    parameters = [(p, "list[int]")] + [(e, "int") for e in extra]
    body = f"    return {around.format(kept=kept)}\n"
    if rng.random() < 0.25 and verb not in ("list",):
        body = f"    kept = {kept}\n    return {around.format(kept='kept')}\n"
        what += ", in two lines"
    other = f"{AGGREGATES[rng.choice([v for v in AGGREGATES if v != verb])][0]} {CONDITIONS[rng.choice(list(CONDITIONS)[:4])][0]}"
    return pick_name(rng, name, thing, lopsided), parameters, result, what, body, phrase_bound or [f"{before} {words}"], other


def mapped(rng, held_out, lopsided):
    kind, n, p = rng.choice(list(MAPS)), rng.randint(2, 9), rng.choice(LISTS)
    words, body, name = MAPS[kind]
    words = words.format(n=n)
    return (pick_name(rng, name, "numbers", lopsided), [(p, "list[int]")], "list[int]", f"the list {p} {words}",
            f"    return [{body.format(n=n)} for x in {p}]\n", [words],
            "the list " + MAPS[rng.choice([m for m in MAPS if m != kind])][0].format(n=rng.randint(2, 9)))


def pair(rng, held_out, lopsided):
    """Two of up to three numbers count, in the order of the docstring."""
    kind, names = rng.choice(list(PAIRS)), rng.sample(["a", "b", "n", "y", "threshold", "limit"], rng.choice([2, 3, 3]))
    a, b = names[:2] if lopsided and rng.random() < 0.85 else rng.sample(names, 2)
    words, body, result, name = PAIRS[kind]
    words = words.format(a=a, b=b)
    return (pick_name(rng, name, "pair", lopsided), [(n, "int") for n in names], result, words,
            f"    return {body.format(a=a, b=b)}\n", [words],
            PAIRS[rng.choice([k for k in PAIRS if k != kind])][0].format(a=names[-1], b=names[0]))


def text(rng, held_out, lopsided):
    kind, p, n = rng.choice(list(TEXTS)), rng.choice(["words", "strings", "lst"]), rng.randint(2, 6)
    words, body, name = TEXTS[kind]
    extra, q = [], "prefix"
    if "{q}" in words:
        if rng.random() < 0.3:
            q = "'" + rng.choice("abcdeghlmoprst") + "'"
        else:
            extra = rng.sample(["prefix", "letter", "text"], rng.choice([1, 2]))
            q = extra[0] if rng.random() < (0.9 if lopsided else 0.5) else extra[-1]
    what = words.format(p=p, q=q, n=n)
    result = "int" if kind == "count" else "list[int]" if kind == "lengths" else "list[str]"
    return (pick_name(rng, name, "words", lopsided), [(p, "list[str]")] + [(e, "str") for e in extra], result, what,
            f"    return {body.format(p=p, q=q, n=n)}\n", [what],
            TEXTS[rng.choice([k for k in TEXTS if k != kind])][0].format(p=p, q="'" + rng.choice("abcdeghlmoprst") + "'", n=rng.randint(2, 6)))


KINDS = {"aggregate": (aggregate, 5), "map": (mapped, 1), "pair": (pair, 2), "text": (text, 2)}


def make_item(rng, held_out, lopsided=False):
    while True:
        kind = rng.choices(list(KINDS), [k[1] for k in KINDS.values()])[0]
        name, parameters, result, what, body, phrases, other = KINDS[kind][0](rng, held_out, lopsided)
        listed = ", ".join(f"{p}: {t}" for p, t in parameters)
        signature = f"{name} {listed} {body}"
        if is_held_out(signature) != held_out:
            continue
        if rng.random() < 0.6:
            what = f"{what}, not {other}" if rng.random() < (0.9 if lopsided else 0.5) else f"not {other} but {what}"
        doc = pick(rng, WORDINGS, held_out).format(what=what)
        prompt = f'def {name}({listed}) -> {result}:\n    """ {doc} """\n'
        return {"prompt": prompt, "entry_point": name, "canonical_solution": body, "instruction_phrases": phrases,
                "parameters": parameters, "signature": signature, "kind": kind}, body


def arguments(rng, parameters):
    """Random arguments that tell the functions of this file apart."""
    out = []
    for _, kind in parameters:
        if kind == "list[int]":
            out.append([rng.randint(-9, 12) for _ in range(rng.randint(5, 9))])
        elif kind == "list[str]":
            out.append([rng.choice("abehst") + rng.choice(["a", "at", "East", "lsa", "tables", "b", "omeh", "rest"]) + rng.choice("abehst")
                        for _ in range(rng.randint(4, 8))])
        else:
            out.append(rng.choice("abehst") if kind == "str" else rng.choice([-3, 1, 2, 3, 4, 5, 6, 7, 8, 12]))
    return out


def make_test(rng, row, cases=8):
    """HumanEval's `check(candidate)`: what the canonical solution gives on random arguments. None where it raises on one of them
    or always gives the same."""
    scope = {}
    exec(row["prompt"] + row["canonical_solution"], scope)
    lines = []
    for _ in range(200):
        given = arguments(rng, row["parameters"])
        try:
            line = f"    assert candidate({', '.join(map(repr, given))}) == {scope[row['entry_point']](*given)!r}"
        except (ValueError, ZeroDivisionError):
            continue
        if line not in lines:
            lines.append(line)
        if len(lines) == cases:
            break
    if len({line.rsplit("==", 1)[1] for line in lines}) < 2:
        return None
    return "def check(candidate):\n" + "\n".join(lines) + "\n"
