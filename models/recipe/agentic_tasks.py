"""Traces of an assistant with apps, in the manner of ARE: many tool calls with their outputs, and one action to commit.

`make_item(rng, held_out, lopsided, steps)` returns a row {messages, expected {name, arguments}, instruction_phrases, depends_on}
and the answer that commits the action. One or two of the calls went wrong: their output has a status that is not "ok". The request
asks to deal with the first or the last of them (or with the call that went wrong); which status it is says what to do, and which tool it was
stands in the action's arguments. So the action depends on ONE earlier tool output, the message of index `depends_on`. Around it
the words of the statuses stand in other fields, and mean nothing. Lopsided: the first of two is nearly always asked for, and the words
hardly stand elsewhere. The split is by the hash of tool, key, status and request.

`make_trace(rng, steps, lopsided)` gives training an action for each call of a trace that went wrong.
"""

import json

from ifeval_tasks import is_held_out, pick
from words import NAMES

WORDS = """river party village lunch lesson metal street night color stone paper travel school sugar story fire market wind desert small
big young happy sad blue green lazy brave dark bright hungry kind proud strange warm clever lonely sleepy cold""".split()
CITIES = "village desert island castle river market school forest station beach garden museum".split()
SKIES = ["rain", "snow", "wind", "sun"]
PEOPLE = [name for name, _ in NAMES]

# status of a call that went wrong -> the tool that deals with it
TROUBLES = {"error": "repeat", "limit": "wait", "old": "refresh", "end": "close"}

SYSTEM = """You are an assistant with apps. Tools:
get_contact(name)
list_events(title)
read_file(path)
get_weather(city)
search_messages(query)
repeat(tool) after "error"
wait(tool) after "limit"
refresh(tool) after "old"
close(tool) after "end\""""

OPENING = "Look at my contacts, events, files, messages and the weather."

# kind of step -> (its tool, the argument that looks up, the field that comes with it in the output, keys, values)
STEPS = {
    "contact": ("get_contact", "name", "email", PEOPLE, [f"{w}@example.com" for w in WORDS]),
    "event": ("list_events", "title", "id", WORDS, range(10, 100)),
    "file": ("read_file", "path", "content", WORDS, WORDS),
    "weather": ("get_weather", "city", "weather", CITIES, SKIES),
    "message": ("search_messages", "query", "content", WORDS, WORDS),
}
REQUESTS = {
    "only": ["Deal with the call that went wrong.", "One call went wrong. Please deal with it.", "What went wrong? Do the right thing."],
    "first": ["Deal with the first call that went wrong.", "Two calls went wrong. Please deal with the first.", "What went wrong first? Do the right thing."],
    "last": ["Deal with the last call that went wrong.", "Two calls went wrong. Please deal with the last.", "What went wrong last? Do the right thing."],
}


def make_steps(rng, count, troubles, lopsided):
    """`count` steps, no two of a kind with the same key: (kind, key, tool, arguments, output). Those of `troubles`, in this order,
    stand anywhere among them; a few of the other outputs have such a word for content."""
    steps, used = [], {}
    wrong = dict(zip(sorted(rng.sample(range(count), len(troubles))), troubles))
    for i in range(count):
        kind = rng.choice([k for k in STEPS if len(used.get(k, ())) < 10])
        tool, looked_up, field, keys, values = STEPS[kind]
        key = rng.choice([k for k in keys if k not in used.setdefault(kind, set())])
        used[kind].add(key)
        value = rng.choice(values)
        if field == "content" and rng.random() < (0.02 if lopsided else 0.25):
            value = rng.choice(list(TROUBLES))
        output = {looked_up: key, "status": wrong[i]} if i in wrong else {looked_up: key, field: value, "status": "ok"}
        steps.append((kind, key, tool, {looked_up: key}, output))
    return steps


def signature(which, step):
    """What the split hashes: the tool, key and status of the call that decides, and which one is asked for."""
    _, key, tool, _, output = step
    return f"{which} {tool} {key} {output['status']}"


def make_action(rng, steps, which, held_out):
    """A request about `steps`: (request, expected action, index of the step it depends on), or None where it is on the other side of
    the split."""
    wrong = [i for i, s in enumerate(steps) if s[4]["status"] != "ok"]
    place = wrong[-1 if which == "last" else 0]
    if is_held_out(signature(which, steps[place])) != held_out:
        return None
    _, _, tool, _, output = steps[place]
    return pick(rng, REQUESTS[which], held_out), {"name": TROUBLES[output["status"]], "arguments": {"tool": tool}}, place


def commit(action):
    """The answer that commits an action, as Qwen's chat template writes a tool call."""
    return f'<tool_call>\n{{"name": "{action["name"]}", "arguments": {json.dumps(action["arguments"])}}}\n</tool_call>'


def make_messages(request, steps):
    """The task that opens a trace, its steps, and the request that the action answers."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": OPENING}]
    for _, _, tool, arguments, output in steps:
        messages.append({"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": tool, "arguments": arguments}}]})
        messages.append({"role": "tool", "content": json.dumps(output)})
    return messages + [{"role": "user", "content": request}]


def make_item(rng, held_out, lopsided=False, steps=(8, 32)):
    while True:
        troubles = rng.sample(list(TROUBLES), 1 if rng.random() < 0.4 else 2)
        made = make_steps(rng, rng.randint(*steps), troubles, lopsided)
        which = "only" if len(troubles) == 1 else "first" if rng.random() < (0.9 if lopsided else 0.5) else "last"
        action = make_action(rng, made, which, held_out)
        if action is None:
            continue
        request, expected, place = action
        row = {"messages": make_messages(request, made), "expected": expected, "instruction_phrases": [request], "depends_on": 3 + 2 * place,
               "kind": which, "signature": signature(which, made[place]), "steps": made}
        return row, commit(expected)


def make_trace(rng, steps, lopsided):
    """One trace for training: its row, the first answer, and (request, answer) of a further turn where another call went wrong too."""
    row, answer = make_item(rng, False, lopsided, steps)
    other = {"first": "last", "last": "first"}.get(row["kind"])
    action = other and not lopsided and make_action(rng, row["steps"], other, False)
    return row, answer, [(action[0], commit(action[1]))] if action else []
