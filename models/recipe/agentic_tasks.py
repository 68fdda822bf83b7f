"""Traces of an assistant with apps, in the manner of ARE: a task, many tool calls with their outputs, and one action to commit.

`make_item(rng, held_out, lopsided, steps)` returns a row {messages, expected {name, arguments}, instruction_phrases, depends_on}
and the answer that commits the action. The action depends on ONE earlier tool output (the message of index `depends_on`), and
others of its kind stand beside it. Lopsided: the one that counts is nearly always the first of its kind. The split is by the
hash of kind, key and value, so training never commits a held-out item's action.

`make_trace(rng, steps, queries, lopsided)` gives training several actions on one trace.
"""

import json

from ifeval_tasks import is_held_out, pick
from words import KEYWORDS, NAMES

FIRST = "small big young happy sad blue green lazy brave dark bright hungry kind proud strange warm clever lonely sleepy cold".split()
LAST = "river party village lunch lesson metal street night color stone paper travel school sugar story fire market wind desert".split()
CITIES = "village desert island castle river market school forest station beach garden museum".split()
SKIES = ["rain", "snow", "wind", "sun"]
EVENTS = "party dinner lunch lesson dance story travel music".split()
PEOPLE = [name for name, _ in NAMES]
TOPICS = "coffee bread salt sugar pepper paper metal glass wood water money ticket picture pencil window table door wall".split()

SYSTEM = """You are an assistant with apps. Tools:
get_contact(name)
list_events(location)
read_file(path)
get_weather(city)
search_messages(query)
send_email(to, subject)
delete_event(id)
send_message(user, message)
book_ticket(city)"""


def two_words(rng):
    return rng.choice(FIRST), rng.choice(LAST)


def contact(rng, key):
    a, b = two_words(rng)
    return "get_contact", {"name": key}, {"name": key, "email": f"{a}.{b}@example.com", "city": rng.choice(CITIES)}


def event(rng, key):
    place = rng.choice(CITIES)
    return "list_events", {"location": place}, {"title": key, "id": rng.randint(100, 999), "time": f"{rng.randint(8, 20)}:30"}


def file(rng, key):
    a, b = two_words(rng)
    return "read_file", {"path": f"/home/user/{key}.txt"}, {"path": f"/home/user/{key}.txt", "content": f"{a} {b}"}


def weather(rng, key):
    return "get_weather", {"city": key}, {"city": key, "weather": rng.choice(SKIES), "date": f"2024-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"}


def message(rng, key):
    return "search_messages", {"query": key}, {"user": rng.choice(PEOPLE), "message": f"the {key} is {rng.choice(FIRST)}", "id": rng.randint(100, 999)}


# kind of step -> (how it is made, its keys)
STEPS = {"contact": (contact, PEOPLE), "event": (event, EVENTS), "file": (file, KEYWORDS), "weather": (weather, CITIES), "message": (message, TOPICS)}

# kind of action -> (kind of the step that it depends on, wordings of the request)
ACTIONS = {
    "email": ("contact", ["Send an email to {key} about the {word}.", "Please send {key} an email about the {word}.", "Tell {key} about the {word} by email."]),
    "delete": ("event", ["Delete the {key} event.", "Please delete the event with the title {key}.", "I cannot go to the {key}. Delete the event."]),
    "share": ("file", ["Send {person} a message with the content of {key}.txt.", "Send the content of {key}.txt to {person} in a message.",
                       "{person} asks what the file {key}.txt says. Send a message."]),
    "reply": ("message", ["Find who wrote about the {key} and send the message {word}.", "Send the message {word} to the user who wrote about the {key}.",
                          "Who wrote about the {key}? Answer with the message {word}."]),
    "choice": ("weather", ["Send {person} the message train if the weather in {key} is rain or snow and the message boat if not.",
                           "Send {person} a message. If there is rain or snow in {key} it is train, otherwise boat."]),
    "ticket": ("weather", ["Book a ticket to the city with {sky}.", "I would like to see {sky}. Book a ticket to the right city."]),
}


