/** The first run: the demo model, its failures, and their attributions, so that the page has something to show. */
import { existsSync } from "node:fs";
import { isAbsolute, join, sep } from "node:path";
import { getLogger } from "@logtape/logtape";
import { eq } from "drizzle-orm";
import { jobs, models } from "../schema/tables/tables.ts";
import { addModel } from "./models/add_model.ts";
import { messageOf } from "./jobs/consumer.ts";
import type { Server } from "./serve.ts";
import { ROOT } from "./base/settings.ts";
import { loadSnapshot, SNAPSHOT, WILD_SNAPSHOT } from "./backup/snapshot.ts";

/** Where the models lie that come with the project; a server that has others is not new. */
const SHIPPED = join(ROOT, "models") + sep;
export const DEMO: string = join(ROOT, "models", "demo-1m");

/**
 * In the order of import. The page shows the newest first: cases at the first token that leaves the reference answer,
 * which explain most, come last.
 */
export const FILES = ["failure-cases.jsonl", "failure-cases-divergence.jsonl"] as const;

/** Adds the demo, and the results that come with it, when no other model was ever added. The keys make a run that was cut short go on where it was. */
export async function addDemo({ connection, services }: Server): Promise<void> {
  const { db } = connection;
  const files = FILES.filter((file) => existsSync(join(DEMO, file)));
  if (!existsSync(join(DEMO, "config.json")) || files.length === 0) return;
  const known = await db.select({ directory: models.directory }).from(models);
  if (known.some(({ directory }) => !directory.startsWith(SHIPPED) && isAbsolute(directory))) return;

  const log = getLogger(["culprit", "demo"]);
  const load = async (path: string): Promise<void> => {
    await loadSnapshot(connection, path).then(
      (rows) => rows > 0 && log.info("Loaded {rows} rows of results that were computed before", { rows }),
      (error) =>
        log.warn("The results that come with the project were not loaded: {error}", { error: messageOf(error) }),
    );
  };
  await load(SNAPSHOT);
  const model = await addModel(db, DEMO, undefined);
  let count = 0;
  const attributing: string[] = [];
  for (const file of files) {
    const path = join(DEMO, file);
    const importJob = await services.importFailureCases({
      file: undefined,
      path,
      idempotencyKey: `demo import ${file}`,
    });
    for await (const _ of services.watchJob(importJob, 0)) { /* until it ends */ }
    const [imported] = await db.select({ status: jobs.status, error: jobs.errorMessage, report: jobs.report })
      .from(jobs).where(eq(jobs.id, importJob));
    if (imported?.status !== "completed") {
      log.warn("{file} was not imported: {error}", { file, error: imported?.error });
      continue;
    }
    count += imported.report?.inserted ?? 0;
    if (imported.report?.failedCount) {
      log.warn("{count} failure cases of {file} were not imported, for example {example}", {
        count: imported.report.failedCount,
        file,
        example: imported.report.failed[0]?.message,
      });
    }
    // The last file's cases are the first on the page: each file's are attributed once it is there.
    attributing.push(
      await services.attribute({ tokenPairIds: "clean", rule: "attnlrp", idempotencyKey: `demo attribute ${file}` }),
    );
  }
  // A real model's failures stand in front of the demo's: the page shows first what was stored last.
  await load(WILD_SNAPSHOT);
  // Where results came with the project, its model came with them, and nothing is missing.
  if (!model.created) return;
  attributing.push(
    await services.diagnose({ tokenPairIds: "clean", rule: "attnlrp", idempotencyKey: "demo diagnose" }),
  );
  log.info("Added the demo model with {count} failures; attributing and diagnosing them", { count });
  for (const job of attributing) for await (const _ of services.watchJob(job, 0)) { /* until it ends */ }
  log.info("The demo's failures are attributed and diagnosed");
}
