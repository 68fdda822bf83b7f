/** Waiting for a GPU, and what it leaves behind. */

/**
 * Under Deno, waiting for the GPU spins the main thread and starves a software adapter of a core. While GPU work is
 * pending, this loop puts the thread to sleep between its turns, longer the longer the wait has been: each turn is a poll
 * of Dawn's, whose function Deno never gives back. Timers and sockets go on in between.
 */
let pendingWaits = 0;
let polls = 0;
let throttling = false;
let waitingSince = 0;
/** What a wait may be longer for sleeping, of what it has taken so far. */
const SLEEP_SHARE = 1 / 16;
const LONGEST_SLEEP_MS = 25;
let wakefulUntil = 0;
const sleeper = new Int32Array(new SharedArrayBuffer(4));
function throttle(): void {
  throttling = pendingWaits > 0;
  if (!throttling) return;
  polls++;
  const waited = performance.now() - waitingSince;
  const longest = performance.now() < wakefulUntil ? 1 : LONGEST_SLEEP_MS;
  Atomics.wait(sleeper, 0, 0, Math.min(longest, Math.max(1, waited * SLEEP_SHARE)));
  setImmediate(throttle);
}
/**
 * Keeps sleeps short until a time, as `performance.now()` has it: somebody waits for work that goes on in many small steps
 * of this thread, as questions to a database do.
 */
export function sleepLessUntil(time: number): void {
  wakefulUntil = time;
}

/** Awaits GPU work while the thread sleeps between its turns. */
export async function wait<T>(work: Promise<T>): Promise<T> {
  if (pendingWaits++ === 0) waitingSince = performance.now();
  if (!throttling) {
    throttling = true;
    setImmediate(throttle);
  }
  try {
    return await work;
  } finally {
    pendingWaits--;
  }
}

/**
 * What Deno 2.9 keeps of each object that Dawn makes, and of each poll, in bytes: measured with heaptrack, what malloc
 * adds included. `napi_create_external` and `napi_create_function` never free what they allocate.
 */
const OBJECT_WASTE = 48;
const POLL_WASTE = 140;

/** Bytes of the process that Deno did not and will not give back: of objects made, and of polls of this process. */
export const wasteOf = (made: number): number => made * OBJECT_WASTE + polls * POLL_WASTE;
