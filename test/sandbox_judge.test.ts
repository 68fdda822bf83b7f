/**
 * The judge and the answer are apart: what the tests see of an answer is what the official harness would see of it, and
 * nothing that an answer does changes what the tests are.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CodeItem } from "../server/checkers/code/program.ts";
import { openSandbox, type Sandbox } from "../server/checkers/code/sandbox.ts";

let sandbox: Sandbox;
beforeAll(() => sandbox = openSandbox({ oneSource: true }));
afterAll(async () => await sandbox.close());

const item = (test: string, prompt = ""): CodeItem => ({
  kind: "humaneval",
  task_id: "t/0",
  prompt,
  entry_point: "f",
  test,
});
const check = (body: string): string => `def check(candidate):\n${body.replaceAll(/^/gm, "    ")}`;
const verdict = (tests: string, solution: string, prompt = "") =>
  sandbox.check(item(check(tests), prompt), { solution }, { timeoutSeconds: 60 });

describe("an answer passes as it does in one interpreter when", () => {
  test.each([
    [
      "numbers keep their kinds",
      "f = lambda: [1, 1.0, True, None, 1j, -0.0]",
      "assert repr(candidate()) == " +
      "'[1, 1.0, True, None, 1j, -0.0]' and candidate()[2] is True",
    ],
    [
      "numbers are large, none, or no numbers",
      "f = lambda: (10**5000, -2**60, float('inf'), float('nan'), 2**53)",
      "a, b, c, d, e = candidate()\nassert a == 10**5000 and b == -2**60 and c == float('inf') and d != d and e == 2**53",
    ],
    [
      "lists hold numbers of several kinds",
      "f = lambda: [[1, 2.0, -0.0], [2**53, 1.0], [True, 1], [1, float('nan')], [], [10**400]]",
      "a, b, c, d, e, g = candidate()\nassert repr([a, b, c]) == '[[1, 2.0, -0.0], [9007199254740992, 1.0], [True, 1]]'\n" +
      "assert d[0] == 1 and d[1] != d[1] and e == [] and g == [10**400]",
    ],
    [
      "texts hold anything",
      "f = lambda s: s + '\\ud800\\0\\n\\u2028'",
      "assert candidate('ä\\n') == 'ä\\n\\ud800\\0\\n\\u2028'",
    ],
    [
      "containers are in containers",
      "f = lambda: {(1, 'a'): [{2, 3}, frozenset([4]), b'x', bytearray(b'y'), range(3)]}",
      "assert candidate() == {(1, 'a'): [{2, 3}, frozenset([4]), b'x', bytearray(b'y'), range(3)]}\n" +
      "assert isinstance(candidate()[(1, 'a')][1], frozenset)",
    ],
    [
      "classes of Python's library equal their kind",
      "import collections as c\nf = lambda: (c.Counter('aab'), c.OrderedDict(a=1), c.namedtuple('P', 'x y')(1, 2))",
      "assert candidate() == ({'a': 2, 'b': 1}, {'a': 1}, (1, 2))",
    ],
    [
      "fractions, decimals, views of dictionaries",
      "import fractions as q, decimal as d\nf = lambda: (q.Fraction(1, 2), d.Decimal('0.5'), {1: 2}.keys(), {1: 2}.items())",
      "assert candidate() == (0.5, 0.5, {1}, {(1, 2)})",
    ],
    [
      "a generator, a map or a class of its own is walked through",
      "class R:\n  def __iter__(self): return iter([1, 2])\ndef f(): return ((x for x in [1, 2]), map(int, '12'), R())",
      "assert [list(one) for one in candidate()] == [[1, 2]] * 3\nassert candidate()[0] != [1, 2]",
    ],
    ["it returns a function", "f = lambda a, *, b=0: lambda c: a + b + c", "assert candidate(1, b=2)(3) == 6"],
    [
      "its own function is given back to it",
      "def f(g=None): return f if g is None else g is f",
      "assert candidate(candidate) and candidate(candidate())",
    ],
    [
      "it changes what it was given",
      "def f(l, d): l.sort(); d['x'].append(1); return l",
      "l, inner = [3, 1, 2], []\nd = {'x': inner}\nassert candidate(l, d) == [1, 2, 3] == l and inner == [1]",
    ],
    [
      "it raises what the tests expect",
      "class E(ValueError): pass\ndef f(x):\n  raise E('no', x)",
      "try:\n    candidate(2)\nexcept ValueError as error:\n    assert error.args == ('no', 2) and type(error).__name__ == 'E'\n" +
      "else:\n    assert False",
    ],
    [
      "it keeps what it knows from call to call",
      "n = 0\ndef f():\n  global n\n  n += 1\n  return n",
      "assert [candidate(), candidate()] == [1, 2]",
    ],
    ["the tests call a helper that only it defines", "def g(x): return -x\nf = abs", "assert candidate(g(2)) == 2"],
    ["the tests name its function", "f = len", "assert f('ab') == 2 == candidate('ab')"],
  ])("%s", async (_when, solution, tests) => {
    expect(await verdict(tests, solution)).toEqual({ passed: true });
  });

  test("the tests use what the prompt defines", async () => {
    const prompt = 'import math\ndef half(x):\n    return x / 2\n\ndef f(x: int):\n    """ Twice x. """\n';
    const tests = "assert math.isclose(half(candidate(3)), 3)";
    const right = "def half(x): return x / 2\ndef f(x): return 2 * x";
    expect(await verdict(tests, right, prompt)).toEqual({ passed: true });
    // One whose last function has no body at all, and is only a comment.
    expect(await verdict(tests, right, prompt.replace(/ {4}""".*\n$/, "    # Twice x.\n"))).toEqual({ passed: true });
    // A solution that EvalPlus calls alone, without them.
    expect(await verdict(tests, "def f(x): return 2 * x", prompt)).toEqual({ passed: true });
    // Those of the answer have to do as well, and don't do alone.
    expect((await verdict(tests, "def half(x): return 1\ndef f(x): return 2 * x", prompt)).passed).toBe(false);
    expect(await verdict(tests, "def half(x): return 3\ndef f(x): return 7", prompt)).toEqual({
      passed: false,
      reason: "failed: AssertionError",
    });
  });
});

test.each([
  [
    "a function",
    "assert candidate(lambda x: x) == 1",
    /^the tests give the answer an object of function, which cannot/,
  ],
  [
    "an object",
    "class A: pass\nassert candidate([A()]) == 1",
    /^the tests give the answer an object of A, which cannot/,
  ],
])("undecided: the tests give the answer %s", async (_what, tests, reason) => {
  expect(await verdict(tests, "f = id")).toEqual({ passed: null, reason: expect.stringMatching(reason) });
});

test.each([
  [
    "import numpy\ndef check(candidate): pass",
    /^the tests don't run here: ModuleNotFoundError: No module named 'numpy'/,
  ],
  ["def check(candidate) pass", /^the tests don't run here: SyntaxError/],
  ["pass", /^the tests don't run here: KeyError: 'check'$/],
])("undecided: %s", async (tests, reason) => {
  expect(await sandbox.check(item(tests), { solution: "f = id" }, { timeoutSeconds: 60 })).toEqual({
    passed: null,
    reason: expect.stringMatching(reason),
  });
});

test("results that nobody can compare fail, and say so", async () => {
  const tests = "assert candidate(3) == 5";
  const object = await verdict(tests, "class Liar:\n  def __eq__(self, other): return True\nf = lambda x: Liar()");
  expect(object).toEqual({
    passed: false,
    reason: "failed: AssertionError (it returned an object of Liar, which equals nothing here)",
  });
  const cases = ["l = []\nl.append(l)\nf = lambda x: l", "f = lambda x: [0] * 3_000_000"];
  for (const solution of cases) {
    expect((await verdict(tests, solution)).reason).toMatch(
      /^failed: AssertionError \(it returned an object of list \(it /,
    );
  }
  // More than the judge reads of one result, or the process holds: it is ended, and nothing else.
  expect(await verdict(tests, "f = lambda x: 'x' * 70_000_000")).toEqual({
    passed: false,
    reason: expect.stringMatching(/^failed: the process ended \(SIG(?:KILL|TRAP)\)/),
  });
});
