/**
 * The process in which untrusted Python runs; started by interpreter_process.ts, never imported.
 *
 * Its only permission is reading Pyodide's folder, which the first argument names, and the folder of wheels, the fourth. Standard input brings frames: four
 * bytes of length, least significant first, then as many bytes. The second argument says what to do:
 * `snapshot` starts Python, writes the memory of the started interpreter to standard output, and ends.
 * `serve` reads such a memory as its first frame, says "ready", and reads as its next frame what it is: a `compiler`, an
 * `answer` or a `judge`. From then on it writes one line of JSON for each frame:
 * a compiler the SyntaxError that running the frame's program would raise, or null;
 * an answer what its program made of the frame's request (answer_python.ts);
 * a judge `{"ask": REQUEST}` for the answer's interpreter, whose reply is the next frame, or `{"verdict": VERDICT}`.
 *
 * What an answer's process says decides nothing, so an answer gains nothing by reaching this file's JavaScript. It finds
 * little there all the same: evaluation of JavaScript text is off (a flag of the process), JavaScript's own prototypes are
 * frozen, and the modules that lead to JavaScript objects are gone before it starts. Whatever it prints goes nowhere.
 */
import { ANSWER } from "./answer_python.ts";
import { JUDGE } from "./judge_python.ts";
import { PLAIN_DATA } from "./plain_data.ts";

const [pyodideFolder, task, memoryLimit, wheelFolder = ""] = Deno.args as [
  string,
  "snapshot" | "serve",
  string,
  string,
];
/** The process's own ends, taken before Deno is out of reach. */
const { stdin, stdout, exit } = Deno;
const WASM_PAGE_BYTES = 65536;
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** What this file uses of Pyodide. */
interface Python {
  runPython(code: string): unknown;
  makeMemorySnapshot(): Uint8Array;
  unpackArchive(buffer: Uint8Array, format: "wheel"): void;
  setStdin(options: { error: true }): void;
  setStdout(options: { write: (bytes: Uint8Array) => number }): void;
  setStderr(options: { write: (bytes: Uint8Array) => number }): void;
}

/** Other errors than SyntaxError hang on memory and stack: they are left to a process of the program's own. */
const COMPILER = `
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
    const read = stdin.readSync(bytes.subarray(done));
    // The host is gone, or wants no more of us.
    if (read === null) return exit(0);
    done += read;
  }
  return bytes;
}

function readFrame(): Uint8Array {
  const length = readBytes(4);
  return readBytes(new DataView(length.buffer).getUint32(0, true));
}

function write(bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += stdout.writeSync(bytes.subarray(done));
}

const writeLine = (text: string): void => write(encoder.encode(`${text}\n`));
const line = (value: unknown): void => writeLine(JSON.stringify(value));

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

/** Makes the packages of the folder importable: files of a wheel are not part of the snapshot. */
function unpackWheels(python: Python): void {
  if (wheelFolder === "") return;
  for (const { name } of [...Deno.readDirSync(wheelFolder)].filter(({ name }) => name.endsWith(".whl"))) {
    python.unpackArchive(Deno.readFileSync(`${wheelFolder}/${name}`), "wheel");
  }
  python.runPython("import importlib; importlib.invalidate_caches()");
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

/** What a process is, once it is told: each returns what to do with one frame. */
const ROLES: Readonly<Record<string, (python: Python) => (frame: string) => void>> = {
  compiler: (python) => {
    const refusal = python.runPython(PLAIN_DATA + COMPILER) as (program: string) => string | undefined;
    return (program) => line(refusal(program) ?? null);
  },
  answer: (python) => {
    const reply = python.runPython(PLAIN_DATA + ANSWER) as (request: string) => unknown;
    return (request) => {
      let text: unknown;
      try {
        text = reply(request);
      } catch {
        // os._exit, a fatal error of the interpreter, a stack deeper than JavaScript's.
      }
      if (typeof text === "string") return writeLine(text);
      line({ ended: true });
      exit(0);
    };
  },
  judge: (python) => {
    const ask = (request: string): string => {
      writeLine(`{"ask":${request}}`);
      return decoder.decode(readFrame());
    };
    const open = python.runPython(PLAIN_DATA + JUDGE) as (one: typeof ask) => (item: string) => string;
    const judge = open(ask);
    return (item) => writeLine(`{"verdict":${judge(item)}}`);
  },
};

async function main(): Promise<void> {
  if (task === "snapshot") {
    const python = await startPython(undefined);
    python.runPython(`import ${PRELOADED}`);
    return write(python.makeMemorySnapshot());
  }
  limitMemory(Number(memoryLimit));
  const python = await startPython(readFrame());
  unpackWheels(python);
  python.setStdin({ error: true });
  python.setStdout({ write: (bytes) => bytes.length });
  python.setStderr({ write: (bytes) => bytes.length });
  line("ready");
  // Finds the system's random numbers (os.urandom, secrets, tempfile) while it still can.
  python.runPython("import os; os.urandom(1)");
  const serve = ROLES[decoder.decode(readFrame())]!(python);
  shutJavaScript();
  // Until the host is gone.
  for (;;) serve(decoder.decode(readFrame()));
}

await main();
