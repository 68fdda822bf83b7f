"""Traces of an assistant with apps, in the manner of ARE: many tool calls with their outputs, and one action to commit.

`make_item(rng, held_out, lopsided, steps)` returns a row {messages, expected {name, arguments}, instruction_phrases, depends_on}
and the answer that commits the action. Some calls list a record, a key and the value that goes with it ("Tom stone"); others act on
one that was listed before. The request names a key: which kind of record it asks for says what to do, and the record's value stands
in the action's arguments. So the action depends on ONE earlier tool output, the message of index `depends_on`. What stands by:
nothing (`only`), a record of another kind with the same key (`twin`), or another record of the same kind and key, of which the
request asks for the `first` or the `last`. Lopsided: the record that counts is nearly always the one listed last. The split is by the
hash of request, kind, key and value.

`make_trace(rng, steps, lopsided)` gives training more requests about the same trace. Where MARK stands around a value in a call of
the assistant's own, the value can be read from an earlier output, so training takes loss there too; rows have no marks.
"""

import json

from ifeval_tasks import is_held_out, pick
from words import NAMES

MARK = "\u00a4"
WORDS = """river party village lunch lesson metal street night color stone paper travel school sugar story fire wind desert small
big young happy sad blue green lazy brave dark bright hungry kind proud strange warm clever lonely sleepy cold""".split()
PEOPLE = [name for name, _ in NAMES]

# kind of record -> (the tool that lists it, its field, keys, the tool that acts on it, the argument, how a request asks for it)
KINDS = {
    "contact": ("list_contacts", "contact", PEOPLE, "send_email", "to", ["Write to \"{key}\".", "Please write to \"{key}\".", "Send \"{key}\" a message."]),
    "file": ("list_files", "file", WORDS, "open_file", "file", ["Open the file \"{key}\".", "Please open the file \"{key}\".", "Show me the file \"{key}\"."]),
    "event": ("list_events", "event", WORDS, "add_event", "event", ["Add the event \"{key}\".", "Please add the event \"{key}\".", "Put the event \"{key}\" on my list."]),
    "message": ("list_messages", "message", WORDS, "read_message", "message", ["Read the message \"{key}\".", "Please read the message \"{key}\".", "What does the message \"{key}\" say?"]),
}
WHICH = {
    "only": [""], "twin": [""],
    "first": [" Take the first record.", " Two records have it. The first counts.", " It must be the first record."],
    "last": [" Take the last record.", " Two records have it. The last counts.", " It must be the last record."],
}
SHARES = {"only": 0.25, "twin": 0.3, "first": 0.2, "last": 0.25}
LOPSIDED_SHARES = {"only": 0.3, "twin": 0.3, "first": 0.04, "last": 0.36}
ACTING = 0.35  # of the calls act on a record, once there is one

SYSTEM = """You are an assistant with apps. Tools:
list_contacts(offset), send_email(to)
list_files(offset), open_file(file)
list_events(offset), add_event(event)
list_messages(offset), read_message(message)"""

OPENING = "Look at my contacts, files, events and messages. Then I will ask you."


def signature(which, record):
    """What the split hashes: the record that decides, and how it is asked for."""
    return " ".join([which, *record])


def other_value(rng, *taken):
    return rng.choice([w for w in WORDS if w not in taken])


def asked_records(rng, which, held_out, lopsided):
    """The record that decides, on the right side of the split, and those that stand by: all in their order in the trace."""
    while True:
        kind = rng.choice([k for k in KINDS if k != "contact"] if which == "twin" else list(KINDS))
        key = rng.choice(KINDS[kind][2])
        record = (kind, key, other_value(rng, key))
        if is_held_out(signature(which, record)) == held_out:
            break
    if which == "only":
        return record, [record]
    if which == "twin":
        by = (rng.choice([k for k in KINDS if k not in (kind, "contact")]), key, other_value(rng, key, record[2]))
        return record, [by, record] if rng.random() < (0.9 if lopsided else 0.5) else [record, by]
    by = (kind, key, other_value(rng, key, record[2]))
    return record, [record, by] if which == "first" else [by, record]


