/** The sandbox for Python: right verdicts, and nothing that a program does reaches out of it or stays behind. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answerProgram, type CodeItem, completionOf } from "../server/checkers/code/program.ts";
import { openSandbox, type Sandbox } from "../server/checkers/code/sandbox.ts";
import { drawProblems, failingSolutions, HUMANEVAL, PROBLEMS } from "./canonical_solutions.ts";
import { culprit, refused } from "./command_line.ts";

const DATA = new URL("data/humaneval/", import.meta.url).pathname;

/** Passes any program that runs to its end. */
const ANY: CodeItem = { kind: "humaneval", task_id: "any", prompt: "", entry_point: "int", test: "def check(f): pass" };
/** Fails every program. */
const NONE: CodeItem = { ...ANY, task_id: "none", test: "def check(f): assert False" };

let sandbox: Sandbox;
let folder: string;
let server: Server;
let port: number;
let connections = 0;
beforeAll(async () => {
  sandbox = openSandbox();
  folder = mkdtempSync(join(tmpdir(), "culprit-sandbox-"));
  writeFileSync(join(folder, "secret"), "a secret of the host");
  server = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  port = (server.address() as { port: number }).port;
});
afterAll(async () => {
  await sandbox.close();
  expect(interpreters()).toEqual([]);
  server.close();
  rmSync(folder, { recursive: true });
});

/** Processes of the sandbox that are children of this one, and all that descend from them. */
function interpreters(): readonly number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
    } catch {
      // It ended while we looked.
    }
  }
  const found = new Set<number>();
  for (const [id, parent] of parents) {
    if (parent === process.pid && commandOf(id).includes("interpreter.ts")) found.add(id);
  }
  for (let grown = -1; grown !== found.size;) {
    grown = found.size;
    for (const [id, parent] of parents) if (found.has(parent)) found.add(id);
  }
  return [...found];
}

