/** Asks a planning process what runs would take. It holds a device, so it ends when nobody asks for a while. */
import { join } from "node:path";
import type { PlanAnswer, PlanQuestion } from "./planner_process.ts";
import { InputError } from "../../gpu/mod.ts";
import { askProcess } from "../base/asked_process.ts";

export interface Planner {
  /** Throws InputError for runs that cannot be, and when too many others ask. */
  ask(question: PlanQuestion): Promise<PlanAnswer>;
  stop(): Promise<void>;
}

/** How long the process is kept without a question, in milliseconds. */
const IDLE_MS = 60_000;
/** How long an answer may take, in milliseconds: a trial on a slow adapter takes some seconds for each length. */
const ANSWER_MS = 180_000;
/** Questions that wait at most. */
const MOST_WAITING = 16;
/** An answer is given again for this long, in milliseconds. What is free changes meanwhile. */
const KEPT_MS = 10_000;

export function createPlanner(environment?: NodeJS.ProcessEnv): Planner {
  const known = new Map<string, Promise<PlanAnswer>>();
  const asked = askProcess<PlanQuestion, PlanAnswer>({
    file: join("planning", "planner_process.ts"),
    environment,
    idleMs: IDLE_MS,
    answerMs: ANSWER_MS,
    mostWaiting: MOST_WAITING,
    busy: () => new InputError("too many plans are asked for at once", "plan", "ask again in a few seconds"),
    late: () => new Error(`No plan within ${ANSWER_MS / 1000} s`),
    ended: () => new Error("The planning process ended without an answer"),
  });
  return {
    ask: (question) => {
      const key = JSON.stringify(question);
      const before = known.get(key);
      if (before) return before;
      const answer = asked.ask(question);
      known.set(key, answer);
      const forget = () => known.delete(key);
      answer.then(() => setTimeout(forget, KEPT_MS).unref(), forget);
      return answer;
    },
    stop: asked.stop,
  };
}
