/**
 * Two lanes on one device: what a person waits for passes batches between two submissions.
 *
 * All work waits for the device by its `advance`, `flush` and `read`. After each of them work of the batch lane waits
 * until no interactive call runs; what it recorded and allocated stays as it is. Results do not depend on it: each call
 * has buffers of its own, and commands run in the order in which they were recorded.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { sleepLessUntil } from "./wait.ts";

/** Which work goes first: what a person waits for passes batches between two submissions. */
export type Lane = "interactive" | "batch";

export interface Lanes {
  /** Runs work in a lane. Interactive calls must not wait for work of the batch lane: that waits for them. */
  run<Result>(lane: Lane, work: () => Promise<Result>): Promise<Result>;
  /**
   * Runs what a person waits for, of which the device's work is a part: the batch lane waits in between too, so that no
   * submission of it goes before the next part. Not longer than `MOST_PAUSE_MS` after it began: it may itself wait for
   * something of the batch lane, such as a model that is being loaded.
   */
  hurry<Result>(work: () => Promise<Result>): Promise<Result>;
  /** Resolves when the calling work may go on. */
  giveWay(): Promise<void>;
}

/** In which lane the calling work runs; work outside of any lane gives way too. */
const current = new AsyncLocalStorage<Lane>();

/** How long work in a hurry keeps the batch lane waiting where it has nothing on the device, in milliseconds. */
const MOST_PAUSE_MS = 3000;

/** Work in a hurry, and what waits for its end. */
function openHurries() {
  /** When each began, the last one last. */
  const begun = new Set<{ readonly at: number }>();
  let calm = Promise.withResolvers<void>();
  return {
    run: async <Result>(work: () => Promise<Result>): Promise<Result> => {
      const own = { at: performance.now() };
      begun.add(own);
      sleepLessUntil(own.at + MOST_PAUSE_MS);
      try {
        return await work();
      } finally {
        begun.delete(own);
        if (begun.size === 0) {
          sleepLessUntil(0);
          calm.resolve();
          calm = Promise.withResolvers<void>();
        }
      }
    },
    /** Resolves when there is none, or the last one has lasted too long. */
    over: async (): Promise<void> => {
      for (;;) {
        const last = [...begun].at(-1);
        const left = last === undefined ? 0 : last.at + MOST_PAUSE_MS - performance.now();
        if (left <= 0) return;
        let timer: ReturnType<typeof setTimeout> | undefined;
        const late = new Promise<void>((done) => timer = setTimeout(done, left));
        await Promise.race([calm.promise, late]).finally(() => clearTimeout(timer));
      }
    },
  };
}

export function createLanes(): Lanes {
  const hurries = openHurries();
  let running = 0;
  let idle = Promise.resolve();
  let resolveIdle = (): void => {};
  return {
    run: (lane, work) =>
      current.run(lane, async () => {
        if (lane === "batch") return await work();
        if (running++ === 0) ({ promise: idle, resolve: resolveIdle } = Promise.withResolvers<void>());
        try {
          return await work();
        } finally {
          if (--running === 0) resolveIdle();
        }
      }),
    hurry: hurries.run,
    giveWay: async () => {
      if (current.getStore() === "interactive") return;
      await hurries.over();
      // Another call may begin before this one goes on.
      while (running > 0) await idle;
    },
  };
}
