/**
 * The process in which one untrusted Python program runs; started by interpreter_process.ts, never imported.
 *
 * Its only permission is reading Pyodide's folder, which the first argument names. Standard input brings frames: four
 * bytes of length, least significant first, then as many bytes. The second argument says what to do:
 * `snapshot` starts Python, writes the memory of the started interpreter to standard output, and ends.
 * `program` reads such a memory as its first frame, says "ready", reads a secret and a program as the next two frames,
 * runs the program and writes one line: the secret, a space, and an Outcome as JSON.
 * `compile` reads such a memory too and says "ready"; for each frame with a program, which it never runs, it writes a line:
 * the SyntaxError that running it would raise, as a JSON string, or null.
 *
 * The program cannot say that line itself: the secret stays in a closure that no Python object leads to, evaluation of
 * JavaScript text is off (a flag of the process), JavaScript's own prototypes are frozen, and the modules that lead to
 * JavaScript objects are gone before it starts. Whatever it prints goes nowhere.
 */
import type { Outcome } from "./interpreter_process.ts";

const [pyodideFolder, task, memoryLimit] = Deno.args as [string, "snapshot" | "program" | "compile", string];
const WASM_PAGE_BYTES = 65536;
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** What this file uses of Pyodide. */
interface Python {
  runPython(code: string): unknown;
  makeMemorySnapshot(): Uint8Array;
  setStdin(options: { error: true }): void;
  setStdout(options: { write: (bytes: Uint8Array) => number }): void;
  setStderr(options: { write: (bytes: Uint8Array) => number }): void;
}

/**
 * Shuts the ways out of Python and returns the function that runs a program: true when it ran to its end, else what it
 * raised. A program is run as HumanEval runs it, in an empty namespace, so `__name__` is not "__main__".
 *
 * Without `settrace` no program can jump over the lines that test it, without ctypes it cannot write into the
 * interpreter. Modules set to None cannot be imported again.
 */
const OPEN = `
def open_runner():
    import sys
    away = {"js", "pyodide_js", "_pyodide_core", "pyodide", "_pyodide", "ctypes", "_ctypes"}
    for name in list(sys.modules) + list(away):
        if name.partition(".")[0] in away:
            sys.modules[name] = None
    for finder in sys.meta_path:
        getattr(finder, "jsproxies", {}).clear()
    sys.meta_path[:] = [finder for finder in sys.meta_path if finder.__module__.partition(".")[0] not in away]
    del sys.settrace, sys.setprofile

    def run(program):
        try:
            exec(compile(program, "<program>", "exec"), {})
        except BaseException as error:
            return describe(error)
        return True

    return run
open_runner()
`;

/** What an exception is called in an outcome. */
const DESCRIBE = `
def describe(error):
    kind = type(error).__name__
    try:
        text = str(error)
    except BaseException:
        text = ""
    return (f"{kind}: {text}" if text else kind)[:500]
`;

/** Other errors than SyntaxError hang on memory and stack: they are left to a process of the program's own. */
const OPEN_COMPILER = `
import warnings
warnings.simplefilter("ignore")

def refusal(program):
    try:
        compile(program, "<program>", "exec")
    except SyntaxError as error:
        return describe(error)
    except BaseException:
        pass
    return None
refusal
`;

/** Blocks: this process has nothing else to do. */
function readBytes(count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  for (let done = 0; done < count;) {
    const read = Deno.stdin.readSync(bytes.subarray(done));
    // The host is gone, or wants no more of us.
    if (read === null) Deno.exit(0);
    done += read;
  }
  return bytes;
}

function readFrame(): Uint8Array {
  const length = readBytes(4);
  return readBytes(new DataView(length.buffer).getUint32(0, true));
}

function write(bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += Deno.stdout.writeSync(bytes.subarray(done));
}

/** Lets Python see a MemoryError before the operating system's limit ends the whole process. */
function limitMemory(bytes: number): void {
  const grow = WebAssembly.Memory.prototype.grow;
  WebAssembly.Memory.prototype.grow = function (pages) {
    if (this.buffer.byteLength + pages * WASM_PAGE_BYTES > bytes) throw new RangeError("the memory limit is reached");
    return grow.call(this, pages);
  };
}

/** What programs import most; part of the snapshot, so that no process reads it from the library again. */
const PRELOADED =
  "bisect, collections.abc, copy, dataclasses, datetime, decimal, enum, fractions, functools, hashlib, " +
  "heapq, itertools, json, math, operator, random, re, statistics, string, time, typing";

async function startPython(snapshot: Uint8Array | undefined): Promise<Python> {
  const { loadPyodide } = await import(new URL("pyodide.mjs", `file://${pyodideFolder}/`).href);
  return await loadPyodide({
    indexURL: `${pyodideFolder}/`,
    // What "import js" shows.
    jsglobals: Object.create(null),
    ...(snapshot ? { _loadSnapshot: snapshot } : { _makeSnapshot: true }),
  });
}

/** Removes what touches the world from the globals, and freezes what every object inherits. */
function shutJavaScript(): void {
  const names = ["Deno", "process", "require", "fetch", "WebSocket", "WebSocketStream", "EventSource", "Worker"];
  for (const name of [...names, "localStorage", "sessionStorage", "caches", "prompt", "alert", "confirm", "close"]) {
    Reflect.deleteProperty(globalThis, name);
  }
  const bases = [Object, Function, Array, Map, Set, WeakMap, Promise, Error, String, Number, Boolean, Symbol, BigInt];
  for (const base of [...bases, RegExp, Date, Uint8Array, ArrayBuffer, DataView, Proxy, WebAssembly.Memory]) {
    if (base.prototype) Object.freeze(base.prototype);
    Object.freeze(base);
  }
  for (const whole of [Reflect, JSON, Math, WebAssembly]) Object.freeze(whole);
}

/** Until the host is gone. */
function compilePrograms(python: Python): never {
  const refusal = python.runPython(DESCRIBE + OPEN_COMPILER) as (program: string) => string | undefined;
  write(encoder.encode("ready\n"));
  for (;;) write(encoder.encode(`${JSON.stringify(refusal(decoder.decode(readFrame())) ?? null)}\n`));
}

async function main(): Promise<void> {
  if (task === "snapshot") {
    const python = await startPython(undefined);
    python.runPython(`import ${PRELOADED}`);
    return write(python.makeMemorySnapshot());
  }
  limitMemory(Number(memoryLimit));
  const python = await startPython(readFrame());
  python.setStdin({ error: true });
  python.setStdout({ write: (bytes) => bytes.length });
  python.setStderr({ write: (bytes) => bytes.length });
  if (task === "compile") return compilePrograms(python);
  const run = python.runPython(DESCRIBE + OPEN) as (program: string) => unknown;
  write(encoder.encode("ready\n"));
  const secret = decoder.decode(readFrame());
  const program = decoder.decode(readFrame());
  // Made before the program runs, so that nothing it might change takes part in saying that it passed.
  const say = Deno.stdout.writeSync.bind(Deno.stdout);
  const line = (outcome: Outcome) => encoder.encode(`${secret} ${JSON.stringify(outcome)}\n`);
  const passed = line({ kind: "passed" });
  const crashed = line({ kind: "crashed" });
  const { exit } = Deno;
  shutJavaScript();
  try {
    const result = run(program);
    say(result === true ? passed : typeof result === "string" ? line({ kind: "raised", error: result }) : crashed);
  } catch {
    // os._exit, a fatal error of the interpreter, a stack deeper than JavaScript's.
    say(crashed);
  }
  exit(0);
}

await main();
