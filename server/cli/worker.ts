/** `culprit worker`: one more GPU worker for the server's queue, on this machine or another. */
import process from "node:process";
import { InputError } from "../../gpu/errors.ts";
import { startLogging } from "../logging.ts";
import { runWorker } from "../worker.ts";
import type { Verb, VerbContext } from "./verb.ts";

export const verb: Verb = {
  name: "worker",
  summary: "Runs one more GPU worker; needs DATABASE_URL and the model files, nothing else",
  usage: "worker [--json]",
  example: "DATABASE_URL=postgres://... npx culprit worker",
  options: {},
  run,
};

async function run({ positionals, json, verbose, out, signal }: VerbContext): Promise<void> {
  if (positionals.length > 0) throw new InputError(`"${positionals[0]}" is too much`, "culprit worker", "leave it out");
  await startLogging(verbose ? "debug" : "info");
  const code = await runWorker({
    signal,
    onReady: ({ adapter }) => {
      if (json) void out(`${JSON.stringify({ event: "ready", adapter })}\n`);
    },
  });
  // A process with a device does not end by itself.
  process.exit(code);
}
