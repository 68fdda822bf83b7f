/** Processes for untrusted Python: started ahead from a snapshot, then told what to be, and killed. */
import { Buffer } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, realpathSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { InputError } from "../../../gpu/mod.ts";

/** What a process is told to be; interpreter.ts says what each does with a frame. */
export type Role = "compiler" | "answer" | "judge";

export interface InterpreterProcess {
  /** Resolves when Python waits for its role; rejects when the process ended or took too long before. */
  readonly ready: Promise<void>;
  /** Says what the process shall be, once, before the first exchange. */
  readonly become: (role: Role) => void;
  /**
   * Sends a frame and resolves with the line that comes back, one exchange at a time. Rejects with ProcessEnded when the
   * process ends instead. One that says more than a line, or too long a one, is killed.
   */
  readonly exchange: (frame: string) => Promise<string>;
  /** Whether the process is gone. */
  readonly ended: () => boolean;
  /** Kills the process and waits until it is gone. */
  readonly kill: () => Promise<void>;
}

/** The process ended by itself, or was killed, while something was asked of it. */
export class ProcessEnded extends Error {}

/** Longest time that a start may take; it is half a second on a machine that is not busy. */
const START_MILLISECONDS = 120_000;
/** Longest line that a process may say: a result of a million numbers, as HumanEval+ has them. */
const LINE_BYTES = 64 * 2 ** 20;
const NEWLINE = 10;
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

/**
 * The folder of Python packages that programs may import (CULPRIT_WHEELS), read-only for their processes; empty when there
 * is none. A comma would be the end of a permission's path.
 */
function wheelFolder(): string {
  const given = process.env["CULPRIT_WHEELS"]?.trim() ?? "";
  if (given === "") return "";
  try {
    const folder = realpathSync(given);
    if (!folder.includes(",") && statSync(folder).isDirectory()) return folder;
  } catch { /* said below */ }
  throw new InputError(
    `"${given}" is no folder that can be read`,
    "CULPRIT_WHEELS",
    "name a folder of wheels, or leave it out",
  );
}

function start(task: "snapshot" | "serve", memoryBytes: number): ChildProcess {
  if (process.platform === "win32") {
    throw new InputError(
      "untrusted Python runs within limits that Windows does not keep",
      "check",
      "check programs on Linux or macOS",
    );
  }
  const wheels = wheelFolder();
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
    `--allow-read=${wheels === "" ? PYODIDE : `${PYODIDE},${wheels}`}`,
    // The budget: most programs end before optimised code would pay for its compilation.
    "--v8-flags=--disallow-code-generation-from-strings,--max-old-space-size=128,--wasm-tiering-budget=100000000",
    INTERPRETER,
    PYODIDE,
    task,
    `${memoryBytes}`,
    wheels,
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

/** What a snapshot depends on. */
export function interpreterVersion(): readonly string[] {
  const { version } = createRequire(import.meta.url)("pyodide/package.json") as { readonly version: string };
  return [Deno.version.deno, version, readFileSync(INTERPRETER, "utf8")];
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

/** Starts a process from a snapshot; it waits for its role. */
export function startInterpreter(snapshot: Uint8Array, memoryBytes: number): InterpreterProcess {
  const child = start("serve", memoryBytes);
  const complaint = collect(child);
  const gone = new Promise<string>((done) => {
    child.on("error", (error) => done(error.message));
    child.on("close", (code, signal) => done(signal ?? `exit code ${code}`));
  });
  let onLine: ((line: string) => void) | undefined;
  readLines(child, (line) => {
    const taken = onLine;
    onLine = undefined;
    if (taken) taken(line);
    else child.kill("SIGKILL");
  });
  const nextLine = (): Promise<string> =>
    new Promise((done, fail) => {
      onLine = done;
      gone.then((how) => fail(new ProcessEnded(how)));
    });
  const first = nextLine();
  writeFrame(child, snapshot);
  const timer = setTimeout(() => child.kill("SIGKILL"), START_MILLISECONDS);
  const ready = first.then(() => {}, async () => {
    throw notStarted(await gone, complaint());
  }).finally(() => clearTimeout(timer));
  // Whoever takes the process hears of it; one that nobody takes may fail unheard.
  ready.catch(() => {});
  return {
    ready,
    become: (role) => writeFrame(child, role),
    exchange: (frame) => {
      const line = nextLine();
      writeFrame(child, frame);
      return line;
    },
    ended: () => child.exitCode !== null || child.signalCode !== null,
    kill: async () => {
      child.kill("SIGKILL");
      await gone;
    },
  };
}

function writeFrame(child: ChildProcess, content: Uint8Array | string): void {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.length, true);
  child.stdin!.write(length);
  child.stdin!.write(bytes);
}

/** Calls back with each line of standard output; kills the process when one is too long. */
function readLines(child: ChildProcess, onLine: (line: string) => void): void {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  child.stdout!.on("data", (data: Uint8Array) => {
    let start = 0;
    for (let at = data.indexOf(NEWLINE); at >= 0; at = data.indexOf(NEWLINE, start)) {
      parts.push(data.subarray(start, at));
      const line = Buffer.concat(parts).toString();
      parts = [];
      bytes = 0;
      start = at + 1;
      onLine(line);
    }
    parts.push(data.subarray(start));
    bytes += data.length - start;
    if (bytes > LINE_BYTES) {
      parts = [];
      child.kill("SIGKILL");
    }
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