function commandOf(id: number): string {
  try {
    return readFileSync(`/proc/${id}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

/** Of 164: the others take minutes, and run in the soak. */
const SHARE = 16;
const SEED = 1;

test("canonical solutions pass", { timeout: 400_000 }, async () => {
  expect(PROBLEMS).toHaveLength(164);
  expect(await failingSolutions(drawProblems(SHARE, SEED))).toEqual([]);
});

test("a wrong solution fails, with the exception", async () => {
  const problem = { ...PROBLEMS[0]!, kind: "humaneval" } as const;
  expect(await sandbox.check(problem, "    return True\n")).toEqual({
    passed: false,
    reason: "failed: AssertionError",
  });
  expect(await sandbox.check(problem, "    return numbrs\n")).toEqual({
    passed: false,
    reason: expect.stringMatching(/^failed: NameError: name 'numbrs' is not defined/),
  });
});

describe("a program that does this fails cleanly:", () => {
  test.each<readonly [string, () => string, RegExp]>([
    ["waits for input", () => "input()", /^failed: OSError/],
    ["reads a file of the system", () => "open('/etc/passwd').read()", /^failed: FileNotFoundError/],
    ["reads a file of ours", () => `open(${JSON.stringify(join(folder, "secret"))}).read()`, /^failed: FileNotFound/],
    ["writes a file of ours", () => `open(${JSON.stringify(join(folder, "new"))}, "w").write("x")`, /^failed: FileNot/],
    [
      "opens a connection",
      () => `import socket\nsocket.create_connection(("127.0.0.1", ${port}), timeout=2).sendall(b"x")`,
      /^failed: OSError/,
    ],
    [
      "fetches a page",
      () => `import urllib.request\nurllib.request.urlopen("http://127.0.0.1:${port}/", timeout=2)`,
      /^failed: URLError/,
    ],
    ["forks", () => "import os\nos.fork()", /^failed: OSError/],
    ["starts a program", () => "import subprocess\nsubprocess.run(['touch', 'x'])", /^failed: OSError/],
    ["asks for a shell", () => "import os\nassert os.system('true') == 0", /^failed: /],
    ["starts a process of Python's", () => "import multiprocessing as m\nm.Process(target=print).start()", /^failed: /],
    ["starts a thread", () => "import threading\nthreading.Thread(target=print).start()", /^failed: RuntimeError/],
    ["recurses for ever", () => "def f(): f()\nf()", /^failed: RecursionError/],
    [
      "recurses for ever, without Python's limit",
      () => "import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return [f(n + 1)]\nf(0)",
      /^failed: /,
    ],
    ["allocates one large block", () => "x = bytearray(2 * 10**9)", /^failed: MemoryError/],
    [
      "allocates for ever, in large blocks",
      () => "x = []\nwhile True: x.append(bytearray(10**7))",
      /^failed: (?:MemoryError|the p)/,
    ],
    ["kills itself", () => "import os\nos.kill(os.getpid(), 9)", /^failed: the program ended the interpreter/],
    ["aborts", () => "import os\nos.abort()", /^failed: the program ended the interpreter/],
  ])("%s", { timeout: 120_000 }, async (_what, program, reason) => {
    expect(await sandbox.check(ANY, program(), { timeoutSeconds: 60 })).toEqual({
      passed: false,
      reason: expect.stringMatching(reason),
    });
    expect(connections).toBe(0);
    expect(readdirSync(folder)).toEqual(["secret"]);
  });

  test.each([
    ["loops for ever", "while True: pass"],
    ["sleeps", "import time\ntime.sleep(1000)"],
    ["catches all and goes on", "while True:\n  try:\n    while True: pass\n  except BaseException: pass"],
    ["allocates slowly", "x = []\nwhile True: x = [x[-3:], 1]"],
  ])("%s: killed at the time limit", async (_what, program) => {
    // The process that waits now is the one that is used; how long one takes to start is not the program's time.
    const began = performance.now();
    expect(await sandbox.check(ANY, program, { timeoutSeconds: 1 })).toEqual({ passed: false, reason: "timed out" });
    expect(performance.now() - began).toBeGreaterThanOrEqual(1000);
    expect(performance.now() - began).toBeLessThan(30_000);
  });
});

test("much output goes nowhere and takes no memory", async () => {
  const program = "import sys\nfor i in range(100): print('x' * 10**6); sys.stderr.write('y' * 10**6)";
  expect(await sandbox.check(ANY, program, { timeoutSeconds: 60 })).toEqual({ passed: true });
});

describe("no program says that it passed:", () => {
  test.each([
    ["by ending early", "import sys\nsys.exit(0)"],
    ["by ending the process", "import os\nos._exit(0)"],
    ["by writing the process's own words", "print('ready')\nprint('passed')\nprint('x {\"kind\":\"passed\"}')"],
    ["by jumping over the tests", "import sys\ndef t(f, e, a): return t\nsys.settrace(t)"],
    ["by way of JavaScript", "from js import Deno\nDeno.exit(0)"],
    ["by way of Pyodide", "import pyodide_js"],
    ["by evaluating JavaScript", "from pyodide.code import run_js\nrun_js('1')"],
    ["by the interpreter's memory", "import ctypes"],
    [
      "by JavaScript objects that it makes itself",
      "import sys\ndel sys.modules['_pyodide_core']\nfrom _pyodide_core import to_js\n" +
      "to_js([]).constructor.constructor('return 1')()",
    ],
    ["by another assertion error", "AssertionError = ValueError\nclass A: pass\n__builtins__['AssertionError'] = A"],
    ["by its own check", "def check(f): pass"],
  ])("%s", async (_how, program) => {
    const { passed, reason } = await sandbox.check(NONE, program, { timeoutSeconds: 60 });
    expect({ passed, reason }).toEqual({ passed: false, reason: expect.stringMatching(/^failed: /) });
  });
});

test("each program has an interpreter of its own", async () => {
  const leave = "import builtins, math\nbuiltins.left = 1\nmath.pi = 3\nopen('/tmp/left', 'w').write('x')";
  const look = "import math, os\nassert math.pi > 3.1 and not os.path.exists('/tmp/left')\n" +
    "try: left\nexcept NameError: pass\nelse: raise AssertionError";
  for (const program of [leave, look, leave, look, look]) {
    expect(await sandbox.check(ANY, program, { timeoutSeconds: 60 })).toEqual({ passed: true });
  }
});

test("its processes have the system's limits, no secrets of ours, and may read one folder", async () => {
  process.env["CULPRIT_TEST_SECRET"] = "of the host";
  const own = openSandbox({ processes: 1, memoryMebibytes: 256 });
  try {
    expect(await own.check(ANY, "pass", { timeoutSeconds: 60 })).toEqual({ passed: true });
    const waiting = interpreters().find((id) => commandOf(id).includes(`\0serve\0${256 * 2 ** 20}\0`))!;
    expect(waiting).toBeGreaterThan(0);
    const limits = readFileSync(`/proc/${waiting}/limits`, "utf8");
    expect(limits).toMatch(new RegExp(`Max data size +${1280 * 2 ** 20} +${1280 * 2 ** 20} `));
    expect(limits).toMatch(/Max cpu time +600 +600 /);
    expect(limits).toMatch(/Max file size +0 +0 /);
    expect(readFileSync(`/proc/${waiting}/environ`, "utf8")).not.toContain("of the host");
    const permissions = commandOf(waiting).split("\0").filter((argument) => argument.startsWith("--allow"));
    expect(permissions).toEqual([expect.stringMatching(/^--allow-read=[^,]*\/node_modules\/pyodide$/)]);
    expect(commandOf(waiting)).not.toMatch(/\0-A\0|\0--unstable/);
    const bomb = "x = []\nwhile True: x.append(bytearray(10**6))\n";
    expect(await own.check(ANY, `${bomb}`, { timeoutSeconds: 60 })).toEqual({
      passed: false,
      reason: "failed: MemoryError",
    });
    expect(await own.check(ANY, "x = bytearray(150 * 10**6)", { timeoutSeconds: 60 })).toEqual({ passed: true });
  } finally {
    delete process.env["CULPRIT_TEST_SECRET"];
    await own.close();
  }
});

test("idle processes that the system ends are replaced: the compiler, a judge, and one that waits", async () => {
  const own = openSandbox({ processes: 1, memoryMebibytes: 300 });
  try {
    expect(await own.check(ANY, "pass", { timeoutSeconds: 60 })).toEqual({ passed: true });
    const idle = interpreters().filter((id) => commandOf(id).includes(`\0serve\0${300 * 2 ** 20}\0`));
    expect(idle).toHaveLength(3);
    for (const id of idle) process.kill(id, "SIGKILL");
    await expect.poll(() => idle.some((id) => existsSync(`/proc/${id}`)), { timeout: 60_000 }).toBe(false);
    // The system has taken them away; our own events of that follow.
    await new Promise((go) => setTimeout(go, 500));
    expect(await own.check(ANY, "pass", { timeoutSeconds: 60 })).toEqual({ passed: true });
  } finally {
    await own.close();
  }
});

test("what is no Python is refused by one process that compiles, which is replaced when it ends", async () => {
  const own = openSandbox({ processes: 1, memoryMebibytes: 301 });
  const own301 = () => interpreters().filter((id) => commandOf(id).includes(`\0serve\0${301 * 2 ** 20}\0`));
  const refused = { passed: false, reason: "failed: SyntaxError: '(' was never closed (<program>, line 1)" };
  try {
    for (let turn = 0; turn < 3; turn++) {
      expect(await own.check(ANY, "x = (1,", { timeoutSeconds: 60 })).toEqual(refused);
    }
    // One that compiles, one that waits.
    const first = own301();
    expect(first).toHaveLength(2);
    for (const id of first) process.kill(id, "SIGKILL");
    await expect.poll(() => first.some((id) => existsSync(`/proc/${id}`)), { timeout: 60_000 }).toBe(false);
    await new Promise((go) => setTimeout(go, 500));
    expect(await own.check(ANY, "x = (1,", { timeoutSeconds: 60 })).toEqual(refused);
    // The compiler gives up on it, a process of its own says why.
    const deep = await own.check(ANY, `x = ${"-".repeat(100_000)}1`, { timeoutSeconds: 60 });
    expect(deep.passed).toBe(false);
    expect(await own.check(ANY, "x = 1", { timeoutSeconds: 60 })).toEqual({ passed: true });
    expect(own301().filter((id) => first.includes(id))).toEqual([]);
  } finally {
    await own.close();
  }
});

test("closing ends what runs, and a closed sandbox refuses", async () => {
  const own = openSandbox({ processes: 1 });
  const checks = ["while True: pass", "pass"].map((program) => own.check(ANY, program, { timeoutSeconds: 60 }));
  const ended = Promise.allSettled(checks);
  const before = interpreters().length;
  await expect.poll(() => interpreters().length, { timeout: 60_000 }).toBeGreaterThan(before);
  await own.close();
  for (const end of await ended) {
    expect(end).toEqual({ status: "rejected", reason: new Error("the Python sandbox is closed") });
  }
  await expect(own.check(ANY, "pass")).rejects.toThrow(/closed/);
  await expect(sandbox.check(ANY, "pass", { timeoutSeconds: 0 })).rejects.toThrow(RangeError);
  await expect(sandbox.check(ANY, "pass", { timeoutSeconds: 1e9 })).rejects.toThrow(RangeError);
});

describe("the answer of a conversation", () => {
  const item: CodeItem = {
    kind: "humaneval",
    task_id: "t/0",
    prompt: 'import math\n\ndef half(n):\n    """Half of n."""\n',
    entry_point: "half",
    test: "def check(half):\n    assert half(4) == 2",
  };

  test("without a fence it is the completion", () => {
    expect(completionOf(item, "    return n / 2")).toBe("    return n / 2");
    expect(answerProgram(item, { completion: "    return n / 2" })).toBe(`${item.prompt}    return n / 2\n`);
    expect(answerProgram(item, { solution: "half = lambda n: n / 2" })).toBe("half = lambda n: n / 2\n");
  });

  test.each([
    ["a whole function", "Here:\n```python\ndef half(n):\n    return math.floor(n / 2)\n```\nDone.", true],
    ["the block that defines the function", "```\nhalf(4)\n```\nso\n```py\ndef half(n):\n    return n / 2\n```", true],
    ["a body", "```python\n    return n / 2\n```", true],
    ["a fence that is never closed", "Sure!\n```python\ndef half(n):\n    return n / 2", true],
    ["a wrong function", "```python\ndef half(n):\n    return n\n```", false],
    ["no code", "I cannot.", false],
  ])("%s", async (_what, answer, passed) => {
    expect((await sandbox.check(item, answer, { timeoutSeconds: 60 })).passed).toBe(passed);
  });
});

