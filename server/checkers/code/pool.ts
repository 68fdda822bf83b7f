/** Processes for Python that were started ahead: each is taken once, as what it shall be. */
import { join } from "node:path";
import { readSettings } from "../../base/settings.ts";
import {
  type InterpreterProcess,
  interpreterVersion,
  makeSnapshot,
  type Role,
  startInterpreter,
} from "./interpreter_process.ts";
import { keptSnapshot } from "./snapshot.ts";

export interface Pool {
  /** A fresh process that waits for its first frame. Rejects when none can start, or the pool is closed meanwhile. */
  readonly take: (role: Role) => Promise<InterpreterProcess>;
  /** Kills a process that was taken. */
  readonly end: (process: InterpreterProcess) => Promise<void>;
  /** Kills the processes that wait. */
  readonly release: () => void;
  /** Kills all processes and waits until they are gone. */
  readonly close: () => Promise<void>;
  readonly closed: () => boolean;
}

/** Starts nothing by itself; after each process that was taken `waiting` others wait. */
export function openPool(waiting: number, memoryBytes: number): Pool {
  const all = new Set<InterpreterProcess>();
  let ahead: InterpreterProcess[] = [];
  let filling = false;
  let closed = false;

  const begin = async (): Promise<InterpreterProcess> => {
    const snapshot = await sharedSnapshot();
    if (closed) throw closing();
    const started = startInterpreter(snapshot, memoryBytes);
    all.add(started);
    return started;
  };
  const refill = async (): Promise<void> => {
    // One at a time: each start is awaited, and another caller would count the same gap.
    if (filling) return;
    filling = true;
    try {
      while (!closed && ahead.length < waiting) ahead.push(await begin());
    } finally {
      filling = false;
    }
  };
  const end = async (process: InterpreterProcess): Promise<void> => {
    await process.kill();
    all.delete(process);
  };
  const next = async (): Promise<InterpreterProcess> => {
    for (let one = ahead.shift(); one; one = ahead.shift()) {
      // One that the system ended while it waited says nothing about any program.
      if (!one.ended()) return one;
      all.delete(one);
    }
    return await begin();
  };
  const release = (): void => {
    for (const process of ahead) void end(process);
    ahead = [];
  };
  return {
    take: async (role) => {
      if (closed) throw closing();
      const process = await next();
      void refill().catch(() => {});
      try {
        await process.ready;
        process.become(role);
        return process;
      } catch (error) {
        await end(process);
        throw closed ? closing() : error;
      }
    },
    end,
    release,
    close: async () => {
      closed = true;
      ahead = [];
      // The process that makes it is not ours alone, and ends by itself.
      await snapshot?.catch(() => {});
      await Promise.all([...all].map(end));
    },
    closed: () => closed,
  };
}

/** Read or made once, by the first pool that needs it: all start the same interpreter. */
let snapshot: Promise<Uint8Array> | undefined;

async function sharedSnapshot(): Promise<Uint8Array> {
  snapshot ??= keptSnapshot(join(readSettings().home, "python"), interpreterVersion(), makeSnapshot);
  try {
    return await snapshot;
  } catch (error) {
    // The next one may have more luck, or hears the same.
    snapshot = undefined;
    throw error;
  }
}

export function closing(): Error {
  return new Error("the Python sandbox is closed");
}
