/**
 * What a judge's interpreter runs: a benchmark's tests. The answer is not in this interpreter: what the tests call
 * `candidate` asks the answer's interpreter, by plain data, and gets plain data back, so that `==`, `is True`,
 * `isinstance` and `abs` are Python's own, and so are the prompt's helpers and all that the tests import.
 *
 * An item is `{"prompt", "entry_point", "test"}`, a verdict `{"kind": "passed"}`, `{"kind": "raised", "error"}`, or
 * `{"kind": "undecided", "reason"}` where the tests don't run here, whatever is asked of them.
 */
export const JUDGE = String.raw`
class Broken(BaseException):
    """The answer's interpreter said what cannot be read: whatever the tests make of it, it did not pass."""


class Unasked(BaseException):
    """The tests ask what cannot be asked of an answer that is elsewhere: nobody can say whether it passes."""


class Session:
    """The answer's side of one judgement."""

    def __init__(self, ask, seed):
        self.ask = ask
        self.seed = seed
        self.asked = False
        self.broken = None
        self.undecided = None
        self.notes = []
        # Kept beside their numbers, so that no other object gets their id.
        self.proxies = {}
        self.encode = encoder(self.foreign)
        self.decode = decoder(self.hold)

    def foreign(self, value):
        """The form of an argument that is no plain data."""
        if id(value) in self.proxies:
            return ["held", self.proxies[id(value)][0]]
        self.undecided = f"the tests give the answer an object of {type(value).__name__}, which cannot be handed over"
        raise Unasked(self.undecided)

    def hold(self, kind, number, name):
        """What stands here for an object that stays with the answer."""
        if type(number) is not int or type(name) is not str:
            raise ValueError("it is no form of plain data")
        value = proxy(self, kind, number)
        if kind == "object":
            self.notes.append(f"it returned an object of {name[:100]}, which equals nothing here")
        self.proxies[id(value)] = (number, value)
        return value

    def request(self, request, given=None):
        """The value of a reply, or the exception that it tells of; given: the arguments, which a call may change."""
        self.asked = True
        text = dumps(request)
        try:
            reply = loads(self.ask(text))
            if given is not None and "arguments" in reply:
                write_back(given, self.decode(reply["arguments"]))
            raised = exception(self.decode, reply["raised"]) if "raised" in reply else None
            value = self.decode(reply["value"]) if raised is None else None
        except BaseException as error:
            self.broken = f"what it returned cannot be read ({describe(error)})"
            raise Broken(self.broken) from None
        if isinstance(raised, StopIteration) and "next" not in request:
            # It would end a loop of the tests' (all, map) as if there were nothing more to try.
            raise RuntimeError("the answer raised StopIteration")
        if raised is not None:
            raise raised
        return value

    def defined(self, names):
        """Which of these names the program defines. One that speaks of others would put its own in the tests' way."""
        said = self.request({"names": names}) if names else []
        if type(said) is not list or any(type(name) is not str or name not in names for name in said):
            self.broken = "it says that it defines what nobody asked for"
            raise Broken(self.broken)
        return said


def proxy(session, kind, number):
    if kind == "function":
        def candidate(*arguments, **keywords):
            given = [list(arguments), keywords]
            return session.request({"call": number, "arguments": session.encode(given)}, given)
        return candidate

    class Foreign:
        pass

    class Iterable:
        def __iter__(self):
            return session.request({"iterate": number})

    class Iterator:
        def __iter__(self):
            return self

        def __next__(self):
            return session.request({"next": number})

    return {"object": Foreign, "iterable": Iterable, "iterator": Iterator}[kind]()


def exception(decode, form):
    """The same exception here: of the same builtin class, or of a class derived from it that has the same name."""
    base = getattr(builtins, form["base"])
    if not issubclass(base, BaseException):
        raise ValueError("it is no exception")
    kind = base if form["name"] == base.__name__ else type(form["name"], (base,), {})
    try:
        return kind(*decode(form["arguments"]))
    except Exception:
        return kind(form["text"])


def write_back(old, new):
    """Changes containers as the answer changed its own; returns what shall stand where the old one stood."""
    if type(old) is not type(new):
        return new
    if type(old) is list:
        same = min(len(old), len(new))
        old[:] = [write_back(*pair) for pair in zip(old, new)] + new[same:]
    elif type(old) is tuple:
        return tuple(map(write_back, old, new)) if len(old) == len(new) else new
    elif type(old) is dict:
        kept = {key: write_back(old[key], new[key]) if key in old else new[key] for key in new}
        old.clear()
        old.update(kept)
    elif type(old) is set:
        old.clear()
        old.update(new)
    elif type(old) is bytearray:
        old[:] = new
    elif type(old) is collections.deque:
        old.clear()
        old.extend(new)
    else:
        return new
    return old


def names_in(code):
    """Names that a program looks up; those of attributes are among them."""
    inner = (part for part in code.co_consts if isinstance(part, types.CodeType))
    return set(code.co_names).union(*map(names_in, inner))


def prompt_code(prompt):
    """The prompt alone: its last function has a description and no body, or neither."""
    for end in ("\n", "\n    pass\n"):
        try:
            return compile(prompt + end, "<prompt>", "exec")
        except SyntaxError:
            pass
    return compile("", "<prompt>", "exec")


def judged(session, item):
    """Runs the tests to their end; raises what they raise."""
    entry, namespace = item["entry_point"], {}
    try:
        exec(prompt_code(item["prompt"]), namespace)
        tests = compile(item["test"], "<tests>", "exec")
    except BaseException as error:
        session.undecided = f"the tests don't run here: {describe(error)}"
        raise
    known = namespace.keys() | vars(builtins).keys()
    names = names_in(tests)
    for name in session.defined(sorted(names - known)):
        namespace[name] = session.request({"get": name})
    candidate = session.request({"get": entry})
    if entry.isidentifier():
        namespace[entry] = candidate
    helpers = sorted(name for name in names if name != entry and is_helper(namespace.get(name)))
    run(session, tests, dict(namespace), candidate)
    # The benchmark's harness takes the answer's helpers, which may be wrong, too; ours are those that cannot cheat.
    # A solution that does without them leaves nothing to try: EvalPlus calls it all the same.
    own = session.defined(helpers)
    if own:
        run(session, tests, {**namespace, **{name: session.request({"get": name}) for name in own}}, candidate)


def is_helper(value):
    return isinstance(value, types.FunctionType) and value.__code__.co_filename == "<prompt>"


def run(session, tests, namespace, candidate):
    # The same numbers for each answer.
    random.setstate(session.seed)
    session.asked = False
    try:
        exec(tests, namespace)
        check = namespace["check"]
    except BaseException as error:
        if not session.asked:
            session.undecided = f"the tests don't run here: {describe(error)}"
        raise
    check(candidate)


def open_judge(ask):
    for name in list(sys.modules):
        if name.partition(".")[0] in {"js", "pyodide_js", "_pyodide_core", "pyodide", "_pyodide"}:
            sys.modules[name] = None
    seed = random.getstate()

    def judge(text):
        session = Session(ask, seed)
        try:
            judged(session, loads(text))
            error = None
        except BaseException as raised:
            error = describe(raised)
        if session.broken is not None:
            return dumps({"kind": "raised", "error": session.broken})
        if session.undecided is not None:
            return dumps({"kind": "undecided", "reason": session.undecided})
        if error is None:
            return dumps({"kind": "passed"})
        return dumps({"kind": "raised", "error": " ".join([error, *(f"({note})" for note in session.notes[:1])])})

    return judge

import builtins, random, sys, types
from json import dumps, loads
open_judge
`;
