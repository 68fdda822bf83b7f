/** Processes for untrusted Python: one for each program that runs, started ahead, used once, killed; one that compiles. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** What the process says of a program. `raised`: the exception that ended it; `crashed`: it ended the interpreter. */
export type Outcome =
  | { readonly kind: "passed" }
  | { readonly kind: "raised"; readonly error: string }
  | { readonly kind: "crashed" };

/** How a run ended. `died`: the process ended by itself without a word. */
export type RunResult = Outcome | { readonly kind: "timed out" } | { readonly kind: "died"; readonly how: string };

export interface InterpreterProcess {
  /** Resolves when Python waits for its program; rejects when the process ended or took too long before. */
  readonly ready: Promise<void>;
  /** Runs a program, once. The process is gone when this resolves. */
  readonly run: (program: string, timeoutMilliseconds: number) => Promise<RunResult>;
  /** Whether the process is gone. */
  readonly ended: () => boolean;
  /** Kills the process and waits until it is gone. */
  readonly kill: () => Promise<void>;
}

/** Compiles programs, which it never runs, one after the other. */
export interface CompilerProcess {
  /**
   * The SyntaxError that running the program would raise, in the words of an Outcome; undefined where it compiles, where
   * this cannot be said in time, and once the process is gone.
   */
  readonly refusal: (program: string, timeoutMilliseconds: number) => Promise<string | undefined>;
  readonly ended: () => boolean;
  readonly kill: () => Promise<void>;
}

/** Longest time that a start may take; it is half a second on a machine that is not busy. */
const START_MILLISECONDS = 120_000;
/** A process that runs a program says two short lines. One that says more has lost its senses. */
const OUTPUT_BYTES = { program: 65536, compile: Infinity };
/** What V8 and Deno need besides the memory of Python, measured: below 0.8 GB they do not start. */
const RUNTIME_BYTES = 2 ** 30;
/** Ends a process whose host was killed while its program ran on. Longer than any time limit. */
const CPU_SECONDS = 600;

/**
 * Limits that the operating system keeps: memory that can be written to, processor time, no core dumps, no files.
 * `ulimit -v` would not do: V8 reserves address space of many gigabytes, and touches little of it.
 */
const LIMITED = 'ulimit -d "$1" && ulimit -t "$2" && ulimit -c 0 && ulimit -f 0 && shift 2 && exec "$@"';

const INTERPRETER = fileURLToPath(new URL("./interpreter.ts", import.meta.url));
const PYODIDE = realpathSync(dirname(createRequire(import.meta.url).resolve("pyodide/package.json")));

function start(task: "snapshot" | "program" | "compile", memoryBytes: number): ChildProcess {
  const child = spawn("/bin/sh", [
    "-c",
    LIMITED,
    "sh",
    // In units of 1024 bytes.
    `${Math.ceil((memoryBytes + RUNTIME_BYTES) / 1024)}`,
    `${CPU_SECONDS}`,
    process.execPath,
    "run",
    "--quiet",
    "--no-prompt",
    "--no-config",
    "--no-lock",
    "--no-remote",
    "--no-npm",
    "--no-code-cache",
    "--cached-only",
    // Without it a dynamic import may fetch from a few well-known hosts.
    "--deny-import",
    `--allow-read=${PYODIDE}`,
    // The budget: most programs end before optimised code would pay for its compilation.
    "--v8-flags=--disallow-code-generation-from-strings,--max-old-space-size=128,--wasm-tiering-budget=100000000",
    INTERPRETER,
    PYODIDE,
    task,
    `${memoryBytes}`,
  ], {
    stdio: ["pipe", "pipe", "pipe"],
    cwd: "/",
    // Ctrl-C in a terminal reaches the whole group; the sandbox ends its processes itself.
    detached: true,
    // Nothing of ours, no secrets of the host; and no folder in which Deno could leave anything.
    env: { DENO_DIR: "/dev/null/none", DENO_NO_UPDATE_CHECK: "1", DENO_NO_PACKAGE_JSON: "1", NO_COLOR: "1" },
  });
  // The process may end while it is written to.
  child.stdin!.on("error", () => {});
  return child;
}

/**
 * Starts Python once and returns the memory of the started interpreter, about 30 MB: with it later processes start in
 * a fraction of the time, whatever memory they are given.
 */
