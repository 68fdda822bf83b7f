/** The first run: the demo model, its failures, and their attributions, so that the page has something to show. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { getLogger } from "@logtape/logtape";
import { eq } from "drizzle-orm";
import { jobs, models } from "../schema/tables.ts";
import { addModel } from "./add_model.ts";
import type { Server } from "./serve.ts";
import { ROOT } from "./settings.ts";

const DEMO = join(ROOT, "models", "demo-1m");

/** Adds the demo when no model was ever added. The keys make a run that was cut short go on where it was. */
export async function addDemo({ connection: { db }, services }: Server): Promise<void> {
  const file = join(DEMO, "failure-cases.jsonl");
  if (!existsSync(join(DEMO, "config.json")) || !existsSync(file)) return;
  const known = await db.select({ directory: models.directory }).from(models).limit(2);
  if (known.length > 1 || known.some(({ directory }) => directory !== DEMO)) return;

  const log = getLogger(["culprit", "demo"]);
  const model = await addModel(db, DEMO, undefined);
  const importJob = await services.importFailureCases({ file: undefined, path: file, idempotencyKey: "demo import" });
  for await (const _ of services.watchJob(importJob, 0)) { /* until it ends */ }
  const [imported] = await db.select({ status: jobs.status, error: jobs.errorMessage, report: jobs.report }).from(jobs)
    .where(eq(jobs.id, importJob));
  if (imported?.status !== "completed") {
    log.warn("The demo's failure cases were not imported: {error}", { error: imported?.error });
    return;
  }
  if (imported.report?.failedCount) {
    log.warn("{count} of the demo's failure cases were not imported, for example {example}", {
      count: imported.report.failedCount,
      example: imported.report.failed[0]?.message,
    });
  }
  await services.attribute({ tokenPairIds: "clean", rule: "attnlrp", idempotencyKey: "demo attribute" });
  if (model.created) log.info("Added the demo model with {count} failures", { count: imported.report?.inserted });
}
