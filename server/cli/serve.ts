/** `culprit serve`: the server with its page, its database and its worker. */
import process from "node:process";
import { InputError } from "../../gpu/mod.ts";
import { addShippedBenchmarks } from "../benchmarks/benchmarks.ts";
import { addDemo } from "../demo.ts";
import { messageOf } from "../jobs/consumer.ts";
import { startLogging } from "../base/logging.ts";
import { startServer } from "../serve.ts";
import { readSettings } from "../base/settings.ts";
import type { Verb, VerbContext } from "./verb.ts";

export const verb: Verb = {
  name: "serve",
  summary: "Runs the server: page, GraphQL, database and one GPU worker, until Ctrl-C",
  usage: "serve [--no-worker] [--demo] [--json]",
  example: "npx culprit serve",
  options: {
    "no-worker": { type: "boolean", help: "leave the work to workers that run elsewhere" },
    "demo": { type: "boolean", help: "on the first run, add the demo model and attribute its failures" },
  },
  run,
};

async function run(context: VerbContext): Promise<void> {
  const { values, positionals, json, verbose, out, note, signal } = context;
  if (positionals.length > 0) throw new InputError(`"${positionals[0]}" is too much`, "culprit serve", "leave it out");
  const settings = readSettings();
  await startLogging(verbose ? "debug" : "info");
  const server = await startServer(settings, { worker: values["no-worker"] !== true });
  await out(json ? `${JSON.stringify({ event: "listening", address: server.address })}\n` : `${server.address}\n`);
  await addShippedBenchmarks(server.connection.db).catch((error) =>
    note(`The benchmarks that come with the project were not added: ${messageOf(error)}\n`)
  );
  if (values["demo"] === true) {
    addDemo(server).catch((error) => note(`The demo was not added: ${messageOf(error)}\n`));
  }
  let refused = false;
  await new Promise<void>((done) => {
    if (signal.aborted) done();
    signal.addEventListener("abort", () => done());
    server.refused.then(() => refused = true).then(() => done());
    // Whoever started us for himself holds the other end of standard input: when he is gone, so are we.
    if (process.env["CULPRIT_SUPERVISED"] === "1") ended(context.stdin).then(done, done);
  });
  await server.stop();
  if (refused) {
    throw new InputError("the worker refused its settings", "culprit serve", "mend the setting that its line names");
  }
}

async function ended(stream: ReadableStream<Uint8Array>): Promise<void> {
  for await (const _ of stream) { /* until it ends */ }
}
