/** What a job worked on, so that its results can be opened. */
import { eq } from "drizzle-orm";
import { builder } from "./builder.ts";
import type { Context } from "../services/services.ts";
import { Job } from "./job.ts";
import { globalId } from "./rows.ts";
import { benchmarks, jobTasks, models, tokenPairs } from "../tables/tables.ts";
import type { JobInput } from "../tables/values.ts";

interface Subject {
  readonly id: string;
  readonly input: JobInput;
}

/** Row id of the token pair of a job that is about one; undefined for jobs on several, or on none. */
async function pairOf({ id }: Subject, { db }: Context): Promise<number | undefined> {
  const rows = await db.selectDistinct({ id: jobTasks.tokenPairId }).from(jobTasks).where(eq(jobTasks.jobId, id))
    .limit(2);
  return rows.length === 1 ? rows[0]!.id : undefined;
}

/** Row id of the failure case of a job that is about one. */
async function caseOf(subject: Subject, context: Context): Promise<number | undefined> {
  const { input } = subject;
  if (input.kind === "explain") return input.failureCaseId;
  if (input.kind === "find_pairs") {
    return input.failureCaseId ?? (input.caseIds?.length === 1 ? input.caseIds[0] : undefined);
  }
  const pair = await pairOf(subject, context);
  if (pair === undefined) return undefined;
  const [row] = await context.db.select({ id: tokenPairs.failureCaseId }).from(tokenPairs).where(
    eq(tokenPairs.id, pair),
  );
  return row?.id;
}

/** Name of the row that a job's input names by its id; null where it names none, or the row is gone. */
async function nameOf(
  { db }: Context,
  table: typeof models | typeof benchmarks,
  id: number | undefined,
): Promise<string | null> {
  if (id === undefined) return null;
  const [row] = await db.select({ name: table.name }).from(table).where(eq(table.id, id));
  return row?.name ?? null;
}

const globalIdOf = (type: string, id: number | undefined) => id === undefined ? null : globalId(type, id);

const columns = { id: true, input: true } as const;

builder.drizzleObjectFields(Job, (t) => ({
  tokenPairId: t.id({
    nullable: true,
    description: "The token pair that it is about, for `node`; null where it is about several, or about none.",
    complexity: 2,
    select: { columns },
    resolve: async (job, _args, context) => globalIdOf("TokenPair", await pairOf(job, context)),
  }),
  failureCaseId: t.id({
    nullable: true,
    description: "The failure case that it is about, for `node`; null where it is about several, or about none.",
    complexity: 2,
    select: { columns },
    resolve: async (job, _args, context) => globalIdOf("FailureCase", await caseOf(job, context)),
  }),
  benchmark: t.string({
    nullable: true,
    description: "Name of the benchmark that it collects, or of the only one that it searches.",
    select: { columns },
    resolve: ({ input }, _args, context) => {
      if (input.kind === "find_pairs") return input.benchmarks?.length === 1 ? input.benchmarks[0]! : null;
      return nameOf(context, benchmarks, input.kind === "collect" ? input.benchmarkId : undefined);
    },
  }),
  model: t.string({
    nullable: true,
    description: "Name of the model that it runs, where it runs one over answers or cases.",
    select: { columns },
    resolve: ({ input }, _args, context) =>
      nameOf(context, models, input.kind === "collect" || input.kind === "find_pairs" ? input.modelId : undefined),
  }),
}));
