/** FailureCase and its tokens. */
import { and, eq, type SQL, sql } from "drizzle-orm";
import { builder, MAX_WINDOW, pageCost } from "./builder.ts";
import { Direction, direction, Range, withinRange } from "./lists.ts";
import { Model } from "./model.ts";
import { failureCases, models } from "./tables.ts";
import { checkWindow } from "./window.ts";

const Segment = builder.enumType("Segment", {
  description: "What part of the context a token belongs to.",
  values: {
    INSTRUCTION: { value: "I", description: "Part of an annotated constraint phrase of the prompt." },
    QUERY: { value: "Q", description: "The rest of the prompt." },
    ANSWER: { value: "A", description: "Part of the completion before its first wrong token." },
    SPECIAL: { value: "S", description: "The first position, or a chat control token." },
  } as const,
});

interface TokenRow {
  readonly position: number;
  readonly id: number;
  readonly text: string;
  readonly segment: "I" | "Q" | "A" | "S";
}

const Token = builder.objectRef<TokenRow>("Token").implement({
  description: "A token of a failure case.",
  fields: (t) => ({
    position: t.exposeInt("position", { description: "Position, counted from 0." }),
    id: t.exposeInt("id", { description: "Token id." }),
    text: t.exposeString("text", {
      description: "Text of the token; a part of a character that several tokens share shows as U+FFFD.",
    }),
    special: t.boolean({
      description: "Whether it is left out of statistics: the first position and chat control tokens.",
      resolve: (token) => token.segment === "S",
    }),
    segment: t.expose("segment", { type: Segment, description: "What part of the context it belongs to." }),
  }),
});

/** A window of a case's tokens as parallel arrays, cut by the database so that only the window travels. */
interface TokenWindow {
  readonly ids: readonly number[];
  readonly texts: readonly string[];
  readonly segments: string;
}