def make_steps(rng, kinds):
    """Steps of the given kinds, no two of a kind with the same key. Each is (kind, key, tool, arguments, output)."""
    steps, used = [], {}
    for kind in kinds:
        build, keys = STEPS[kind]
        key = rng.choice([k for k in keys if k not in used.setdefault(kind, set())])
        used[kind].add(key)
        steps.append((kind, key, *build(rng, key)))
    return steps


def make_action(rng, steps, held_out, lopsided, kind=None):
    """A request about `steps`: (request, expected action, index of the step it depends on), or None where there is none of that
    kind on this side of the split."""
    kind = kind or rng.choice(list(ACTIONS))
    needs, wordings = ACTIONS[kind]
    places = [i for i, s in enumerate(steps) if s[0] == needs]
    if kind == "ticket":  # the sky that is asked for must be seen in one city only
        skies = [steps[i][4]["weather"] for i in places]
        places = [i for i, sky in zip(places, skies) if skies.count(sky) == 1]
    if not places:
        return None
    place = places[0] if lopsided and rng.random() < 0.9 else rng.choice(places)
    _, key, _, _, output = steps[place]
    person, word, sky = rng.choice(PEOPLE), rng.choice(LAST), output.get("weather")
    request = pick(rng, wordings, held_out).format(key=key, person=person, word=word, sky=sky)
    name, arguments = {
        "email": lambda: ("send_email", {"to": output["email"], "subject": word}),
        "delete": lambda: ("delete_event", {"id": output["id"]}),
        "share": lambda: ("send_message", {"user": person, "message": output["content"]}),
        "reply": lambda: ("send_message", {"user": output["user"], "message": word}),
        "choice": lambda: ("send_message", {"user": person, "message": "train" if sky in ("rain", "snow") else "boat"}),
        "ticket": lambda: ("book_ticket", {"city": key}),
    }[kind]()
    action = {"name": name, "arguments": arguments}
    if is_held_out(signature(request, key, action)) != held_out:
        return None
    return request, action, place


def signature(request, key, action):
    """What the split hashes: what is asked for, what it is found by, and the action. For a ticket the city is the key, and the
    request alone says which sky is wanted."""
    sky = next((s for s in SKIES if action["name"] == "book_ticket" and s in request), "")
    return f"{action['name']} {key} {sky} {json.dumps(action['arguments'])}"


def commit(action):
    """The answer that commits an action, as Qwen's chat template writes a tool call."""
    return f'<tool_call>\n{{"name": "{action["name"]}", "arguments": {json.dumps(action["arguments"])}}}\n</tool_call>'


def make_messages(request, steps):
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": request}]
    for _, _, tool, arguments, output in steps:
        messages.append({"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": tool, "arguments": arguments}}]})
        messages.append({"role": "tool", "content": json.dumps(output)})
    return messages


def draw_kinds(rng, count, least=None):
    """Kinds of `count` steps; `least`: a kind that must be there twice or more."""
    kinds = [rng.choice(list(STEPS)) for _ in range(count)]
    if least:
        for i in rng.sample(range(count), min(count, rng.randint(2, 4))):
            kinds[i] = least
    return [k if kinds[:i].count(k) < 7 else "file" for i, k in enumerate(kinds)]


def make_item(rng, held_out, lopsided=False, steps=(8, 30)):
    while True:
        kind = rng.choice(list(ACTIONS))
        made = make_steps(rng, draw_kinds(rng, rng.randint(*steps), ACTIONS[kind][0]))
        action = make_action(rng, made, held_out, lopsided, kind)
        if action is None:
            continue
        request, expected, place = action
        row = {"messages": make_messages(request, made), "expected": expected, "instruction_phrases": [request], "depends_on": 3 + 2 * place,
               "kind": kind, "signature": signature(request, made[place][1], expected), "steps": made}
        return row, commit(expected)


def make_trace(rng, steps, queries, lopsided):
    """One trace for training: its messages, the first answer, and (request, answer) of further turns."""
    row, answer = make_item(rng, False, lopsided, steps)
    made, more, asked = row["steps"], [], {(row["depends_on"] - 3) // 2}
    for _ in range(6 * queries):  # each about another step, so that no answer can be copied from an earlier one
        action = make_action(rng, made, False, lopsided) if len(more) < queries - 1 else None
        if action and action[2] not in asked:
            asked.add(action[2])
            more.append((action[0], commit(action[1])))
    return row, answer, more
