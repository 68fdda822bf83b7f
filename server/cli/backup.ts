/** `culprit backup`: everything that the database holds, as one file. */
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { InputError } from "../../gpu/mod.ts";
import { writeBackup } from "../backup/backup.ts";
import type { Verb, VerbContext } from "./verb.ts";
import { withDatabase } from "./with_database.ts";

export const verb: Verb = {
  name: "backup",
  summary: "Writes all that the database holds into one file, while the server runs",
  usage: "backup FILE [--json]",
  example: "npx culprit backup culprit.backup",
  options: {},
  run,
};

async function run({ positionals, json, out }: VerbContext): Promise<void> {
  const [path, ...more] = positionals;
  if (path === undefined || more.length > 0) {
    throw new InputError(`${positionals.length} files are given`, "culprit backup", "give the one to write");
  }
  // Renamed when whole: what has the name is a backup.
  const draft = `${path}.part`;
  const total = { rows: 0 };
  try {
    await withDatabase(({ sql }) =>
      pipeline(
        writeBackup(sql, (_table, rows) => total.rows += rows),
        createGzip({ level: 6 }),
        createWriteStream(draft, { mode: 0o600, flush: true }),
      )
    );
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    const { code } = error as { readonly code?: string };
    if (code === undefined || !/^E[A-Z]+$/.test(code)) throw error;
    throw new InputError(`it cannot be written (${code})`, path, "name a file in a folder that is there, with room");
  }
  await out(json ? `${JSON.stringify({ total: total.rows })}\n` : `${total.rows} rows were written to ${path}\n`);
}
