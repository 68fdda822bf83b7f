/** Response: what a model wrote for an item of a benchmark, passed or failed. */
import { and, eq, isNull, type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { builder, pageCost } from "./builder.ts";
import { ResponseSource, VerdictType } from "./case_status.ts";
import { Direction, direction } from "./lists.ts";
import { Model } from "./model.ts";
import { Thought, thoughtAndAnswer } from "./thought.ts";
import { models, responses } from "../tables/tables.ts";

/** Characters of `completionStart` at most. */
const MOST_START = 1000;

export const Response = builder.drizzleNode("responses", {
  name: "Response",
  description: "What a model wrote for an item of a benchmark, passed or failed. Those that failed are failure cases.",
  id: { column: (response) => response.id },
  select: { columns: {} },
  fields: (t) => ({
    key: t.exposeString("key", { description: "Made of benchmark, task, document, prompt and filter." }),
    benchmark: t.exposeString("benchmark", { description: "Benchmark the task comes from." }),
    task: t.exposeString("task", { description: "The task's name within its benchmark." }),
    filter: t.exposeString("filter", {
      description: "The harness's name for how responses were cut out of raw output; `none` for the raw output.",
    }),
    model: t.relation("model", { type: Model, description: "The model that wrote it." }),
    prompt: t.exposeString("prompt", {
      description: "The prompt as the model read it; empty when the log did not hold it.",
    }),
    completion: t.exposeString("completion", { description: "What it wrote, its thought and its answer." }),
    thought: t.field({
      type: Thought,
      nullable: true,
      description: "What it thought before it answered; null where it did not.",
      select: { columns: { completion: true, thought: true } },
      resolve: ({ completion, thought }) => thoughtAndAnswer(completion, thought).thought,
    }),
    answer: t.string({
      description: "What it wrote without its thought: what a checker judges.",
      select: { columns: { completion: true, thought: true } },
      resolve: ({ completion, thought }) => thoughtAndAnswer(completion, thought).answer,
    }),
    completionStart: t.string({
      description: "The first characters of what it wrote.",
      args: {
        characters: t.arg.int({
          required: true,
          defaultValue: 200,
          description: `Characters, ${MOST_START} at most.`,
          validate: z.int().min(1).max(MOST_START),
        }),
      },
      select: ({ characters }) => ({
        columns: {},
        extras: { start: (table) => sql<string>`left(${table.completion}, ${characters})` },
      }),
      resolve: ({ start }) => start,
    }),
    promptTokens: t.int({
      description: "Tokens of the prompt.",
      select: { columns: {}, extras: { promptCount: (table) => sql<number>`cardinality(${table.promptIds})` } },
      resolve: ({ promptCount }) => promptCount,
    }),
    completionTokens: t.int({
      description: "Tokens of what it wrote.",
      select: { columns: {}, extras: { completionCount: (table) => sql<number>`cardinality(${table.completionIds})` } },
      resolve: ({ completionCount }) => completionCount,
    }),
    passed: t.exposeBoolean("passed", {
      nullable: true,
      description: "Whether it passed; null when nobody could decide.",
    }),
    verdict: t.field({
      type: VerdictType,
      nullable: true,
      description: "What log and checker say.",
      select: { columns: { verdict: true } },
      resolve: ({ verdict }) => verdict,
    }),
    disagrees: t.exposeBoolean("disagrees", {
      description: "Whether the log and our checker both decided, and otherwise from each other; `verdict` has both.",
    }),
    promptTemplate: t.exposeString("promptTemplate", {
      nullable: true,
      description: "The template that the question was asked with; null for responses that were imported.",
    }),
    source: t.expose("source", { type: ResponseSource, description: "Where it comes from." }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was stored." }),
  }),
});

const ResponseFilter = builder.inputType("ResponseFilter", {
  description: "Which responses to list; every condition given must hold.",
  fields: (t) => ({
    benchmark: t.string({ description: "Benchmark, exactly." }),
    task: t.string({ description: "Task within the benchmark, exactly." }),
    model: t.string({ description: "The model's name." }),
    key: t.string({ description: "The response's key, exactly." }),
    passed: t.boolean({ description: "Whether they passed." }),
    undecided: t.boolean({ description: "Only those that nobody could decide." }),
    disagrees: t.boolean({ description: "Whether log and checker judge them differently." }),
  }),
});

const ResponseSort = builder.enumType("ResponseSort", {
  description: "What responses can be ordered by.",
  values: {
    CREATED: { value: "createdAt", description: "When they were stored." },
    KEY: { value: "key", description: "Their key." },
  } as const,
});

const ResponseOrder = builder.inputType("ResponseOrder", {
  description: "How to order responses; ties are broken by id.",
  fields: (t) => ({
    by: t.field({ type: ResponseSort, required: true, description: "What to order by." }),
    direction: t.field({ type: Direction, description: "Which way; DESC when nothing is said." }),
  }),
});

function matching(filter: typeof ResponseFilter.$inferInput | null | undefined, table: typeof responses): SQL {
  return and(
    filter?.benchmark != null ? eq(table.benchmark, filter.benchmark) : undefined,
    filter?.task != null ? eq(table.task, filter.task) : undefined,
    filter?.key != null ? eq(table.key, filter.key) : undefined,
    filter?.passed != null ? eq(table.passed, filter.passed) : undefined,
    filter?.undecided ? isNull(table.passed) : undefined,
    filter?.disagrees == null ? undefined : filter.disagrees ? sql`${table.disagrees}` : sql`not ${table.disagrees}`,
    filter?.model != null
      ? sql`${table.modelId} = (select ${models.id} from ${models} where ${models.name} = ${filter.model})`
      : undefined,
  ) ?? sql`true`;
}

builder.queryField("responses", (t) =>
  t.drizzleConnection(
    {
      type: Response,
      description: "Responses of models to benchmarks, newest first when nothing else is said.",
      complexity: pageCost,
      args: {
        filter: t.arg({ type: ResponseFilter, description: "Which to list." }),
        orderBy: t.arg({ type: ResponseOrder, description: "How to order them." }),
      },
      totalCount: (_parent, { filter }, context) => context.db.$count(responses, matching(filter, responses)),
      resolve: (query, _parent, { filter, orderBy }, context) =>
        context.db.query.responses.findMany(
          query({
            where: { RAW: (table) => matching(filter, table) },
            orderBy: { [orderBy?.by ?? "createdAt"]: direction(orderBy?.direction) },
          }),
        ),
    },
    { name: "ResponseConnection", description: "A page of responses." },
    { name: "ResponseEdge", description: "A response with its cursor." },
  ));
