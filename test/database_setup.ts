/** One embedded PostgreSQL for a whole test run; each test file makes a database of its own (see database.ts). */
import { join } from "node:path";
import postgres from "postgres";
import type { TestProject } from "vitest/node";
import { startEmbeddedPostgres } from "../server/database/embedded_postgres.ts";
import { ROOT } from "../server/base/settings.ts";

declare module "vitest" {
  interface ProvidedContext {
    databaseUrl: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // Kept between runs, since making it anew takes longer than starting it. What tests store may be lost in a crash.
  const database = await startEmbeddedPostgres(join(ROOT, ".culprit", "test"), {
    flags: ["-c fsync=off", "-c synchronous_commit=off", "-c full_page_writes=off"],
  });
  // Another run may share it: while we are connected, its end is not the database's.
  const hold = postgres(database.url, { max: 1, onnotice: () => {} });
  await hold`select 1`;
  project.provide("databaseUrl", database.url);
  return async () => {
    await hold.end();
    await database.stop();
  };
}