describe("culprit check --benchmark humaneval", () => {
  const check = (
    items: string,
    responses: string,
    ...more: string[]
  ) => ["check", "--benchmark", "humaneval", "--items", items, "--responses", responses, ...more];
  const example = join(DATA, "example_problem.jsonl");
  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };

  test("the benchmark's own six samples, hostile ones among them", async () => {
    const samples = join(DATA, "example_samples.jsonl");
    const { code, out, err } = await culprit(check(example, samples, "--timeout", "5", "--json"));
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out.trim().split("\n").map((line) => JSON.parse(line))).toEqual([
      { task_id: "test/0", passed: false, reason: expect.stringMatching(/^failed: OSError/) },
      { task_id: "test/0", passed: false, reason: "timed out" },
      { task_id: "test/0", passed: false, reason: expect.stringMatching(/^failed: OSError/) },
      { task_id: "test/0", passed: true, reason: "passed" },
      { task_id: "test/0", passed: true, reason: "passed" },
      { task_id: "test/0", passed: true, reason: "passed" },
    ]);
    expect(existsSync("tmp")).toBe(false);
  });

  test("a solution is a whole program, and items may be packed", async () => {
    const { task_id, prompt, canonical_solution } = PROBLEMS[3]!;
    const lines = [{ task_id, solution: prompt + canonical_solution }, { task_id, completion: "    pass" }];
    const samples = file("solution.jsonl", lines.map((line) => JSON.stringify(line)).join("\n"));
    const { code, out } = await culprit(check(HUMANEVAL, samples, "--timeout", "60"));
    expect({ code, out }).toEqual({
      code: 0,
      out: `${task_id}  passed\n${task_id}  failed: AssertionError\n1 of 2 passed (50.00 %)\n`,
    });
  });

  test("an interrupt ends it", async () => {
    const samples = file("endless.jsonl", '{"task_id":"test/0","completion":"    while True: pass"}\n');
    const interrupt = new AbortController();
    const running = culprit(check(example, samples, "--timeout", "60"), [], { signal: interrupt.signal });
    setTimeout(() => interrupt.abort(new Error("interrupted by SIGINT")), 2000);
    expect(await running).toEqual({ code: 1, out: "", err: "interrupted by SIGINT\n" });
  });

  test("a sample that cannot be judged is answered in its place", async () => {
    const lines = ['{"task_id":"x","completion":""}', '{"task_id":"test/0"}', '{"completion":""}', '{"task_id'];
    const bad = file("bad.jsonl", lines.map((line) => `${line}\n`).join(""));
    const { code, out, err } = await culprit([...check(example, bad), "--json"]);
    expect(out.trimEnd().split("\n").map((line) => JSON.parse(line).error)).toEqual([
      expect.stringMatching(/bad\.jsonl:1: its task_id x is in no item/),
      expect.stringMatching(/bad\.jsonl:2: has no "completion"; /),
      expect.stringMatching(/bad\.jsonl:3: has no "task_id"; /),
      expect.stringMatching(/bad\.jsonl:4: is not valid JSON: /),
    ]);
    expect(code).toBe(1);
    expect(err).toMatch(/4 of 4 lines could not be judged/);
  });

  test("bad input is named, before anything runs", async () => {
    const good = '{"task_id":"test/0","completion":"    return 1"}\n';
    const samples = file("good.jsonl", good);
    await refused(["check", "--benchmark", "humaneval", "--items", example], /^--responses: is missing/);
    for (const wrong of ["0", "-1", "ten", "1e9", "301"]) {
      await refused(check(example, samples, `--timeout=${wrong}`), /^--timeout: ".*" is not a number of seconds; give/);
    }
    await refused(check(join(folder, "nowhere"), samples), /nowhere: there is no such file; /);
    await refused(check(samples, samples), /good\.jsonl:1: has no "prompt"; give \{"task_id",/);
    const twice = file("twice.jsonl", readFileSync(example, "utf8").trim().repeat(2).replace("}{", "}\n{"));
    await refused(check(twice, samples), /twice\.jsonl:2: has a task_id seen before, test\/0; /);
    await refused(check(example, file("empty.jsonl", "")), /empty\.jsonl: has no samples; /);
    const cut = join(folder, "cut.jsonl.gz");
    writeFileSync(cut, readFileSync(HUMANEVAL).subarray(0, 20_000));
    await refused(check(cut, samples), /cut\.jsonl\.gz: is not a whole gzip file; /);
  });
});
