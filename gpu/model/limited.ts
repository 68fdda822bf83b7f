/**
 * A limit of time for work that somebody else's file decides: a pattern of a benchmark or a tokenizer, a chat template.
 * Their authors can make them run for years, and nothing on the same thread would ever hear of it.
 *
 * V8 ends the work from outside, in the middle of a loop or of a regular expression's search (node:vm has the switch for
 * it). A call costs 15 microseconds. A worker thread would not do: Deno cannot end one that searches.
 */
import { createContext, Script } from "node:vm";

/** The work took longer than it may. Nothing that it began was ended: not even `finally` ran. */
export class TimeLimitError extends Error {
  override readonly name = "TimeLimitError";
  constructor(readonly milliseconds: number) {
    super(`it took longer than ${milliseconds / 1000} s`);
  }
}

const context = createContext(Object.create(null)) as { work?: (() => void) | undefined };
const call = new Script("work()");

/**
 * The result of synchronous work, or what it throws. Throws TimeLimitError when it takes longer. The work must change
 * nothing that outlives it, since it may end anywhere.
 */
export function limited<Result>(milliseconds: number, work: () => Result): Result {
  const done: Result[] = [];
  const outer = context.work;
  context.work = () => void done.push(work());
  try {
    call.runInContext(context, { timeout: Math.ceil(milliseconds) });
  } catch (error) {
    if ((error as { readonly code?: unknown } | null)?.code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
    throw new TimeLimitError(Math.ceil(milliseconds));
  } finally {
    context.work = outer;
  }
  return done[0]!;
}

/** What reading a text may take, in milliseconds: a hundred times what real tokenizers and templates take. */
export function timeForText(characters: number): number {
  return 2000 + characters / 20;
}
