/**
 * Judges untrusted Python: Pyodide in processes of their own that may read Pyodide's folder and nothing else. Each
 * answer gets a fresh process, which was started ahead and is killed afterwards; its tests run in another one, which
 * goes on with other answers to the same item. `docs/checkers.md` tells the limits.
 */
import { availableParallelism } from "node:os";
import { oneLine } from "../../../gpu/mod.ts";
import type { Verdict } from "../checker.ts";
import { openCompiler } from "./compiler.ts";
import type { InterpreterProcess } from "./interpreter_process.ts";
import { judge, type Outcome } from "./judge.ts";
import { closing, openPool } from "./pool.ts";
import { type Answer, answerProgram, type CodeItem, completionOf, testsOf } from "./program.ts";
import { missingPackage } from "./packages.ts";

export interface SandboxOptions {
  /** Answers that are judged at once, and processes that wait for the next ones. Default: processors, at most 4. */
  readonly processes?: number;
  /** What Python may hold, interpreter included. Default: 512. */
  readonly memoryMebibytes?: number;
  /** Longest run of a program that brings no limit of its own. Default: 10. */
  readonly timeoutSeconds?: number;
  /** All items are of one file: whoever wrote one wrote the others, so that their tests may share a process. */
  readonly oneSource?: boolean;
}

export interface CheckOptions {
  readonly timeoutSeconds?: number;
}

export interface Sandbox {
  /**
   * Judges an answer by the item's tests; of a text, a conversation's, the completion is taken out first. A reason is
   * given when it did not pass: "timed out", or "failed: " and why, in the words of HumanEval's own results. Undecided
   * where the tests don't run here at all. Rejects when the sandbox itself cannot start, or is closed meanwhile.
   *
   * The tests may be any Python that defines `check(candidate)`: what they call is the answer's function, in another
   * interpreter, which is given copies of plain data and gives plain data back.
   */
  readonly check: (item: CodeItem, answer: string | Answer, options?: CheckOptions) => Promise<Verdict>;
  /** Kills all processes and waits until they are gone. Checks under way are rejected. */
  readonly close: () => Promise<void>;
}

/** Longest reason, in characters. */
const LONGEST_REASON = 600;
/** Longest time limit: a process gets not much more processor time than this in its life. */
export const MAX_TIMEOUT_SECONDS = 300;
const MEBIBYTE = 2 ** 20;
/** Waiting processes hold 200 MB each: they go when no program came for so long. */
const IDLE_MILLISECONDS = 60_000;

/** Starts nothing by itself: the first check does. */
export function openSandbox(options: SandboxOptions = {}): Sandbox {
  const processes = options.processes ?? Math.min(availableParallelism(), 4);
  const pool = openPool(processes, (options.memoryMebibytes ?? 512) * MEBIBYTE);
  const compiler = openCompiler(pool);
  const slots = openSlots(processes);
  /** Judges without work, each with what its items have in common; the one that was used longest ago stands first. */
  const judges: { readonly key: string; readonly process: InterpreterProcess }[] = [];
  let idle: ReturnType<typeof setTimeout> | undefined;

  const release = (): void => {
    pool.release();
    for (const { process } of judges.splice(0)) void pool.end(process);
    void compiler.release();
  };
  const takeJudge = async (key: string): Promise<InterpreterProcess> => {
    const at = judges.findIndex((one) => one.key === key);
    const [kept] = at < 0 ? [] : judges.splice(at, 1);
    if (kept && !kept.process.ended()) return kept.process;
    if (kept) await pool.end(kept.process);
    return await pool.take("judge");
  };
  /** Keeps a judge for the next answer to its item. */
  const keepJudge = async (key: string, process: InterpreterProcess): Promise<void> => {
    judges.push({ key, process });
    if (judges.length > processes) await pool.end(judges.shift()!.process);
  };
  const judgeOne = async (item: CodeItem, program: string, milliseconds: number): Promise<Outcome> => {
    clearTimeout(idle);
    idle = setTimeout(release, IDLE_MILLISECONDS);
    const error = await compiler.refusal(program, milliseconds);
    if (pool.closed()) throw closing();
    if (error !== undefined) return { kind: "raised", error };
    const key = options.oneSource ? "" : JSON.stringify([item.prompt, item.entry_point, testsOf(item)]);
    const judging = await takeJudge(key);
    const sides = { judge: judging, answer: await pool.take("answer") };
    let clean = false;
    try {
      const outcome = await judge(sides, item, program, milliseconds);
      // Processes that closing killed have nothing to say about the program.
      if (pool.closed()) throw closing();
      // A judge that still waits for an answer's words is of no more use.
      clean = outcome.kind === "passed" || outcome.kind === "raised";
      return outcome;
    } catch (error) {
      throw pool.closed() ? closing() : error;
    } finally {
      await pool.end(sides.answer);
      await (clean ? keepJudge(key, judging) : pool.end(judging));
    }
  };
  return {
    check: async (item, answer, { timeoutSeconds = options.timeoutSeconds ?? 10 } = {}) => {
      if (!(timeoutSeconds > 0 && timeoutSeconds <= MAX_TIMEOUT_SECONDS)) {
        throw new RangeError(`a time limit of ${timeoutSeconds} s is not within 0 to ${MAX_TIMEOUT_SECONDS} s`);
      }
      const said = typeof answer === "string" ? { completion: completionOf(item, answer) } : answer;
      const program = answerProgram(item, said);
      return verdictOf(await slots.take(() => judgeOne(item, program, timeoutSeconds * 1000)));
    },
    close: async () => {
      clearTimeout(idle);
      await pool.close();
    },
  };
}

function verdictOf(outcome: Outcome): Verdict {
  switch (outcome.kind) {
    case "passed":
      return { passed: true };
    case "timed out":
      return { passed: false, reason: "timed out" };
    case "raised": {
      const missing = missingPackage(outcome.error);
      if (missing !== undefined) return { passed: null, reason: `${missing} is imported, which is not here` };
      return { passed: false, reason: `failed: ${oneLine(outcome.error, LONGEST_REASON)}` };
    }
    case "ended":
      return outcome.how === ""
        ? { passed: false, reason: "failed: the program ended the interpreter" }
        : { passed: false, reason: `failed: the process ended (${outcome.how}), out of memory or crashed` };
    case "undecided":
      return { passed: null, reason: oneLine(outcome.reason, LONGEST_REASON) };
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
