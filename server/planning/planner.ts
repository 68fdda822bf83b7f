/** Asks a planning process what runs would take: started with the first question, ended when nobody asks for a while. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { InputError } from "../../gpu/mod.ts";
import type { PlanAnswer, PlanMessage, PlanQuestion } from "./planner_process.ts";
import { ROOT } from "../base/settings.ts";

export interface Planner {
  /** Throws InputError for runs that cannot be, and when too many others ask. */
  ask(question: PlanQuestion): Promise<PlanAnswer>;
  stop(): Promise<void>;
}

/** How long the process is kept without a question, in milliseconds. It holds a device. */
const IDLE_MS = 60_000;
/** How long an answer may take, in milliseconds: a trial on a slow adapter takes some seconds for each length. */
const ANSWER_MS = 180_000;
/** Questions that wait at most. */
const MOST_WAITING = 16;
/** An answer is given again for this long, in milliseconds. What is free changes meanwhile. */
const KEPT_MS = 10_000;

export function createPlanner(environment: NodeJS.ProcessEnv = process.env): Planner {
  let running: { readonly child: ChildProcess; readonly next: () => Promise<PlanMessage> } | undefined;
  let idle: ReturnType<typeof setTimeout> | undefined;
  let waiting = 0;
  let turn: Promise<unknown> = Promise.resolve();
  const known = new Map<string, Promise<PlanAnswer>>();

  const end = (): void => {
    running?.child.kill("SIGKILL");
    running = undefined;
  };
  const askNow = async (question: PlanQuestion): Promise<PlanAnswer> => {
    clearTimeout(idle);
    running ??= startProcess(environment);
    const { child, next } = running;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_done, failed) => {
      timer = setTimeout(() => failed(new Error(`No plan within ${ANSWER_MS / 1000} s`)), ANSWER_MS);
    });
    try {
      child.stdin!.write(JSON.stringify(question) + "\n");
      return resultOf(await Promise.race([next(), late]));
    } catch (error) {
      if (!(error instanceof InputError)) end();
      throw error;
    } finally {
      clearTimeout(timer);
      idle = setTimeout(end, IDLE_MS);
      idle.unref();
    }
  };
  return {
    ask: (question) => {
      const key = JSON.stringify(question);
      const before = known.get(key);
      if (before) return before;
      if (waiting >= MOST_WAITING) {
        throw new InputError("too many plans are asked for at once", "plan", "ask again in a few seconds");
      }
      waiting++;
      const answer = turn.then(() => askNow(question)).finally(() => {
        waiting--;
        setTimeout(() => known.delete(key), KEPT_MS).unref();
      });
      turn = answer.catch(() => {});
      known.set(key, answer);
      answer.catch(() => known.delete(key));
      return answer;
    },
    stop: async () => {
      clearTimeout(idle);
      const child = running?.child;
      if (child === undefined) return;
      const ended = new Promise((done) => child.once("exit", done));
      end();
      await ended;
    },
  };
}

function resultOf(message: PlanMessage): PlanAnswer {
  if ("answer" in message) return message.answer;
  if ("problem" in message) throw new InputError(message.problem.what, message.problem.where, message.problem.mend);
  throw new Error(message.failure);
}

function startProcess(environment: NodeJS.ProcessEnv) {
  const child = spawn(
    process.execPath,
    [
      "run",
      "-A",
      "--quiet",
      "--config",
      join(ROOT, "deno.json"),
      join(ROOT, "server", "planning", "planner_process.ts"),
    ],
    { stdio: ["pipe", "pipe", "inherit"], env: { ...environment, DENO_NO_UPDATE_CHECK: "1" } },
  );
  child.stdin.on("error", () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<PlanMessage> => {
    const { value, done } = await lines.next();
    if (done === true) return { failure: "The planning process ended without an answer" };
    return JSON.parse(value) as PlanMessage;
  };
  return { child, next };
}
