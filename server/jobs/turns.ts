/** Which of several queues a worker serves next: each in turn, and long enough to be worth the loading of its model. */

export interface Turns {
  /** The queue to take tasks from, of those that have some: of equals the first one. Undefined when none has. */
  next(waiting: readonly string[], now?: number): string | undefined;
}

/** `stayMs`: how long a queue that has work keeps its turn, in milliseconds. */
export function createTurns(stayMs: (queue: string) => number): Turns {
  const servedAt = new Map<string, number>();
  let current: { readonly queue: string; readonly since: number } | undefined;
  return {
    next: (waiting, now = performance.now()) => {
      if (current && waiting.includes(current.queue) && now - current.since < stayMs(current.queue)) {
        return current.queue;
      }
      if (current) servedAt.set(current.queue, now);
      const [queue] = waiting.toSorted((a, b) => (servedAt.get(a) ?? 0) - (servedAt.get(b) ?? 0));
      current = queue === undefined ? undefined : { queue, since: now };
      return queue;
    },
  };
}
