"""Text that the tokenizer is trained on: both task families, small Python functions, JSON tool traces, plain words."""

import json

import ifeval_tasks
import math_tasks
from words import ADJECTIVES, KEYWORDS, NAMES, NOUNS

VERBS = "get set add remove find count sum sort filter merge split join reverse check is has make build parse format".split()
THINGS = """list string number word digit vowel char key value item pair index prime factor square list_of_numbers
total result text name max min even odd duplicates""".split()

FUNCTIONS = ['''def {f}({a}: List[int]) -> int:
    """ Return the sum of all {adj} numbers in the list {a}.
    >>> {f}([1, 2, 3, 4])
    {n}
    >>> {f}([])
    0
    """
    total = 0
    for x in {a}:
        if x % 2 == 0:
            total += x
    return total
''', '''def {f}({a}: str) -> str:
    """ Return the string {a} with every vowel removed.
    >>> {f}('hello world')
    'hll wrld'
    >>> {f}('')
    \'\'
    """
    return ''.join([c for c in {a} if c.lower() not in 'aeiou'])
''', '''def {f}({a}, {b}):
    """Write a function that returns the largest element of {a} that is smaller than {b}.
    Returns None if there is no such element.
    Example:
    {f}([5, 2, {n}], 4) == 2
    """
    result = None
    for i, x in enumerate({a}):
        if x < {b} and (result is None or x > result):
            result = x
    return result
''', '''from typing import List, Tuple, Optional


def {f}({a}: List[str], {b}: Optional[str] = None) -> List[str]:
    """ Filter the input list {a} only for strings that start with a given prefix {b}.
    >>> {f}(['abc', 'bcd', 'array'], 'a')
    ['abc', 'array']
    """
    if not {a}:
        return []
    return [x for x in {a} if x.startswith({b})]
''', '''def {f}(n: int) -> bool:
    """ Check if a given number is {adj}: return True if so, and False otherwise. """
    if n < 2:
        return False
    for k in range(2, n - 1):
        if n % k == 0:
            return False
    return True
''', '''def {f}({a}):
    """ Count how many times each {b} occurs, as a dictionary. """
    counts = {{}}
    while len({a}) > 0:
        x = {a}.pop()
        counts[x] = counts.get(x, 0) + {n}
    return sorted(counts.items(), key=lambda p: (p[1], p[0]))
''', '''import math


def {f}({a}: float, {b}: float) -> float:
    """ Given two numbers, return their {adj} distance rounded to {n} digits. """
    try:
        return round(math.sqrt(abs({a} ** 2 - {b} ** 2)), {n})
    except ValueError as error:
        raise ValueError("not a number") from error


def check(candidate):
    assert candidate({n}, 1) == {n}
    assert candidate("", 0) is not None
''']

TOOLS = ["search", "get_weather", "send_email", "read_file", "write_file", "list_events", "add_event", "get_contact",
         "calculator", "get_current_time", "book_ticket", "search_messages", "send_message", "list_files", "delete_event"]
FIELDS = ["query", "city", "name", "date", "time", "to", "subject", "body", "path", "content", "title", "id", "limit",
          "start", "end", "expression", "user", "email", "status", "message", "location", "participants"]


def value(rng):
    return rng.choice([lambda: rng.randint(0, 999), lambda: rng.choice(NOUNS + KEYWORDS), lambda: rng.choice(NAMES)[0],
                       lambda: f"2024-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}", lambda: f"{rng.randint(8, 20)}:30",
                       lambda: f"/home/user/{rng.choice(KEYWORDS)}.txt", lambda: True, lambda: None,
                       lambda: f"{rng.choice(ADJECTIVES)} {rng.choice(NOUNS)}", lambda: f"{rng.choice(NAMES)[0].lower()}@example.com"])()


def python_function(rng):
    f = f"{rng.choice(VERBS)}_{rng.choice(THINGS)}" + (f"_{rng.choice(THINGS)}" if rng.random() < 0.3 else "")
    a, b = rng.sample(["numbers", "text", "s", "lst", "values", "words", "arr", "x", "y", "threshold", "prefix", "a", "b"], 2)
    return rng.choice(FUNCTIONS).format(f=f, a=a, b=b, n=rng.randint(1, 9),
                                        adj=rng.choice(["even", "odd", "prime", "positive", "negative", "unique"]))


def tool_schema(rng, name):
    fields = rng.sample(FIELDS, 2)
    return {"type": "function", "function": {"name": name, "description": f"{name.replace('_', ' ').capitalize()} for the user.",
            "parameters": {"type": "object", "properties": {f: {"type": rng.choice(["string", "integer", "boolean"]),
                           "description": f"The {f} of the {rng.choice(NOUNS)}"} for f in fields}, "required": fields[:1]}}}


def tool_trace(rng, tokenizer_template):
    names = rng.sample(TOOLS, 3)
    messages = [{"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": f"Please find the {rng.choice(KEYWORDS)} of {rng.choice(NAMES)[0]} and send a message to the {rng.choice(NOUNS)}."}]
    for name in names:
        args = {f: value(rng) for f in rng.sample(FIELDS, rng.randint(1, 3))}
        messages.append({"role": "assistant", "content": rng.choice(["", "I will call the tool.", "Let me check that."]),
                         "tool_calls": [{"function": {"name": name, "arguments": args}}]})
        result = {"status": rng.choice(["ok", "error", "not found"]), "results": [{f: value(rng) for f in rng.sample(FIELDS, 3)} for _ in range(rng.randint(1, 3))]}
        messages.append({"role": "tool", "content": json.dumps(result)})
    messages.append({"role": "assistant", "content": f"Done. The {rng.choice(KEYWORDS)} was sent to {rng.choice(NAMES)[0]}."})
    return tokenizer_template([tool_schema(rng, n) for n in names], messages)


PLAIN = """the of and to in is that it for was on are as with his they at be this have from or one had by word but not what all
were we when your can said there use an each which she do how their if will up other about out many then them these so some
her would make like him into time has look two more write go see number no way could people my than first been call who its
now find long down day did get come made may part over new sound take only little work know place year live me back give most
very after thing our just name good sentence man think say great where help through much before line right too mean old any
same tell boy follow came want show also around form three small set put end does another well large must big even such because
turn here why ask went men read need land different home us move try kind hand picture again change off play spell air away
animal house point page letter mother answer found study still learn should world""".split()


def samples(count, rng, tokenizer_template):
    """Yields `count` documents in a fixed mixture."""
    for _ in range(count):
        r = rng.random()
        if r < 0.45:
            row, response = ifeval_tasks.make_item(rng, False)
            yield row["prompt"] + "\n" + response
        elif r < 0.60:
            row, response = math_tasks.make_item(rng, False)
            yield row["problem"] + "\n" + response
        elif r < 0.75:
            yield python_function(rng)
        elif r < 0.82:
            yield tool_trace(rng, tokenizer_template)
        else:
            words = [rng.choice(PLAIN + NOUNS + ADJECTIVES + KEYWORDS) for _ in range(12)]
            words[0] = words[0].capitalize()
            yield " ".join(words) + rng.choice([".", "?", "!", ", and so on."])