export async function makeSnapshot(): Promise<Uint8Array> {
  const child = start("snapshot", 512 * 2 ** 20);
  const timer = setTimeout(() => child.kill("SIGKILL"), START_MILLISECONDS);
  const parts: Uint8Array[] = [];
  child.stdout!.on("data", (part: Uint8Array) => parts.push(part));
  const complaint = collect(child);
  const [code, signal] = await once(child, "close") as [number | null, string | null];
  clearTimeout(timer);
  if (code !== 0 || parts.length === 0) throw notStarted(signal ?? `exit code ${code}`, complaint());
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** A process that was started from a snapshot. */
interface StartedProcess {
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
  /** How it ended, once it has. */
  readonly gone: Promise<string>;
  /** Gives each later line of its output to this function. */
  readonly listen: (onLine: (line: string) => void) => void;
  readonly ended: () => boolean;
  readonly kill: () => Promise<void>;
}

function startFromSnapshot(task: "program" | "compile", snapshot: Uint8Array, memoryBytes: number): StartedProcess {
  const child = start(task, memoryBytes);
  const complaint = collect(child);
  const gone = new Promise<string>((done) => {
    child.on("error", (error) => done(error.message));
    child.on("close", (code, signal) => done(signal ?? `exit code ${code}`));
  });
  const kill = async () => {
    child.kill("SIGKILL");
    await gone;
  };
  let onLine: (line: string) => void = () => {};
  readLines(child, OUTPUT_BYTES[task], (line) => onLine(line));
  writeFrame(child, snapshot);
  const ready = new Promise<void>((done, fail) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), START_MILLISECONDS);
    onLine = () => {
      clearTimeout(timer);
      done();
    };
    gone.then((how) => {
      clearTimeout(timer);
      fail(notStarted(how, complaint()));
    });
  });
  // Whoever takes the process hears of it; one that nobody takes may fail unheard.
  ready.catch(() => {});
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  return { child, ready, gone, listen: (next) => onLine = next, ended, kill };
}

/** Starts a process from a snapshot; it waits for its program. */
export function startInterpreter(snapshot: Uint8Array, memoryBytes: number): InterpreterProcess {
  const { child, ready, gone, listen, ended, kill } = startFromSnapshot("program", snapshot, memoryBytes);
  const run = async (program: string, milliseconds: number): Promise<RunResult> => {
    const secret = randomUUID();
    const result = await new Promise<RunResult>((done) => {
      const timer = setTimeout(() => done({ kind: "timed out" }), milliseconds);
      listen((line) => {
        // A line without the secret is not from our side of the process.
        if (line.startsWith(`${secret} `)) done(JSON.parse(line.slice(secret.length + 1)) as Outcome);
      });
      gone.then((how) => {
        clearTimeout(timer);
        done({ kind: "died", how });
      });
      writeFrame(child, secret);
      writeFrame(child, program);
    });
    await kill();
    return result;
  };
  return { ready, run, kill, ended };
}

/** Starts a process that compiles, from a snapshot. */
export function startCompiler(snapshot: Uint8Array, memoryBytes: number): CompilerProcess {
  const { child, ready, gone, listen, ended, kill } = startFromSnapshot("compile", snapshot, memoryBytes);
  let last: Promise<unknown> = ready;
  const ask = async (program: string, milliseconds: number): Promise<string | undefined> => {
    const answer = await new Promise<string>((done) => {
      const timer = setTimeout(() => child.kill("SIGKILL"), milliseconds);
      listen((line) => {
        clearTimeout(timer);
        done(line);
      });
      gone.then(() => {
        clearTimeout(timer);
        done("null");
      });
      writeFrame(child, program);
    });
    return (JSON.parse(answer) as string | null) ?? undefined;
  };
  return {
    refusal: (program, milliseconds) => {
      const asked = last.then(() => ask(program, milliseconds)).catch(() => undefined);
      last = asked;
      return asked;
    },
    ended,
    kill,
  };
}

function writeFrame(child: ChildProcess, content: Uint8Array | string): void {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.length, true);
  child.stdin!.write(length);
  child.stdin!.write(bytes);
}

/** Calls back with each line of standard output; kills the process when it says more than it can have to say. */
function readLines(child: ChildProcess, most: number, onLine: (line: string) => void): void {
  let rest = "";
  let count = 0;
  const decoder = new TextDecoder();
  child.stdout!.on("data", (part: Uint8Array) => {
    count += part.length;
    if (count > most) return void child.kill("SIGKILL");
    const lines = (rest + decoder.decode(part, { stream: true })).split("\n");
    rest = lines.pop()!;
    lines.forEach(onLine);
  });
}

/** Keeps the beginning of standard error, and reads the rest away. */
function collect(child: ChildProcess): () => string {
  let text = "";
  child.stderr!.on("data", (part: Uint8Array) => {
    if (text.length < 4096) text += new TextDecoder().decode(part);
  });
  return () => text;
}

function notStarted(how: string, complaint: string): Error {
  const said = complaint.trim().replaceAll(/\s*\n\s*/g, " ");
  return new Error(`the Python sandbox did not start (${how}${said ? `: ${said.slice(0, 1000)}` : ""})`);
}
