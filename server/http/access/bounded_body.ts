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
  const start = performance.now();
  let bytes = 0;
  return new ReadableStream({
    pull: async (controller) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<"late">((done) => timer = setTimeout(() => done("late"), limits.idleMs));
      try {
        const next = await Promise.race([reader.read(), late]);
        if (next === "late") return tooSlow();
        if (next.done) return controller.close();
        bytes += next.value.byteLength;
        if (bytes > limits.bytes) tooLarge();
        const seconds = (performance.now() - start) / 1000;
        if (seconds * 1000 > limits.graceMs && bytes < limits.bytesPerSecond * seconds) tooSlow();
        controller.enqueue(next.value);
      } catch (error) {
        await reader.cancel().catch(() => {});
        throw error;
      } finally {
        clearTimeout(timer);
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
