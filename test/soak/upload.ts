/**
 * A file of 700 MB comes through a pipe, in chunks and without a length: it is taken, everybody else is answered within
 * a second meanwhile, and the server's memory stays small.
 *
 *   npm run soak -- upload --bytes 700000000
 *
 * Prints a JSON line with what it saw, and exits with 1 when something does not hold.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { memoryOf, startProcess } from "./processes.ts";

const { values } = parseArgs({ options: { bytes: { type: "string", default: "700000000" } } });
const bytes = Number(values.bytes);
const CHUNK = new TextEncoder().encode(`${"x".repeat(65_535)}\n`);
const SLOWEST_MS = 1000;
const MOST_BYTES = 600e6;

/** Chunks of lines that are no records, as many as make up the file. */
function piped(): ReadableStream<Uint8Array> {
  let sent = 0;
  return new ReadableStream({
    pull: (controller) => {
      if (sent >= bytes) return controller.close();
      controller.enqueue(CHUNK);
      sent += CHUNK.length;
    },
  });
}

const home = await mkdtemp(join(tmpdir(), "culprit-soak-"));
const server = await startProcess(["serve", "--no-worker"], { PORT: "0", CULPRIT_HOME: home, DATABASE_URL: "" });
const faults: string[] = [];
let slowest = 0;
let sending = true;
const watched = (async () => {
  while (sending) {
    const asked = performance.now();
    await fetch(`${server.address}/health`).then((answer) => answer.text());
    slowest = Math.max(slowest, performance.now() - asked);
    await wait(50);
  }
})();
try {
  const started = performance.now();
  const answer = await fetch(`${server.address}/imports?from=culprit&name=piped.jsonl`, {
    method: "POST",
    headers: { "x-requested-with": "soak" },
    body: piped(),
  });
  const seconds = Number(((performance.now() - started) / 1000).toFixed(1));
  await answer.body?.cancel();
  sending = false;
  await watched;
  const largest = await memoryOf(server.pid, "VmHWM");
  if (answer.status !== 202) faults.push(`it was answered ${answer.status}`);
  if (slowest > SLOWEST_MS) faults.push(`/health took ${Math.round(slowest)} ms`);
  if (largest > MOST_BYTES) faults.push(`the server took ${largest} bytes`);
  const shown = { bytes, seconds, healthMs: Math.round(slowest), megabytes: Math.round(largest / 1e6), faults };
  console.log(JSON.stringify({ part: "upload", ...shown, holds: faults.length === 0 }));
} finally {
  sending = false;
  await server.stop();
  await rm(home, { recursive: true, force: true });
}
Deno.exit(faults.length === 0 ? 0 : 1);