export const FailureCase = builder.drizzleNode("failureCases", {
  name: "FailureCase",
  description: "A prompt plus the part of the model's completion before its first wrong token.",
  id: { column: (failureCase) => failureCase.id },
  select: { columns: {} },
  fields: (t) => ({
    key: t.exposeString("key", { description: "The importer's own name for it, unique for a model." }),
    benchmark: t.exposeString("benchmark", { description: "Benchmark the task comes from." }),
    task: t.exposeString("task", { description: "The task's name within its benchmark." }),
    model: t.relation("model", { type: Model, description: "The model that failed." }),
    prompt: t.exposeString("prompt", { description: "The prompt as the model read it: the rendered chat text." }),
    prefix: t.exposeString("prefix", { description: "The completion before its first wrong token." }),
    completion: t.exposeString("completion", { description: "What the model produced in full." }),
    tokenCount: t.exposeInt("tokenCount", { description: "Tokens of prompt and prefix." }),
    promptTokens: t.exposeInt("promptTokens", { description: "Tokens of the prompt; the prefix follows." }),
    delta: t.exposeFloat("delta", {
      nullable: true,
      description: "Largest delta among the case's token pairs; null while it has none.",
    }),
    tokens: t.field({
      type: [Token],
      description: "A window of the tokens of prompt and prefix.",
      complexity: ({ count }) => ({ field: 1 + Math.ceil(count / 8), multiplier: 1 }),
      args: {
        from: t.arg.int({ required: true, defaultValue: 0, description: "First position of the window." }),
        count: t.arg.int({
          required: true,
          defaultValue: MAX_WINDOW,
          description: `Tokens in the window, ${MAX_WINDOW} at most; fewer come back at the end.`,
        }),
      },
      select: ({ from, count }) => {
        checkWindow(from, count, MAX_WINDOW, "tokens");
        return {
          columns: {},
          extras: {
            tokenWindow: (table) =>
              sql<TokenWindow>`jsonb_build_object(
                'ids', to_jsonb((${table.inputIds})[${from + 1}:${from + count}]),
                'texts', to_jsonb((${table.tokenTexts})[${from + 1}:${from + count}]),
                'segments', substr(${table.segments}, ${from + 1}, ${count}))`,
          },
        };
      },
      resolve: ({ tokenWindow }, { from }) => {
        const { ids, texts, segments } = tokenWindow;
        return ids.map((id, index) => ({
          position: from + index,
          id,
          text: texts[index] ?? "",
          segment: (segments[index] ?? "Q") as TokenRow["segment"],
        }));
      },
    }),
    instructionPhrases: t.exposeStringList("instructionPhrases", {
      description: "The constraint phrases of the prompt that an annotator marked.",
      complexity: { field: 1, multiplier: 1 },
    }),
    tokenPairs: t.relation("tokenPairs", {
      description: "The wrong token and its right alternatives, 100 at most, oldest first.",
      complexity: { field: 1, multiplier: 2 },
      query: { orderBy: { id: "asc" }, limit: 100 },
    }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was stored." }),
  }),
});

const FailureCaseFilter = builder.inputType("FailureCaseFilter", {
  description: "Which failure cases to list; every condition given must hold.",
  fields: (t) => ({
    benchmark: t.string({ description: "Benchmark, exactly." }),
    task: t.string({ description: "Task within the benchmark, exactly." }),
    model: t.string({ description: "The model's name." }),
    key: t.string({ description: "The case's key, exactly." }),
    delta: t.field({ type: Range, description: "Largest delta of the case's token pairs." }),
    tokens: t.field({ type: Range, description: "Tokens of prompt and prefix." }),
  }),
});

const FailureCaseSort = builder.enumType("FailureCaseSort", {
  description: "What failure cases can be ordered by.",
  values: {
    CREATED: { value: "createdAt", description: "When they were stored." },
    KEY: { value: "key", description: "Their key." },
    DELTA: { value: "delta", description: "Largest delta of their token pairs." },
    TOKENS: { value: "tokenCount", description: "Tokens of prompt and prefix." },
  } as const,
});

const FailureCaseOrder = builder.inputType("FailureCaseOrder", {
  description: "How to order failure cases; ties are broken by id.",
  fields: (t) => ({
    by: t.field({ type: FailureCaseSort, required: true, description: "What to order by." }),
    direction: t.field({ type: Direction, description: "Which way; DESC when nothing is said." }),
  }),
});

function matching(filter: typeof FailureCaseFilter.$inferInput | null | undefined, table: typeof failureCases) {
  const conditions: (SQL | undefined)[] = [
    filter?.benchmark != null ? eq(table.benchmark, filter.benchmark) : undefined,
    filter?.task != null ? eq(table.task, filter.task) : undefined,
    filter?.key != null ? eq(table.key, filter.key) : undefined,
    filter?.model != null
      ? sql`${table.modelId} = (select ${models.id} from ${models} where ${models.name} = ${filter.model})`
      : undefined,
    ...withinRange(table.delta, filter?.delta),
    ...withinRange(table.tokenCount, filter?.tokens),
  ];
  return and(...conditions) ?? sql`true`;
}

builder.queryField("failureCases", (t) =>
  t.drizzleConnection(
    {
      type: FailureCase,
      description: "Failure cases, newest first when nothing else is said.",
      complexity: pageCost,
      args: {
        filter: t.arg({ type: FailureCaseFilter, description: "Which to list." }),
        orderBy: t.arg({ type: FailureCaseOrder, description: "How to order them." }),
      },
      totalCount: (_parent, { filter }, context) => context.db.$count(failureCases, matching(filter, failureCases)),
      resolve: (query, _parent, { filter, orderBy }, context) =>
        context.db.query.failureCases.findMany(
          query({
            where: { RAW: (table) => matching(filter, table) },
            orderBy: { [orderBy?.by ?? "createdAt"]: direction(orderBy?.direction) },
          }),
        ),
    },
    { name: "FailureCaseConnection", description: "A page of failure cases." },
    {
      name: "FailureCaseEdge",
      description: "A failure case with its cursor.",
    },
  ));
