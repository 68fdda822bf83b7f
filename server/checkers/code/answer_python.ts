/**
 * What an answer's interpreter runs: the answer, and then its functions on inputs that it is given, one request after the
 * other. Nothing here decides anything, and nothing here is safe from the answer: it can reach all of it, and then say
 * whatever it likes. What it says is read as plain data by the judge, elsewhere.
 *
 * Requests: `{"define": PROGRAM}`, `{"names": [NAME]}` (which of them the program defines), `{"get": EXPRESSION}`,
 * `{"call": N, "arguments": FORM}` (arguments and keywords), `{"iterate": N}`, `{"next": N}`; N is a number of something
 * that is held here. Replies: `{"value": FORM}` or `{"raised": {"base", "name", "text", "arguments": FORM}}`, in calls with
 * `"arguments": FORM` when the call changed them.
 */
export const ANSWER = String.raw`
def open_answer():
    import builtins, sys
    from json import dumps, loads

    # None of this is needed for verdicts to be right; what is out of reach cannot be tried against the process either.
    away = {"js", "pyodide_js", "_pyodide_core", "pyodide", "_pyodide", "ctypes", "_ctypes"}
    for name in list(sys.modules) + list(away):
        if name.partition(".")[0] in away:
            sys.modules[name] = None
    for finder in sys.meta_path:
        getattr(finder, "jsproxies", {}).clear()
    sys.meta_path[:] = [finder for finder in sys.meta_path if finder.__module__.partition(".")[0] not in away]

    # As HumanEval runs it, in an empty namespace: __name__ is not "__main__".
    namespace = {}
    held = []

    def hold(value):
        held.append(value)
        name = type(value).__name__[:100]
        methods = {method for base in type(value).__mro__ for method in vars(base)}
        for kind, method in (("iterator", "__next__"), ("function", "__call__"), ("iterable", "__iter__")):
            if method in methods:
                return [kind, len(held) - 1, name]
        return ["object", len(held) - 1, name]

    encode = encoder(hold)
    decode = decoder(lambda kind, number: held[number])

    def given(value):
        try:
            return {"value": encode(value)}
        except (CannotCross, RecursionError) as error:
            held.append(value)
            return {"value": ["object", len(held) - 1, f"{type(value).__name__[:100]} ({error})"]}

    def raised(error):
        bases = [base.__name__ for base in type(error).__mro__ if getattr(builtins, base.__name__, None) is base]
        try:
            arguments = encode(list(error.args))
        except BaseException:
            arguments = None
        described = {"base": bases[0], "name": type(error).__name__, "text": describe(error), "arguments": arguments}
        return {"raised": described}

    def call(number, form):
        before = dumps(form)
        arguments, keywords = decode(form)
        reply = attempt(lambda: held[number](*arguments, **keywords))
        try:
            after = encode([arguments, keywords])
        except (CannotCross, RecursionError):
            return reply
        return reply if dumps(after) == before else {**reply, "arguments": after}

    def attempt(work):
        try:
            return given(work())
        except BaseException as error:
            return raised(error)

    def define(program):
        exec(compile(program, "<program>", "exec"), namespace)

    def reply(request):
        if "define" in request:
            return attempt(lambda: define(request["define"]))
        if "names" in request:
            return {"value": encode([name for name in request["names"] if name in namespace])}
        if "get" in request:
            return attempt(lambda: eval(request["get"], namespace))
        if "call" in request:
            return call(request["call"], request["arguments"])
        if "iterate" in request:
            return attempt(lambda: iter(held[request["iterate"]]))
        return attempt(lambda: next(held[request["next"]]))

    return lambda request: dumps(reply(loads(request)))

open_answer()
`;
