/**
 * A process that answers questions one after another: started with the first one, ended when nobody asks for a while,
 * and killed when an answer takes too long. What somebody else's file decides is done in such ones, since nothing on the
 * thread that people talk to may wait for it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { InputError } from "../../gpu/mod.ts";
import type { AnswerLine } from "./answer_questions.ts";
import { ROOT } from "./settings.ts";

export interface AskedProcess<Question, Answer> {
  /** Throws the InputError that the process says, and those of the options. */
  ask(question: Question): Promise<Answer>;
  /** Ends the process; nothing can be asked any more. */
  stop(): Promise<void>;
}

export interface AskedProcessOptions<Question> {
  /** Its file, from the folder `server`. */
  readonly file: string;
  readonly flags?: readonly string[];
  readonly environment?: NodeJS.ProcessEnv | undefined;
  /** How long it is kept without a question, in milliseconds. */
  readonly idleMs: number;
  /** How long an answer may take, in milliseconds. */
  readonly answerMs: number;
  /** Questions that wait at most, and what the next one is told. */
  readonly mostWaiting: number;
  readonly busy: () => Error;
  /** What is thrown when an answer takes too long, or the process ends without one. */
  readonly late: (question: Question) => Error;
  readonly ended: (question: Question) => Error;
}

interface Running<Answer> {
  readonly child: ChildProcess;
  /** The next answer; undefined when the process has ended. */
  readonly next: () => Promise<AnswerLine<Answer> | undefined>;
}

export function askProcess<Question, Answer>(options: AskedProcessOptions<Question>): AskedProcess<Question, Answer> {
  let running: Running<Answer> | undefined;
  let idle: ReturnType<typeof setTimeout> | undefined;
  let waiting = 0;
  let stopped = false;
  let turn: Promise<unknown> = Promise.resolve();

  const end = (): void => {
    running?.child.kill("SIGKILL");
    running = undefined;
  };
  const open = (): Running<Answer> => {
    const opened = start<Answer>(options);
    // One that somebody else ended is not asked again.
    opened.child.once("exit", () => {
      if (running === opened) running = undefined;
    });
    return opened;
  };
  const askNow = async (question: Question): Promise<Answer> => {
    if (stopped) throw new Error("Asked a process that was stopped");
    clearTimeout(idle);
    const { child, next } = running ??= open();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_done, failed) => {
      timer = setTimeout(() => failed(options.late(question)), options.answerMs);
    });
    let line: AnswerLine<Answer> | undefined;
    try {
      child.stdin!.write(`${JSON.stringify(question)}\n`);
      line = await Promise.race([next(), late]);
      if (line === undefined) throw options.ended(question);
    } catch (error) {
      end();
      throw error;
    } finally {
      clearTimeout(timer);
      idle = setTimeout(end, options.idleMs);
      idle.unref();
    }
    return answerOf(line);
  };
  return {
    ask: (question) => {
      if (waiting >= options.mostWaiting) return Promise.reject(options.busy());
      waiting++;
      const answer = turn.then(() => askNow(question)).finally(() => waiting--);
      turn = answer.catch(() => {});
      return answer;
    },
    stop: async () => {
      stopped = true;
      clearTimeout(idle);
      const child = running?.child;
      if (child === undefined) return;
      const gone = new Promise((done) => child.once("exit", done));
      end();
      await gone;
    },
  };
}

function answerOf<Answer>(line: AnswerLine<Answer>): Answer {
  if ("answer" in line) return line.answer;
  if ("problem" in line) throw new InputError(line.problem.what, line.problem.where, line.problem.mend);
  throw new Error(line.failure);
}

function start<Answer>({ file, flags = [], environment = process.env }: {
  readonly file: string;
  readonly flags?: readonly string[];
  readonly environment?: NodeJS.ProcessEnv | undefined;
}): Running<Answer> {
  const child = spawn(
    process.execPath,
    ["run", "-A", "--quiet", ...flags, "--config", join(ROOT, "deno.json"), join(ROOT, "server", file)],
    { stdio: ["pipe", "pipe", "inherit"], windowsHide: true, env: { ...environment, DENO_NO_UPDATE_CHECK: "1" } },
  );
  child.on("error", () => {});
  child.stdin.on("error", () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<AnswerLine<Answer> | undefined> => {
    const { value, done } = await lines.next();
    return done === true ? undefined : JSON.parse(value) as AnswerLine<Answer>;
  };
  return { child, next };
}
