/** Copies of uploaded files: each is there until its import has ended, whatever way that was. */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { and, eq, inArray } from "drizzle-orm";
import { jobs } from "../../schema/tables/tables.ts";
import type { Database } from "../../schema/tables/database.ts";
import type { JobInput } from "../../schema/tables/values.ts";

/** A file without a job this old is none that is still coming, in milliseconds. */
const LEFT_MS = 24 * 3600 * 1000;

/** The folder of uploads in a home, made where it is missing. */
export async function uploadFolder(home: string): Promise<string> {
  const folder = join(home, "uploads");
  await mkdir(folder, { recursive: true });
  return folder;
}

/** Removes the copy that an import read; files that were imported by their path stay. */
export async function removeUpload(input: JobInput | undefined): Promise<void> {
  if (input?.kind === "import" && input.uploadHash !== null) await rm(input.path, { force: true });
}

/**
 * Removes copies whose imports have ended, or never began: of imports that were cancelled while they waited, and of
 * uploads whose server was killed.
 */
export async function sweepUploads(db: Database, home: string): Promise<void> {
  const folder = await uploadFolder(home);
  const names = await readdir(folder);
  if (names.length === 0) return;
  const live = await db.select({ input: jobs.input }).from(jobs)
    .where(and(eq(jobs.kind, "import"), inArray(jobs.status, ["queued", "running"])));
  const kept = new Set(live.map(({ input }) => input.kind === "import" ? input.path : ""));
  const ended = await db.select({ input: jobs.input }).from(jobs)
    .where(and(eq(jobs.kind, "import"), inArray(jobs.status, ["completed", "failed", "cancelled"])));
  const done = new Set(ended.map(({ input }) => input.kind === "import" ? input.path : ""));
  for (const path of names.map((name) => join(folder, name))) {
    if (kept.has(path)) continue;
    const age = Date.now() - await stat(path).then(({ mtimeMs }) => mtimeMs, () => Date.now());
    if (done.has(path) || age > LEFT_MS) await rm(path, { force: true });
  }
}
