/** What tasks on one token pair share: the rows they read, and how they tell of their progress. */
import { eq, inArray, sql } from "drizzle-orm";
import { InputError, type Progress } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { failureCases, models, tokenPairs } from "../../schema/tables/tables.ts";
import { reportProgress } from "./jobs.ts";
import type { PairTask } from "./queue.ts";
import { stepped } from "../base/telemetry.ts";
import type { MarkOrigin } from "../marks/found_marks.ts";

/** A token pair with its case, and a model. */
export type PairRows = Awaited<ReturnType<typeof loadPairs>>[number];

/** Token pairs with their cases, each with the model that its task names. Throws InputError when one is not there. */
export async function loadPairs(db: Database, tasks: readonly Pick<PairTask, "tokenPairId" | "modelId">[]) {
  const rows = await db.select({
    id: tokenPairs.id,
    model: {
      id: models.id,
      name: models.name,
      directory: models.directory,
      hash: models.hash,
      parameters: models.parameters,
      tokenizerHash: models.tokenizerHash,
    },
    failureCase: {
      key: failureCases.key,
      benchmark: failureCases.benchmark,
      inputIds: failureCases.inputIds,
      tokenTexts: failureCases.tokenTexts,
      /** As they count: a person's, where somebody changed them. */
      segments: sql<string>`coalesce(${failureCases.editedSegments}, ${failureCases.segments})`,
      marksOrigin: sql<MarkOrigin | null>`case when ${failureCases.editedSegments} is null
        then ${failureCases.marksOrigin} else 'person'::mark_origin end`,
      promptTokens: failureCases.promptTokens,
      item: failureCases.item,
    },
    pair: {
      targetId: tokenPairs.targetId,
      targetText: tokenPairs.targetText,
      contrastId: tokenPairs.contrastId,
      contrastText: tokenPairs.contrastText,
    },
  }).from(tokenPairs)
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .innerJoin(models, inArray(models.id, [...new Set(tasks.map(({ modelId }) => modelId))]))
    .where(inArray(tokenPairs.id, [...new Set(tasks.map(({ tokenPairId }) => tokenPairId))]));
  const found = new Map(rows.map((row) => [`${row.id}/${row.model.id}`, row]));
  return tasks.map(({ tokenPairId, modelId }) => {
    const row = found.get(`${tokenPairId}/${modelId}`);
    if (row) return row;
    throw new InputError(`there is no token pair ${tokenPairId}`, "tokenPairIds", "ask for one that is there");
  });
}

/** One token pair. */
export async function loadPair(db: Database, task: PairTask): Promise<PairRows> {
  return (await loadPairs(db, [task]))[0]!;
}

/** Least time between two progress reports, in milliseconds. */
const REPORT_MS = 250;

/** Passes progress on to the job, now and then; aborts the work when the job has ended. */
export function progressReporter(
  db: Database,
  task: PairTask,
  key: string,
  ended: AbortController,
): (progress: Progress) => void {
  let last = 0;
  let busy = false;
  return ({ phase, done, total }) => {
    stepped(phase, done, total);
    const now = Date.now();
    if (busy || now - last < REPORT_MS) return;
    last = now;
    busy = true;
    const share = total > 0 ? ` ${Math.floor(100 * done / total)} %` : "";
    reportProgress(db, task.jobId, { message: `${key}: ${phase}${share}` }).then(
      (running) => running || ended.abort(new Error("The job has ended")),
      () => {},
    ).finally(() => busy = false);
  };
}
