/** A large log of lm-evaluation-harness, made by repeating real lines with keys of their own. */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { createInterface } from "node:readline";
import { textHash } from "../../server/base/canonical_hash.ts";

export interface SampleLog {
  readonly lines: number;
  readonly bytes: number;
  /** Lines whose answer failed, by the harness. */
  readonly failing: number;
}

/** Bytes that are written at once. */
const WRITE_BYTES = 1 << 20;

/** Writes at least `bytes` to `path`, from the lines of the log `source`. Every line has its own document and prompt. */
export async function writeSampleLog(source: string, path: string, bytes: number): Promise<SampleLog> {
  const lines: Record<string, unknown>[] = [];
  for await (const line of createInterface({ input: createReadStream(source) })) {
    if (line.trim() !== "") lines.push(JSON.parse(line) as Record<string, unknown>);
  }
  const file = await open(path, "w");
  let written = 0;
  let count = 0;
  let failing = 0;
  let waiting: string[] = [];
  let waitingBytes = 0;
  const flush = async (): Promise<void> => {
    await file.write(waiting.join(""));
    waiting = [];
    waitingBytes = 0;
  };
  while (written < bytes) {
    const line = lines[count % lines.length]!;
    const text = `${JSON.stringify(repeated(line, count))}\n`;
    if (line["prompt_level_strict_acc"] === false) failing++;
    count++;
    const size = new TextEncoder().encode(text).length;
    written += size;
    waitingBytes += size;
    waiting.push(text);
    if (waitingBytes >= WRITE_BYTES) await flush();
  }
  await flush();
  await file.close();
  return { lines: count, bytes: written, failing };
}

function repeated(line: Readonly<Record<string, unknown>>, index: number): Record<string, unknown> {
  const doc = { ...line["doc"] as Record<string, unknown>, key: 1_000_000 + index };
  return {
    ...line,
    doc_id: index,
    doc,
    doc_hash: textHash(`document ${index}`),
    prompt_hash: textHash(`prompt ${index}`),
  };
}
