/** FailureCase and its tokens. */
import { sql } from "drizzle-orm";
import { z } from "zod";
import { builder, MAX_WINDOW, pageCost } from "./builder.ts";
import { cutFirst, Direction, direction } from "./lists.ts";
import { Annotation } from "./annotation.ts";
import { FailureCaseFilter, matchingCases } from "./case_filter.ts";
import { CaseStatus, ExclusionType, ResponseSource, VerdictType } from "./case_status.ts";
import { MarkOrigin } from "./mark_origin.ts";
import { AT_MOST, countFound, Found } from "./found.ts";
import { Model } from "./model.ts";
import { Response } from "./response.ts";
import { failureCases } from "../tables/tables.ts";
import { checkWindow } from "./window.ts";

export const Segment = builder.enumType("Segment", {
  description: "What part of the context a token belongs to.",
  values: {
    INSTRUCTION: { value: "I", description: "Part of a marked phrase of the prompt (docs/marks.md)." },
    QUERY: { value: "Q", description: "The rest of the prompt." },
    ANSWER: { value: "A", description: "Part of the completion before its first wrong token." },
    SPECIAL: { value: "S", description: "The first position, or a chat control token." },
  } as const,
});

/** Characters of `textBefore` at most. */
const MOST_BEFORE = 1000;

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
    textBefore: t.string({
      description: "The last characters of prompt and prefix together: what the model read just before the error.",
      args: {
        characters: t.arg.int({
          required: true,
          defaultValue: 200,
          description: `Characters, ${MOST_BEFORE} at most.`,
          validate: z.int().min(1).max(MOST_BEFORE),
        }),
      },
      select: ({ characters }) => ({
        columns: {},
        extras: {
          before: (table) =>
            sql<
              string
            >`right(right(${table.prompt}, ${characters}) || right(${table.prefix}, ${characters}), ${characters})`,
        },
      }),
      resolve: ({ before }) => before,
    }),
    completion: t.exposeString("completion", { description: "What the model produced in full." }),
  }),
});

/** What became of it, and what checks it. */
builder.drizzleObjectFields(FailureCase, (t) => ({
  status: t.expose("status", { type: CaseStatus, description: "What became of it." }),
  exclusion: t.expose("exclusion", {
    type: ExclusionType,
    nullable: true,
    description: "Why it is left out; null unless it is.",
  }),
  exclusionNote: t.exposeString("exclusionNote", {
    nullable: true,
    description: "Why it is left out, or how annotators of an open case disagree, in one line.",
  }),
  reviewer: t.exposeString("reviewer", { nullable: true, description: "Who decided, where a person did." }),
  source: t.expose("source", { type: ResponseSource, description: "Where its answer comes from." }),
  filter: t.exposeString("filter", {
    nullable: true,
    description: "The harness's name for how the answer was cut out of raw output; null where it is not said.",
  }),
  verdict: t.field({
    type: VerdictType,
    nullable: true,
    description: "What log and checker say of the completion; null for cases that came without a verdict.",
    select: { columns: { verdict: true } },
    resolve: ({ verdict }) => verdict,
  }),
  checkable: t.boolean({
    description: "Whether another answer to the same task can be checked.",
    select: { columns: {}, extras: { hasItem: (table) => sql<boolean>`${table.item} is not null` } },
    resolve: ({ hasItem }) => hasItem,
  }),
}));

builder.drizzleObjectFields(Response, (t) => ({
  failureCases: t.relation("failureCases", {
    type: FailureCase,
    description: "The failure cases that it is, 10 at most; none where it passed.",
    complexity: { field: 1, multiplier: 2 },
    query: { orderBy: { id: "asc" }, limit: 10 },
  }),
}));

