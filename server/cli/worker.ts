/** `culprit worker`: one more GPU worker for the server's queue, on this machine or another. */
import { writeFile } from "node:fs/promises";
import process from "node:process";
import { InputError } from "../../gpu/mod.ts";
import { messageOf } from "../jobs/consumer.ts";
import { startLogging } from "../base/logging.ts";
import { runWorker } from "../worker.ts";
import { optionText, type Verb, type VerbContext } from "./verb.ts";

export const verb: Verb = {
  name: "worker",
  summary: "Runs one more GPU worker; needs DATABASE_URL and models in CULPRIT_MODELS, nothing else",
  usage: "worker [--alive FILE] [--json]",
  example: "DATABASE_URL=postgres://... npx culprit worker",
  options: {
    alive: { type: "string", value: "FILE", help: "touched every few seconds, for whoever watches that it lives" },
  },
  run,
};

/** How often the file of --alive is touched, in milliseconds. */
const ALIVE_MS = 5000;

async function run(context: VerbContext): Promise<void> {
  const { positionals, json, verbose, out, signal } = context;
  if (positionals.length > 0) throw new InputError(`"${positionals[0]}" is too much`, "culprit worker", "leave it out");
  await startLogging(verbose ? "debug" : "info");
  const alive = optionText(context, "alive");
  const code = await runWorker({
    signal,
    onReady: ({ adapter }) => {
      if (json) void out(`${JSON.stringify({ event: "ready", adapter })}\n`);
      if (alive === undefined) return;
      const touch = () => writeFile(alive, "").catch((error) => context.note(`--alive: ${messageOf(error)}\n`));
      void touch();
      setInterval(touch, ALIVE_MS).unref();
    },
  });
  // A process with a device does not end by itself.
  process.exit(code);
}
