/**
 * The process that imports: reads files of strangers, with checkers and tokenizers that their lines choose. It is one of
 * its own, so that the server which people talk to neither waits for it nor falls with it. The supervisor starts it with
 * DATABASE_URL and CULPRIT_HOME; it ends when standard input does.
 */
import process from "node:process";
import { getLogger } from "@logtape/logtape";
import { homeId } from "../base/home.ts";
import { startLogging } from "../base/logging.ts";
import { openDatabase } from "../database/database.ts";
import { noteUnheldRejections } from "../database/unheld_rejections.ts";
import { messageOf, startConsumer } from "../jobs/consumer.ts";
import { queueName, startQueue } from "../jobs/queue.ts";
import { sweepUploads } from "../jobs/uploads.ts";
import { tellReady } from "../jobs/messages.ts";
import { performImport } from "./import_task.ts";

/** One import at a time, and what notes and locks need beside it. */
const CONNECTIONS = 3;
/** How often copies of uploads are looked through that nobody needs any more, in milliseconds. */
const SWEEP_MS = 600_000;

/** Takes imports until it is asked to stop; an import in work is handed back then. */
async function importUntil(signal: AbortSignal): Promise<void> {
  const { DATABASE_URL: url, CULPRIT_HOME: home } = process.env;
  if (url === undefined || home === undefined) throw new Error("this process is started by the server, not by hand");
  const connection = openDatabase(url, undefined, CONNECTIONS);
  const boss = await startQueue(url, { worker: true });
  const ownImports = queueName("import", { home: await homeId({ home }) });
  const consumer = await startConsumer(
    connection,
    boss,
    "import",
    (attempt) => performImport(connection, boss, attempt),
    // Other servers cannot read what was uploaded here.
    { serves: (queue) => queue === "import" || queue === ownImports },
  );
  tellReady({ event: "ready" });
  const sweep = (): void => {
    sweepUploads(connection.db, home).catch((error) => log.warn("Uploads: {message}", { message: messageOf(error) }));
  };
  sweep();
  setInterval(sweep, SWEEP_MS).unref();
  await new Promise<void>((done) => {
    if (signal.aborted) done();
    signal.addEventListener("abort", () => done());
  });
  await consumer.stop();
  await boss.stop({ graceful: false });
  await connection.close();
}

await startLogging();
const log = getLogger(["culprit", "import"]);
const failed = (error: unknown): never => {
  log.error("{message}", { message: messageOf(error) });
  process.exit(1);
};
noteUnheldRejections((message) => log.warn("{message}", { message }), failed);
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stop.abort());
process.stdin.on("end", () => stop.abort());
process.stdin.on("error", () => stop.abort());
process.stdin.resume();
try {
  await importUntil(stop.signal);
  process.exit(0);
} catch (error) {
  failed(error);
}
