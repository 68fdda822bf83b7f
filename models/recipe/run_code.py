"""Runs HumanEval-style programs of a model in a process of its own: no imports but math and typing, no files, limits on time and memory.

`passes(programs)` takes source texts and says for each whether it runs to its end without an exception. The product's own sandbox
is stricter; this one guards training against programs of a model of a million parameters.
"""

import json
import subprocess
import sys

CHILD = r"""
import builtins, json, resource, signal, sys
resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
import math, typing
allowed = {"math": math, "typing": typing}
names = [n for n in dir(builtins) if n not in ("open", "eval", "exec", "compile", "input", "breakpoint", "exit", "quit", "help", "__import__")]
def bring(name, *rest):
    return allowed[name]
def stop(*_):
    raise TimeoutError
signal.signal(signal.SIGALRM, stop)
programs = json.load(sys.stdin)
out = []
for source in programs:
    scope = {"__builtins__": {**{n: getattr(builtins, n) for n in names}, "__import__": bring}, "__name__": "candidate"}
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    try:
        exec(compile(source, "candidate", "exec"), scope)
        out.append(True)
    except BaseException:
        out.append(False)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
sys.__stdout__.write("\n" + json.dumps(out))
"""


def program(row, completion):
    """The whole program of a row, as HumanEval's harness joins it."""
    return f"{row['prompt']}{completion}\n{row['test']}\ncheck({row['entry_point']})\n"


def passes(programs, at_once=64):
    out = []
    for start in range(0, len(programs), at_once):
        part = programs[start:start + at_once]
        try:
            done = subprocess.run([sys.executable, "-I", "-S", "-c", CHILD], input=json.dumps(part), capture_output=True, text=True,
                                  timeout=10 + 2 * len(part))
            verdicts = json.loads(done.stdout.rsplit("\n", 1)[-1]) if done.returncode == 0 else None
        except (subprocess.TimeoutExpired, ValueError):
            verdicts = None
        if verdicts is None:  # one of them took the process down: each alone
            verdicts = [False] if len(part) == 1 else [passes([p])[0] for p in part]
        out += verdicts
    return out
