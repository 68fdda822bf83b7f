/**
 * Two lanes on one device: what a person waits for passes batches between two submissions.
 *
 * All work waits for the device by its `advance`, `flush` and `read`. After each of them work of the batch lane waits
 * until no interactive call runs; what it recorded and allocated stays as it is. Results do not depend on it: each call
 * has buffers of its own, and commands run in the order in which they were recorded.
 */
import { AsyncLocalStorage } from "node:async_hooks";

/** Which work goes first: what a person waits for passes batches between two submissions. */
export type Lane = "interactive" | "batch";

export interface Lanes {
  /** Runs work in a lane. Interactive calls must not wait for work of the batch lane: that waits for them. */
  run<Result>(lane: Lane, work: () => Promise<Result>): Promise<Result>;
  /** Resolves when the calling work may go on. */
  giveWay(): Promise<void>;
}

/** In which lane the calling work runs; work outside of any lane gives way too. */
const current = new AsyncLocalStorage<Lane>();

export function createLanes(): Lanes {
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
    giveWay: async () => {
      // Another call may begin before this one goes on.
      while (running > 0 && current.getStore() !== "interactive") await idle;
    },
  };
}
