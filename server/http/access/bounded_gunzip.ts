/** Gzip that comes from outside, opened with a bound: a small file must not become a huge one. */
import { Buffer } from "node:buffer";
import { createGunzip } from "node:zlib";
import { InputError } from "../../../gpu/mod.ts";

/** Places in imported files are stored as 32-bit numbers: nothing larger could be read anyway. */
const MAX_BYTES = 2 ** 31 - 1;
/** Real logs shrink to a twentieth; a bomb to a thousandth. */
const MAX_RATIO = 200;
/** Below this, in bytes, any ratio may pass. */
const SMALL_BYTES = 16 << 20;

/** The bytes as they are, or unpacked when they begin as gzip does. Throws InputError for a bomb and for broken gzip. */
export async function* unpacked(
  parts: AsyncIterable<Uint8Array>,
  where: string,
  limits = { bytes: MAX_BYTES, ratio: MAX_RATIO, small: SMALL_BYTES },
): AsyncGenerator<Uint8Array> {
  const iterator = parts[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < 2) {
    const { done, value } = await iterator.next();
    if (done) break;
    head = Buffer.concat([head, value]);
  }
  const whole = async function* () {
    if (head.length > 0) yield head;
    for (;;) {
      const { done, value } = await iterator.next();
      if (done) return;
      yield value;
    }
  };
  if (head[0] !== 0x1f || head[1] !== 0x8b) yield* bounded(whole(), limits.bytes, where);
  else yield* gunzipped(whole(), where, limits);
}

async function* bounded(parts: AsyncIterable<Uint8Array>, most: number, where: string): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const part of parts) {
    bytes += part.byteLength;
    if (bytes > most) throw tooLarge(most, where);
    yield part;
  }
}

async function* gunzipped(
  parts: AsyncIterable<Uint8Array>,
  where: string,
  limits: { readonly bytes: number; readonly ratio: number; readonly small: number },
): AsyncGenerator<Uint8Array> {
  let packed = 0;
  let bytes = 0;
  const gunzip = createGunzip();
  const feed = (async () => {
    for await (const part of parts) {
      if (gunzip.destroyed) return;
      packed += part.byteLength;
      if (!gunzip.write(part)) await new Promise((done) => gunzip.once("drain", done).once("close", done));
    }
    gunzip.end();
  })().catch((error) => void gunzip.destroy(error));
  try {
    for await (const part of gunzip) {
      bytes += part.length;
      if (bytes > limits.bytes) throw tooLarge(limits.bytes, where);
      if (bytes > limits.small && bytes > limits.ratio * packed) {
        throw new InputError(
          `it unpacks to more than ${limits.ratio} times its size`,
          where,
          "send it unpacked, or import it by path",
        );
      }
      yield part;
    }
  } catch (error) {
    if (!/^Z_|ERR_/.test(String((error as { code?: unknown }).code ?? ""))) throw error;
    throw new InputError("it is no whole gzip file", where, "pack it again");
  } finally {
    gunzip.destroy();
    await feed;
  }
}

function tooLarge(most: number, where: string): InputError {
  return new InputError(`it is larger than ${most} bytes`, where, "cut it into several files");
}
