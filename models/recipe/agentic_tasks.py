"""Traces of an assistant with apps, in the manner of ARE: a task, many tool calls with their outputs, and one action to commit.

`make_item(rng, held_out, lopsided, steps)` returns a row {messages, expected {name, arguments}, instruction_phrases, depends_on}
and the answer that commits the action. One to three of the calls went wrong, each with its own status; the request names a status,
and the right action is the same call again: it depends on ONE earlier tool output (the message of index `depends_on`), and other
failed calls stand beside it. Lopsided: the first failed call is nearly always the one that is asked for. The split is by the hash
of status and action, so training never commits a held-out item's action.

`make_trace(rng, steps, lopsided)` gives training an action for each failed call of a trace.
"""

import json

from ifeval_tasks import is_held_out, pick
from words import NAMES

WORDS = """river party village lunch lesson metal street night color stone paper travel school sugar story fire market wind desert small
big young happy sad blue green lazy brave dark bright hungry kind proud strange warm clever lonely sleepy cold""".split()
CITIES = "village desert island castle river market school forest station beach garden museum".split()
SKIES = ["rain", "snow", "wind", "sun"]
PEOPLE = [name for name, _ in NAMES]

SYSTEM = """You are an assistant with apps. Tools:
get_contact(name)
list_events(title)
read_file(path)
get_weather(city)
search_messages(query)
send_message(user)"""

OPENING = "Look at my contacts, events, files, messages and the weather."

# kind of step -> (its tool, the argument that looks up, the field that comes with it in the output, keys, values)
STEPS = {
    "contact": ("get_contact", "name", "email", PEOPLE, [f"{w}@example.com" for w in WORDS]),
    "event": ("list_events", "title", "id", WORDS, range(10, 100)),
    "file": ("read_file", "path", "content", WORDS, WORDS),
    "weather": ("get_weather", "city", "weather", CITIES, SKIES),
    "message": ("search_messages", "query", "user", WORDS, PEOPLE),
}
# What an output says instead when the call went wrong; a trace has one, two or three of them, each once.
TROUBLES = ["error", "limit", "old"]
REQUESTS = ['Repeat the call that gave "{trouble}".', 'One call gave "{trouble}". Please call it again.', 'Call the tool with status "{trouble}" again.',
            'The status of one call is "{trouble}". Send it again.']


def make_steps(rng, count, troubles):
    """`count` steps, no two of a kind with the same key: (kind, key, tool, arguments, output). Those of `troubles`, in this order,
    stand anywhere among them."""
    steps, used = [], {}
    wrong = dict(zip(sorted(rng.sample(range(count), len(troubles))), troubles))
    for i in range(count):
        kind = rng.choice([k for k in STEPS if len(used.get(k, ())) < 10])
        tool, looked_up, field, keys, values = STEPS[kind]
        key = rng.choice([k for k in keys if k not in used.setdefault(kind, set())])
        used[kind].add(key)
        output = {looked_up: key, "status": wrong[i]} if i in wrong else {looked_up: key, field: rng.choice(values)}
        steps.append((kind, key, tool, {looked_up: key}, output))
    return steps


def make_action(rng, steps, trouble, held_out):
    """A request about `steps`: (request, expected action, index of the step it depends on), or None where the action is on the other
    side of the split."""
    place = next(i for i, s in enumerate(steps) if s[4].get("status") == trouble)
    action = {"name": steps[place][2], "arguments": steps[place][3]}
    if is_held_out(signature(trouble, action)) != held_out:
        return None
    return pick(rng, REQUESTS, held_out).format(trouble=trouble), action, place


def signature(asked, action):
    """What the split hashes: what the request names, and the action."""
    return f"{action['name']} {asked} {json.dumps(action['arguments'])}"


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


def make_item(rng, held_out, lopsided=False, steps=(9, 34), troubles=None):
    """Lopsided: of several troubles the first one in the trace is nearly always asked for."""
    while True:
        order = rng.sample(TROUBLES, troubles or rng.randint(1, 3))
        made = make_steps(rng, rng.randint(*steps), order)
        asked = order[0] if lopsided and rng.random() < 0.9 else rng.choice(order)
        action = make_action(rng, made, asked, held_out)
        if action is None:
            continue
        request, expected, place = action
        row = {"messages": make_messages(request, made), "expected": expected, "instruction_phrases": [request], "depends_on": 3 + 2 * place,
               "kind": ["one trouble", "two troubles", "three troubles"][len(order) - 1], "signature": signature(asked, expected),
               "steps": made, "order": order}
        return row, commit(expected)


def make_trace(rng, steps, lopsided):
    """One trace for training: its row, the first answer, and (request, answer) of further turns, one for each trouble left."""
    row, answer = make_item(rng, False, lopsided, steps)
    more = []
    for trouble in rng.sample(row["order"], len(row["order"])):
        action = make_action(rng, row["steps"], trouble, False)
        if action and 3 + 2 * action[2] != row["depends_on"]:
            more.append((action[0], commit(action[1])))
    return row, answer, more
