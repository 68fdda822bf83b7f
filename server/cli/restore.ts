/** `culprit restore`: what `culprit backup` wrote, into an empty database. */
import { createReadStream } from "node:fs";
import { access } from "node:fs/promises";
import { InputError } from "../../gpu/mod.ts";
import { restoreBackup } from "../backup/restore.ts";
import { readSettings } from "../base/settings.ts";
import type { Verb, VerbContext } from "./verb.ts";

export const verb: Verb = {
  name: "restore",
  summary: "Reads a backup into an empty database",
  usage: "restore FILE [--json]",
  example: "CULPRIT_HOME=/new/home npx culprit restore culprit.backup",
  options: {},
  run,
};

async function run({ positionals, json, out }: VerbContext): Promise<void> {
  const [path, ...more] = positionals;
  if (path === undefined || more.length > 0) {
    throw new InputError(`${positionals.length} files are given`, "culprit restore", "give the one to read");
  }
  await access(path).catch(() => {
    throw new InputError("it cannot be read", path, "give a file that culprit backup wrote");
  });
  const { rows, tasks } = await restoreBackup(readSettings(), () => createReadStream(path), path);
  await out(
    json ? `${JSON.stringify({ total: rows, tasks })}\n` : `${rows} rows and ${tasks} waiting tasks are back\n`,
  );
}