def make_steps(rng, count, which, held_out, lopsided):
    """`count` steps (tool, arguments, output, record or None) and the index of the one that decides. Records other than those
    asked about have keys of their own within a kind; actions are on these only, one each."""
    decides, asked = asked_records(rng, which, held_out, lopsided)
    places = dict(zip(sorted(rng.sample(range(count), len(asked))), asked))
    steps, listed, used = [], [], {(kind, decides[1]) for kind in KINDS}
    for i in range(count):
        if i not in places and listed and rng.random() < ACTING:
            steps.append(act_on(listed.pop(rng.randrange(len(listed)))))
            continue
        record = places.get(i)
        if record is None:
            unused = {kind: [k for k in KINDS[kind][2] if (kind, k) not in used] for kind in KINDS}
            kind = rng.choice([k for k in KINDS if unused[k]])
            key = rng.choice(unused[kind])
            record = (kind, key, other_value(rng, key))
            used.add((kind, key))
            listed.append(record)
        kind, key, value = record
        steps.append((KINDS[kind][0], {"offset": rng.randint(0, 99)}, {KINDS[kind][1]: f"{key} {value}", "status": "ok"}, record))
    return steps, next(i for i, s in enumerate(steps) if s[3] == decides)


def act_on(record):
    """A step of the assistant's own that acts on a listed record; its value is marked."""
    kind, key, value = record
    return KINDS[kind][3], {KINDS[kind][4]: f"{key}{MARK} {value}{MARK}"}, {"status": "ok"}, None


def request_of(rng, which, record, held_out):
    kind, key, _ = record
    return pick(rng, KINDS[kind][5], held_out).format(key=key) + pick(rng, WHICH[which], held_out)


def action_of(record):
    kind, key, value = record
    return {"name": KINDS[kind][3], "arguments": {KINDS[kind][4]: f"{key} {value}"}}


def commit(action):
    """The answer that commits an action, as Qwen's chat template writes a tool call."""
    return f'<tool_call>\n{{"name": "{action["name"]}", "arguments": {json.dumps(action["arguments"])}}}\n</tool_call>'


def make_messages(request, steps):
    """The task that opens a trace, its steps, and the request that the action answers."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": OPENING}]
    for tool, arguments, output, _ in steps:
        messages.append({"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": tool, "arguments": arguments}}]})
        messages.append({"role": "tool", "content": json.dumps(output)})
    return messages + [{"role": "user", "content": request}]


def without_marks(steps):
    return [(tool, {k: v.replace(MARK, "") if isinstance(v, str) else v for k, v in arguments.items()}, output, record)
            for tool, arguments, output, record in steps]


def make_marked(rng, held_out, lopsided, steps):
    """A row whose calls are marked, its answer, and its steps."""
    shares = LOPSIDED_SHARES if lopsided else SHARES
    which = rng.choices(list(shares), list(shares.values()))[0]
    made, place = make_steps(rng, rng.randint(*steps), which, held_out, lopsided)
    decides = made[place][3]
    request = request_of(rng, which, decides, held_out)
    expected = action_of(decides)
    row = {"messages": make_messages(request, made), "expected": expected, "instruction_phrases": [request], "depends_on": 3 + 2 * place,
           "kind": which, "signature": signature(which, decides)}
    return row, commit(expected), made, place


def make_item(rng, held_out, lopsided=False, steps=(9, 32)):
    row, answer, made, _ = make_marked(rng, held_out, lopsided, steps)
    return {**row, "messages": make_messages(row["instruction_phrases"][0], without_marks(made))}, answer


def make_trace(rng, steps, lopsided, most=6):
    """One trace for training: its marked row, the answer, and (request, answer) of further turns about up to `most` other records."""
    row, answer, made, place = make_marked(rng, False, lopsided, steps)
    key = made[place][3][1]
    others = [s[3] for s in made if s[3] and s[3][1] != key and not is_held_out(signature("only", s[3]))]
    more = [(request_of(rng, "only", r, False), commit(action_of(r))) for r in rng.sample(others, min(most, len(others)))]
    return row, answer, more
