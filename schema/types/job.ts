/** Job: long work that was asked for, and how it goes. */
import { and, eq, type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { Attribution } from "./attribution.ts";
import { InputError } from "./input_error.ts";
import { builder, pageCost } from "./builder.ts";
import { checkedJobId } from "./job_id.ts";
import { Direction, direction } from "./lists.ts";
import { ImportReportType } from "./import_report.ts";
import { found } from "./rows.ts";
import { jobs } from "../tables/tables.ts";
import { TokenPair } from "./token_pair.ts";

const JobKind = builder.enumType("JobKind", {
  description: "What a job does.",
  values: {
    ATTRIBUTE: { value: "attribute", description: "Computes attributions of token pairs." },
    IMPORT: { value: "import", description: "Imports answers and failure cases." },
    COLLECT: { value: "collect", description: "Runs a model over a benchmark and checks its answers." },
    FIND_PAIRS: { value: "find_pairs", description: "Searches token pairs of open failure cases." },
    BUILD_GRAPH: { value: "build_graph", description: "Builds attribution graphs." },
    DIAGNOSE: { value: "diagnose", description: "Says outcome and pattern of attributed pairs, with causal probes." },
    MASK: { value: "mask", description: "Masks tokens until the prediction flips." },
    ABLATE: { value: "ablate", description: "Sets heads and neurons to zero until the prediction flips." },
    STUDY: { value: "study", description: "Attributes the same pairs on every member of a series of models." },
    MARK: { value: "mark", description: "Finds where prompts state what their answers have to keep to." },
    GENERATE: { value: "generate", description: "Answers a prompt that somebody typed." },
    EXPLAIN: { value: "explain", description: "Attributes a token of such an answer against another one." },
    EXPLAIN_OBJECTIVE: {
      value: "explain_objective",
      description: "Computes relevance of another objective than the token pair: a logit, a mean, a sequence.",
    },
    TRACE: {
      value: "trace",
      description: "Cuts a completion into steps, and sends the error's relevance back through them.",
    },
    FETCH_MODEL: { value: "fetch_model", description: "Fetches a hub's model and adds it." },
    EXPORT_PREFERENCES: { value: "export_preferences", description: "Computes token weights for preference training." },
  } as const,
});

const JobStatus = builder.enumType("JobStatus", {
  description: "How far a job is. COMPLETED, FAILED and CANCELLED are final.",
  values: {
    QUEUED: { value: "queued", description: "Waiting for a worker." },
    RUNNING: { value: "running", description: "Being worked on." },
    COMPLETED: { value: "completed", description: "Done." },
    FAILED: { value: "failed", description: "Ended without doing all it was asked; `error` says why." },
    CANCELLED: { value: "cancelled", description: "Cancelled; what was finished before stays." },
  } as const,
});

const JobError = builder.objectRef<{ readonly code: string; readonly message: string }>("JobError").implement({
  description: "Why a job failed.",
  fields: (t) => ({
    code: t.exposeString("code", { description: "A constant for programs, such as BAD_INPUT or SOME_FAILED." }),
    message: t.exposeString("message", { description: "One line for people." }),
  }),
});

const JobFailure = builder.drizzleObject("jobTasks", {
  name: "JobFailure",
  description: "A part of a job that failed while others may have succeeded.",
  select: { columns: {} },
  fields: (t) => ({
    tokenPair: t.relation("tokenPair", { type: TokenPair, description: "The token pair it was about." }),
    message: t.string({
      description: "What went wrong.",
      select: { columns: { error: true } },
      resolve: ({ error }) => error ?? "",
    }),
  }),
});

export const Job = builder.drizzleNode("jobs", {
  name: "Job",
  description: "Long work that was asked for. It survives restarts of the server and of its workers.",
  id: { column: (job) => job.id },
  select: { columns: {} },
  fields: (t) => ({
    kind: t.expose("kind", { type: JobKind, description: "What it does." }),
    status: t.expose("status", { type: JobStatus, description: "How far it is." }),
    done: t.exposeInt("done", {
      description: "Units that are finished: token pairs of ATTRIBUTE, bytes of IMPORT, megabytes of FETCH_MODEL.",
    }),
    total: t.exposeInt("total", { description: "Units in all; 0 while not known." }),
    message: t.exposeString("message", { nullable: true, description: "What it is doing, in one line." }),
    error: t.field({
      type: JobError,
      nullable: true,
      description: "Why it failed; null unless it did.",
      select: { columns: { errorCode: true, errorMessage: true } },
      resolve: ({ errorCode, errorMessage }) =>
        errorCode === null ? null : { code: errorCode, message: errorMessage ?? "" },
    }),
    sequence: t.exposeInt("sequence", {
      description: "Grows with every change: give the last one seen to `jobProgress` to go on from there.",
    }),
    attributions: t.relatedConnection(
      "attributions",
      {
        type: Attribution,
        description:
          "The attributions an ATTRIBUTE job was asked for, as far as they are there; those that were stored " +
          "before it count too.",
        complexity: pageCost,
        totalCount: true,
        query: { orderBy: { id: "asc" } },
      },
      { name: "JobAttributionConnection", description: "A page of a job's attributions." },
      {
        name: "JobAttributionEdge",
        description: "An attribution of a job with its cursor.",
      },
    ),
    failures: t.relation("tasks", {
      type: JobFailure,
      description: "The parts of an ATTRIBUTE job that failed, 100 at most.",
      complexity: { field: 1, multiplier: 5 },
      query: { where: { error: { isNotNull: true } }, orderBy: { tokenPairId: "asc" }, limit: 100 },
    }),
    report: t.field({
      type: ImportReportType,
      nullable: true,
      description: "What an IMPORT job did so far; null before its first lines.",
      select: { columns: { report: true } },
      resolve: (job) => job.report,
    }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was asked for." }),
    startedAt: t.expose("startedAt", {
      type: "DateTime",
      nullable: true,
      description: "When a worker first took it up.",
    }),
    finishedAt: t.expose("finishedAt", { type: "DateTime", nullable: true, description: "When it ended." }),
  }),
});

builder.queryField("job", (t) =>
  t.drizzleField({
    type: Job,
    nullable: true,
    description: "A job, or null when there is no such job.",
    args: { id: t.arg.globalID({ for: Job, required: true, description: "The job's id." }) },
    resolve: (query, _parent, { id }, context) =>
      context.db.query.jobs.findFirst(query({ where: { id: checkedJobId(id.id, "job") } })),
  }));

const JobFilter = builder.inputType("JobFilter", {
  description: "Which jobs to list; every condition given must hold.",
  fields: (t) => ({
    status: t.field({ type: JobStatus, description: "How far they are." }),
    kind: t.field({ type: JobKind, description: "What they do." }),
  }),
});

const JobSort = builder.enumType("JobSort", {
  description: "What jobs can be ordered by.",
  values: { CREATED: { value: "createdAt", description: "When they were asked for." } } as const,
});

const JobOrder = builder.inputType("JobOrder", {
  description: "How to order jobs; ties are broken by id.",
  fields: (t) => ({
    by: t.field({ type: JobSort, required: true, description: "What to order by." }),
    direction: t.field({ type: Direction, description: "Which way; DESC when nothing is said." }),
  }),
});

function matching(filter: typeof JobFilter.$inferInput | null | undefined, table: typeof jobs): SQL {
  return and(
    filter?.status != null ? eq(table.status, filter.status) : undefined,
    filter?.kind != null ? eq(table.kind, filter.kind) : undefined,
  ) ?? sql`true`;
}

builder.queryField("jobs", (t) =>
  t.drizzleConnection(
    {
      type: Job,
      description: "Jobs, newest first when nothing else is said.",
      complexity: pageCost,
      args: {
        filter: t.arg({ type: JobFilter, description: "Which to list." }),
        orderBy: t.arg({ type: JobOrder, description: "How to order them." }),
      },
      totalCount: (_parent, { filter }, context) => context.db.$count(jobs, matching(filter, jobs)),
      resolve: (query, _parent, { filter, orderBy }, context) =>
        context.db.query.jobs.findMany(
          query({
            where: { RAW: (table) => matching(filter, table) },
            orderBy: { [orderBy?.by ?? "createdAt"]: direction(orderBy?.direction) },
          }),
        ),
    },
    { name: "JobConnection", description: "A page of jobs." },
    {
      name: "JobEdge",
      description: "A job with its cursor.",
    },
  ));

export const idempotencyKey = {
  description: "A key of your own: asking again with the same key returns the first job instead of a second one.",
  validate: z.string().min(1).max(200),
};

export const Selection = builder.enumType("TokenPairSelection", {
  description: "Token pairs that need not be named one by one.",
  values: {
    MISSING: { value: "missing", description: "Every pair that has no attribution of the rule." },
    CLEAN: {
      value: "clean",
      description: "Every pair that has no attribution of the rule and whose delta is above 1.",
    },
  } as const,
});

builder.mutationField("cancelJob", (t) =>
  t.drizzleField({
    type: Job,
    description: "Cancels a job. What it finished stays; a job that has ended stays as it is.",
    errors: { types: [InputError], union: { name: "CancelJobResult", description: "The job, or what was wrong." } },
    args: { id: t.arg.globalID({ for: Job, required: true, description: "The job's id." }) },
    resolve: async (query, _parent, args, context) => {
      const id = await context.services.cancelJob(checkedJobId(args.id.id, "cancelJob"));
      return found(await context.db.query.jobs.findFirst(query({ where: { id } })));
    },
  }));

builder.subscriptionField("jobProgress", (t) =>
  t.drizzleField({
    type: Job,
    description: "A job after each of its changes, ending with its final status. Steps that follow closely on each " +
      "other may come as one; the last never gets lost.",
    args: {
      id: t.arg.globalID({ for: Job, required: true, description: "The job's id." }),
      after: t.arg.int({
        required: true,
        defaultValue: 0,
        description: "The last `sequence` seen: what changed since comes at once.",
      }),
    },
    subscribe: (_parent, { id, after }, context) =>
      context.services.watchJob(checkedJobId(id.id, "jobProgress"), after),
    resolve: async (query, id, _args, context) =>
      found(await context.db.query.jobs.findFirst(query({ where: { id: id as string } }))),
  }));
