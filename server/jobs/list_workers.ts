/** The workers that live, with the names of the models that they hold. */
import { sql } from "drizzle-orm";
import type { Database } from "../../schema/tables/database.ts";
import type { LiveWorker } from "../../schema/services/workers.ts";
import { models } from "../../schema/tables/tables.ts";
import { workers } from "../../schema/tables/worker_tables.ts";
import { alive } from "./worker_registry.ts";

export async function listWorkers(db: Database): Promise<LiveWorker[]> {
  return await db.select({
    host: workers.host,
    pid: workers.pid,
    adapter: workers.adapter,
    memoryBytes: workers.memoryBytes,
    models: sql<string[]>`array(select ${models.name} from ${models}
      where ${models.hash} = any(${workers.models}) order by ${models.name})`,
    startedAt: workers.createdAt,
  }).from(workers).where(alive).orderBy(workers.createdAt, workers.id);
}
