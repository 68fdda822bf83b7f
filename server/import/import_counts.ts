/** How an import counted its responses, kept while it is under way: the same response again is one response. */
import { asc, eq, inArray, notInArray } from "drizzle-orm";
import type { Database } from "../../schema/tables/database.ts";
import { importCounts, jobs } from "../../schema/tables/tables.ts";
import type { Transaction } from "../database/database.ts";
import type { Counted } from "./store_batch.ts";

/** What all batches before the interruption counted. */
export async function readCounts(db: Database, jobId: string): Promise<Counted> {
  const { responseIds, verdicts, id } = importCounts;
  const batches = await db.select({ responseIds, verdicts }).from(importCounts).where(eq(importCounts.jobId, jobId))
    .orderBy(asc(id));
  return new Map(batches.flatMap((batch) => batch.responseIds.map((id, at) => [id, batch.verdicts[at]!] as const)));
}

/** Keeps what a batch counted, in the batch's own transaction. */
export async function keepCounts(tx: Transaction, jobId: string, counted: Counted): Promise<void> {
  if (counted.size === 0) return;
  await tx.insert(importCounts).values({ jobId, responseIds: [...counted.keys()], verdicts: [...counted.values()] });
}

/** Forgets what imports that have ended counted. */
export async function dropCounts(db: Database | Transaction): Promise<void> {
  const ended = db.select({ id: jobs.id }).from(jobs).where(notInArray(jobs.status, ["queued", "running"]));
  await db.delete(importCounts).where(inArray(importCounts.jobId, ended));
}
