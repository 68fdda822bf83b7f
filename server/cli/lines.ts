/** Lines of a byte stream, as they come. */
import { InputError } from "../../gpu/mod.ts";

export interface Line {
  /** Counted from 1. */
  readonly number: number;
  /** Without its line end. */
  readonly text: string;
}

/** A longer line is not a line of JSON, but another kind of file. */
const LIMIT_BYTES = 256 * 2 ** 20;
const NEWLINE = 0x0a;

/**
 * Splits a stream at line feeds. Throws InputError at `where:LINE` for bytes that are not UTF-8 or a line too long, and
 * the signal's reason when it is aborted, also while it waits for a line.
 */
export async function* readLines(
  stream: ReadableStream<Uint8Array>,
  where: string,
  signal: AbortSignal,
): AsyncGenerator<Line> {
  const reader = stream.getReader();
  const stop = () => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", stop);
  try {
    yield* splitLines(reader, where, signal);
  } finally {
    signal.removeEventListener("abort", stop);
    reader.releaseLock();
  }
}

async function* splitLines(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  where: string,
  signal: AbortSignal,
): AsyncGenerator<Line> {
  let number = 1;
  let parts: Uint8Array[] = [];
  let bytes = 0;
  const take = (): Line => {
    const whole = new Uint8Array(bytes);
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    parts = [];
    bytes = 0;
    try {
      const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: number > 1 }).decode(whole);
      return { number: number++, text: text.replace(/\r$/, "") };
    } catch {
      throw new InputError("is not UTF-8", `${where}:${number}`, "save the text as UTF-8");
    }
  };
  for (;;) {
    const { done, value: chunk } = await reader.read();
    signal.throwIfAborted();
    if (done) break;
    let start = 0;
    for (let end; (end = chunk.indexOf(NEWLINE, start)) >= 0; start = end + 1) {
      parts.push(chunk.subarray(start, end));
      bytes += end - start;
      yield take();
    }
    parts.push(chunk.slice(start));
    bytes += chunk.length - start;
    if (bytes > LIMIT_BYTES) {
      throw new InputError(
        `a line has more than ${LIMIT_BYTES} bytes`,
        `${where}:${number}`,
        "give one JSON value a line",
      );
    }
  }
  if (bytes > 0) yield take();
}
