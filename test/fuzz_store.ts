/** What lies in a database while malformed inputs come: some of it may be changed by them, all else must stay. */
import { join } from "node:path";
import { eq } from "drizzle-orm";
import type { Database } from "../schema/tables/database.ts";
import { failureCases, jobs, tokenPairs } from "../schema/tables/tables.ts";
import { addModel } from "../server/models/add_model.ts";
import { addShippedBenchmarks } from "../server/benchmarks/benchmarks.ts";
import { importFile } from "../server/import/import_file.ts";
import { ROOT } from "../server/base/settings.ts";
import { globalId } from "./graphql_client.ts";

/** Stores the demo model, its failure cases and benchmarks. Returns the global ids that operations may name. */
export async function fillForFuzz(db: Database): Promise<readonly string[]> {
  const model = await addModel(db, join(ROOT, "models", "demo-1m"), undefined);
  await addShippedBenchmarks(db);
  await importFile(db, {
    from: "culprit",
    path: join(ROOT, "models", "demo-1m", "failure-cases.jsonl"),
    name: "failure-cases.jsonl",
    at: undefined,
    onBatch: () => Promise.resolve(),
  });
  // A case that may be annotated, cut otherwise, and asked about: what happens to it is not looked at.
  const [first] = await db.select().from(failureCases).orderBy(failureCases.id).limit(1);
  const [pair] = await db.select().from(tokenPairs).where(eq(tokenPairs.failureCaseId, first!.id));
  const { id: _case, ...values } = first!;
  const [fuzzed] = await db.insert(failureCases).values({ ...values, key: "fuzzed" }).returning({
    id: failureCases.id,
  });
  const { id: _pair, ...pairValues } = pair!;
  const [fuzzedPair] = await db.insert(tokenPairs).values({ ...pairValues, failureCaseId: fuzzed!.id })
    .returning({ id: tokenPairs.id });
  const [job] = await db.insert(jobs).values({
    kind: "attribute",
    input: { kind: "attribute", rule: "attnlrp", tokenPairIds: [fuzzedPair!.id] },
  }).returning({ id: jobs.id });
  return [
    globalId("Model", model.id),
    globalId("FailureCase", fuzzed!.id),
    globalId("TokenPair", fuzzedPair!.id),
    globalId("Job", job!.id),
  ];
}
