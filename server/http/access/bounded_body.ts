/** Request bodies that end: not too large, not compressed, and not slower than anybody needs to be. */
import { refusal } from "./refusal.ts";

export interface BodyLimits {
  readonly bytes: number;
  /** Longest wait for the next bytes, in milliseconds. */
  readonly idleMs: number;
  /** Bytes a second that a body must reach after `graceMs`. */
  readonly bytesPerSecond: number;
  /** Nobody is too slow before this, in milliseconds. */
  readonly graceMs: number;
}

export const BODY_LIMITS: BodyLimits = { bytes: 4_000_000, idleMs: 15_000, bytesPerSecond: 1000, graceMs: 10_000 };

export interface BoundedRequest {
  /** The same request; its body fails as soon as it breaks a limit. */
  readonly request: Request;
  /** What to answer instead, once the body broke a limit. */
  refusal(): Response | undefined;
}

/** Bounds a request's body. Returns the refusal where the headers already tell that it breaks a limit. */
export function boundBody(request: Request, limits: BodyLimits = BODY_LIMITS): BoundedRequest | Response {
  const encoding = request.headers.get("content-encoding")?.trim().toLowerCase() ?? "identity";
  if (encoding !== "identity") {
    return refusal(415, "ENCODING", `Send the body without content-encoding, not as ${encoding.slice(0, 20)}`);
  }
  if (Number(request.headers.get("content-length") ?? 0) > limits.bytes) return tooLarge(limits.bytes);
  if (request.body === null) return { request, refusal: () => undefined };
  let broken: (() => Response) | undefined;
  const fail = (answer: () => Response): never => {
    broken = answer;
    throw new Error("The body broke a limit");
  };
  const body = bound(request.body, limits, {
    tooLarge: () => fail(() => tooLarge(limits.bytes)),
    tooSlow: () => fail(() => refusal(408, "TOO_SLOW", "The body came too slowly; send it again")),
  });
  const bounded = new Request(request, { body, duplex: "half" } as RequestInit);
  return { request: bounded, refusal: () => broken?.() };
}

const tooLarge = (bytes: number): Response =>
  refusal(
    413,
    "TOO_LARGE",
    `The body is larger than ${bytes} bytes; stream large files to /imports, or import them by path`,
  );

function bound(
  body: ReadableStream<Uint8Array>,
  limits: BodyLimits,
  { tooLarge, tooSlow }: { readonly tooLarge: () => never; readonly tooSlow: () => never },
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  const clock = waitingClock(limits.idleMs);
  let bytes = 0;
  return new ReadableStream({
    pull: async (controller) => {
      try {
        const next = await clock.wait(reader.read());
        if (next === undefined) return tooSlow();
        if (next.done) {
          clock.stop();
          return controller.close();
        }
        bytes += next.value.byteLength;
        if (bytes > limits.bytes) tooLarge();
        const waitedMs = clock.milliseconds();
        if (waitedMs > limits.graceMs && bytes < limits.bytesPerSecond * waitedMs / 1000) tooSlow();
        controller.enqueue(next.value);
      } catch (error) {
        clock.stop();
        await reader.cancel().catch(() => {});
        throw error;
      }
    },
    cancel: (reason) => {
      clock.stop();
      return reader.cancel(reason);
    },
  });
}

/** Beats of the longest wait: few enough to cost nothing, many enough to be fair. */
const BEATS = 15;

/**
 * How long a client was waited for. Beats are counted, not timed, and only while something is waited for: a process that
 * has no time to read what came finds nobody too slow.
 */
function waitingClock(longestMs: number) {
  let [beats, silent] = [0, 0];
  let late: (() => void) | undefined;
  const timer = setInterval(() => {
    if (late === undefined) return;
    beats++;
    if (++silent >= BEATS) late();
  }, longestMs / BEATS);
  return {
    /** Undefined when it takes longer than the longest wait. */
    wait: <Value>(value: Promise<Value>): Promise<Value | undefined> => {
      silent = 0;
      const waited = new Promise<undefined>((done) => late = () => done(undefined));
      return Promise.race([value, waited]).finally(() => late = undefined);
    },
    milliseconds: () => beats * longestMs / BEATS,
    stop: () => clearInterval(timer),
  };
}
