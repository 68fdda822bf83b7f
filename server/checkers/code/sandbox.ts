/**
 * Runs untrusted Python: Pyodide in processes of their own that may read Pyodide's folder and nothing else. Each
 * program gets a fresh process, which was started ahead and is killed afterwards; `docs/checkers.md` tells the limits.
 */
import { availableParallelism } from "node:os";
import type { Verdict } from "../checker.ts";
import {
  type CompilerProcess,
  type InterpreterProcess,
  makeSnapshot,
  type RunResult,
  startCompiler,
  startInterpreter,
} from "./interpreter_process.ts";
import { type CodeItem, completionOf, testProgram } from "./program.ts";

export interface SandboxOptions {
  /** Programs that run at once, and processes that wait for the next ones. Default: processors, at most 4. */
  readonly processes?: number;
  /** What Python may hold, interpreter included. Default: 512. */
  readonly memoryMebibytes?: number;
  /** Longest run of a program that brings no limit of its own. Default: 10. */
  readonly timeoutSeconds?: number;
}

export interface CheckOptions {
  readonly timeoutSeconds?: number;
  /** The completion is Python as it is: Markdown fences in it are not looked for. */
  readonly verbatim?: boolean;
}

export interface Sandbox {
  /**
   * Runs an answer with its tests. A reason is given when it did not pass: "timed out", or "failed: " and why, in the
   * words of HumanEval's own results. Rejects when the sandbox itself cannot start, or is closed meanwhile.
   */
  readonly check: (item: CodeItem, answer: string, options?: CheckOptions) => Promise<Verdict>;
  /** Kills all processes and waits until they are gone. Checks under way are rejected. */
  readonly close: () => Promise<void>;
}

/** Longest time limit: a process gets not much more processor time than this in its life. */
export const MAX_TIMEOUT_SECONDS = 300;
const MEBIBYTE = 2 ** 20;
/** Programs that one process compiles: what they leave behind in it stays small. */
const PROGRAMS_OF_COMPILER = 1000;
/** Waiting processes hold 200 MB each: they go when no program came for so long. */
const IDLE_MILLISECONDS = 60_000;

/** Starts nothing by itself: the first check does. */
export function openSandbox(options: SandboxOptions = {}): Sandbox {
  const processes = options.processes ?? Math.min(availableParallelism(), 4);
  const memoryBytes = (options.memoryMebibytes ?? 512) * MEBIBYTE;
  const slots = openSlots(processes);
  const all = new Set<InterpreterProcess>();
  let waiting: InterpreterProcess[] = [];
  let compiler: { readonly process: CompilerProcess; programs: number } | undefined;
  let idle: ReturnType<typeof setTimeout> | undefined;
  let filling = false;
  let closed = false;

  const begin = async (): Promise<InterpreterProcess> => {
    const bytes = await sharedSnapshot();
    if (closed) throw closing();
    const started = startInterpreter(bytes, memoryBytes);
    all.add(started);
    return started;
  };
  const refill = async (): Promise<void> => {
    // One at a time: each start is awaited, and another caller would count the same gap.
    if (filling) return;
    filling = true;
    try {
      while (!closed && waiting.length < processes) waiting.push(await begin());
    } finally {
      filling = false;
    }
  };
  const release = (): void => {
    for (const process of waiting) void end(process);
    waiting = [];
    void endCompiler();
  };
  const endCompiler = async (): Promise<void> => {
    const ending = compiler;
    compiler = undefined;
    await ending?.process.kill();
  };
  /** What of many answers to one item is no Python at all needs no process of its own. */
  const refusal = async (program: string, milliseconds: number): Promise<string | undefined> => {
    const bytes = await sharedSnapshot();
    if (closed) throw closing();
    if (compiler && (compiler.programs >= PROGRAMS_OF_COMPILER || compiler.process.ended())) await endCompiler();
    compiler ??= { process: startCompiler(bytes, memoryBytes), programs: 0 };
    compiler.programs++;
    return await compiler.process.refusal(program, milliseconds);
  };
  const end = async (process: InterpreterProcess): Promise<void> => {
    await process.kill();
    all.delete(process);
  };
  const take = async (): Promise<InterpreterProcess> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      // One that the system ended while it waited says nothing about the program.
      if (!next.ended()) return next;
      all.delete(next);
    }
    return await begin();
  };
  const runOne = async (program: string, milliseconds: number): Promise<RunResult> => {
    if (closed) throw closing();
    clearTimeout(idle);
    idle = setTimeout(release, IDLE_MILLISECONDS);
    void refill().catch(() => {});
    const error = await refusal(program, milliseconds);
    if (closed) throw closing();
    if (error !== undefined) return { kind: "raised", error };
    const process = await take();
    void refill().catch(() => {});
    try {
      await process.ready;
      const result = await process.run(program, milliseconds);
      // A process that closing killed has nothing to say about its program.
      if (closed) throw closing();
      return result;
    } catch (error) {
      throw closed ? closing() : error;
    } finally {
      await end(process);
    }
  };
  return {
    check: async (item, answer, { timeoutSeconds = options.timeoutSeconds ?? 10, verbatim = false } = {}) => {
      if (!(timeoutSeconds > 0 && timeoutSeconds <= MAX_TIMEOUT_SECONDS)) {
        throw new RangeError(`a time limit of ${timeoutSeconds} s is not within 0 to ${MAX_TIMEOUT_SECONDS} s`);
      }
      const program = testProgram(item, verbatim ? answer : completionOf(item, answer));
      return verdictOf(await slots.take(() => runOne(program, timeoutSeconds * 1000)));
    },
    close: async () => {
      closed = true;
      clearTimeout(idle);
      waiting = [];
      await endCompiler();
      // The process that makes it is not ours alone, and ends by itself.
      await snapshot?.catch(() => {});
      await Promise.all([...all].map(end));
    },
  };
}

/** Made once, by the first sandbox that needs it: all start the same interpreter. */
let snapshot: Promise<Uint8Array> | undefined;

async function sharedSnapshot(): Promise<Uint8Array> {
  snapshot ??= makeSnapshot();
  try {
    return await snapshot;
  } catch (error) {
    // The next one may have more luck, or hears the same.
    snapshot = undefined;
    throw error;
  }
}

function closing(): Error {
  return new Error("the Python sandbox is closed");
}

function verdictOf(result: RunResult): Verdict {
  switch (result.kind) {
    case "passed":
      return { passed: true };
    case "timed out":
      return { passed: false, reason: "timed out" };
    case "raised":
      return { passed: false, reason: `failed: ${result.error.replaceAll(/\s+/g, " ").trim()}` };
    case "crashed":
      return { passed: false, reason: "failed: the program ended the interpreter" };
    case "died":
      return { passed: false, reason: `failed: the process ended (${result.how}), out of memory or crashed` };
  }
}

/** At most `count` tasks at once, the others in order. */
function openSlots(count: number): { readonly take: <T>(task: () => Promise<T>) => Promise<T> } {
  let free = count;
  const queue: (() => void)[] = [];
  return {
    take: async (task) => {
      if (free > 0) free--;
      else await new Promise<void>((go) => queue.push(go));
      try {
        return await task();
      } finally {
        const next = queue.shift();
        if (next) next();
        else free++;
      }
    },
  };
}