/** Its tokens. */
builder.drizzleObjectFields(FailureCase, (t) => ({
  completionTokenCount: t.int({
    description: "Tokens of the whole completion.",
    select: {
      columns: {},
      extras: { completionTokens: (table) => sql<number>`cardinality(${table.completionIds})` },
    },
    resolve: ({ completionTokens }) => completionTokens,
  }),
  completionTokens: t.field({
    type: [Token],
    description: "A window of the tokens of the whole completion, with positions counted from its first token.",
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
      checkWindow(from, count, MAX_WINDOW, "completionTokens");
      return {
        columns: {},
        with: { model: { columns: { directory: true } } },
        extras: {
          completionWindow: (table) => sql<number[]>`to_jsonb((${table.completionIds})[${from + 1}:${from + count}])`,
        },
      };
    },
    resolve: async ({ completionWindow, model }, { from }, context) => {
      if (completionWindow.length === 0) return [];
      const tokens = await context.services.showTokens(model.directory, completionWindow);
      return tokens.map(({ text, special }, index): TokenRow => ({
        position: from + index,
        id: completionWindow[index] ?? 0,
        text,
        segment: special ? "S" : "A",
      }));
    },
  }),
  segmentsEdited: t.boolean({
    description: "Whether a person changed the segments of its tokens.",
    select: { columns: {}, extras: { edited: (table) => sql<boolean>`${table.editedSegments} is not null` } },
    resolve: ({ edited }) => edited,
  }),
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
                'segments', substr(coalesce(${table.editedSegments}, ${table.segments}), ${from + 1}, ${count}))`,
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
}));

/** What belongs to it. */
builder.drizzleObjectFields(FailureCase, (t) => ({
  response: t.relation("response", {
    type: Response,
    nullable: true,
    description: "The answer that failed; null for cases that came with their token pair.",
  }),
  annotations: t.relation("annotations", {
    type: Annotation,
    description: "What annotators say of it, 100 at most, oldest first.",
    complexity: { field: 1, multiplier: 2 },
    query: { orderBy: { id: "asc" }, limit: 100 },
  }),
  annotationPrompt: t.string({
    description: "A text that asks an outside annotator, a person or a model, for the first wrong token and the " +
      "right one: numbered tokens, known alternatives, and the line to answer with. Import the answers with " +
      "`from: ANNOTATIONS`.",
    complexity: 20,
    select: { columns: { id: true } },
    resolve: ({ id }, _args, context) => context.services.annotationPrompt(id),
  }),
  marksOrigin: t.field({
    type: MarkOrigin,
    nullable: true,
    description: "Who says which tokens are instructions; null where nobody does.",
    select: {
      columns: {},
      extras: {
        countingOrigin: (table) =>
          sql<typeof MarkOrigin.$inferType | null>`case when ${table.editedSegments} is null
              then ${table.marksOrigin} else 'person'::mark_origin end`,
      },
    },
    resolve: ({ countingOrigin }) => countingOrigin,
  }),
  marksVersion: t.exposeString("marksVersion", {
    nullable: true,
    description: "Version of what found `instructionPhrases`; null for a file's.",
  }),
  instructionPhrases: t.exposeStringList("instructionPhrases", {
    description: "The phrases of the prompt that state what the answer has to keep to, as file, locator or causal " +
      "marks have them; a person's change is seen in the segments.",
    complexity: { field: 1, multiplier: 1 },
  }),
  tokenPairs: t.relation("tokenPairs", {
    description: "The wrong token and its right alternatives, 100 at most, oldest first.",
    complexity: { field: 1, multiplier: 2 },
    query: { orderBy: { id: "asc" }, limit: 100 },
  }),
  createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was stored." }),
}));

const FailureCaseSort = builder.enumType("FailureCaseSort", {
  description: "What failure cases can be ordered by.",
  values: {
    CREATED: { value: "createdAt", description: "When they were stored." },
    KEY: { value: "key", description: "Their key." },
    DELTA: {
      value: "delta",
      description: "Largest delta of their token pairs; cases without one come last, either way.",
    },
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

/** The column that an order reads. */
function sortedBy(orderBy: typeof FailureCaseOrder.$inferInput | null | undefined) {
  if (orderBy?.by !== "delta") return orderBy?.by ?? "createdAt";
  return direction(orderBy.direction) === "desc" ? "deltaDown" : "deltaUp";
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
      totalCount: (_parent, { filter }, context) =>
        context.db.$count(failureCases, matchingCases(filter, failureCases)),
      resolve: (query, _parent, { filter, orderBy }, context) => {
        const rows = context.db.query.failureCases;
        const page = query({
          where: { RAW: (table) => matchingCases(filter, table) },
          orderBy: { [sortedBy(orderBy)]: direction(orderBy?.direction) },
        });
        return rows.findMany(filter == null ? page : cutFirst(page, (ids) => rows.findMany(ids)));
      },
    },
    { name: "FailureCaseConnection", description: "A page of failure cases." },
    {
      name: "FailureCaseEdge",
      description: "A failure case with its cursor.",
    },
  ));

builder.queryField("failureCasesFound", (t) =>
  t.field({
    type: Found,
    description: "How many failure cases a filter finds.",
    complexity: 20,
    args: {
      filter: t.arg({ type: FailureCaseFilter, description: "Which to count." }),
      atMost: t.arg.int(AT_MOST),
    },
    resolve: (_parent, { filter, atMost }, { db }) =>
      countFound(db, sql`${failureCases}`, matchingCases(filter, failureCases), atMost),
  }));
