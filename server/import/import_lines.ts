/** Imports lines of culprit/1 that were made here: what is stored already stays. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Database } from "../../schema/tables/database.ts";
import { importFile } from "./import_file.ts";

/** Throws where a line cannot be stored; `name` is what messages call their file. */
export async function importLines(db: Database, name: string, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  const folder = await mkdtemp(join(tmpdir(), "culprit-lines-"));
  try {
    const file = `${name}.jsonl`;
    const path = join(folder, file);
    await writeFile(path, lines.map((line) => `${line}\n`).join(""));
    const { report } = await importFile(db, {
      path,
      name: file,
      from: "culprit",
      at: undefined,
      onBatch: () => Promise.resolve(),
    });
    if (report.failed[0] !== undefined) throw new Error(report.failed[0].message);
  } finally {
    await rm(folder, { recursive: true });
  }
}
