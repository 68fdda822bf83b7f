/** What is no Python at all is refused by one process that compiles all programs and runs none. */
import { type InterpreterProcess } from "./interpreter_process.ts";
import type { Pool } from "./pool.ts";

export interface Compiler {
  /**
   * The SyntaxError that running the program would raise, in the words of a verdict; undefined where it compiles, and
   * where this cannot be said in time. Rejects when no process can start.
   */
  readonly refusal: (program: string, timeoutMilliseconds: number) => Promise<string | undefined>;
  /** Ends its process; the next program starts another one. */
  readonly release: () => Promise<void>;
}

/** Programs that one process compiles: what they leave behind in it stays small. */
const MOST_PROGRAMS = 1000;

export function openCompiler(pool: Pool): Compiler {
  let one: InterpreterProcess | undefined;
  let programs = 0;
  let last: Promise<unknown> = Promise.resolve();
  const release = async (): Promise<void> => {
    const ending = one;
    one = undefined;
    if (ending) await pool.end(ending);
  };
  const ask = async (program: string, milliseconds: number): Promise<string | undefined> => {
    if (programs >= MOST_PROGRAMS || one?.ended()) await release();
    if (one === undefined) {
      one = await pool.take("compiler");
      programs = 0;
    }
    programs++;
    const timer = setTimeout(() => void release(), milliseconds);
    try {
      return (JSON.parse(await one.exchange(program)) as string | null) ?? undefined;
    } catch {
      // It took too long, or took its process down: a process of the program's own will say why.
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  };
  return {
    refusal: (program, milliseconds) => {
      const asked = last.then(() => ask(program, milliseconds));
      last = asked.catch(() => {});
      return asked;
    },
    release,
  };
}
