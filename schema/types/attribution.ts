/** Attribution: relevance of every token at every node layer. */
import { z } from "zod";
import { and, arrayContains, eq, type SQL, sql } from "drizzle-orm";
import { builder, MAX_WINDOW, pageCost } from "./builder.ts";
import { InputError } from "./input_error.ts";
import { type CaseFilter, FailureCaseFilter, matchingCases, SEARCHED } from "./case_filter.ts";
import { Segment } from "./failure_case.ts";
import { cutFirst, Direction, direction, Range, withinRange } from "./lists.ts";
import { MarkOrigin } from "./mark_origin.ts";
import { AT_MOST, countFound, Found } from "./found.ts";
import { Model } from "./model.ts";
import { Outcome, Pattern } from "./outcome.ts";
import { Rule } from "./rule.ts";
import { attributions, failureCases, models, tokenPairs } from "../tables/tables.ts";
import { ofOwnModel, PairToken, TokenPair } from "./token_pair.ts";
import { checkWindow, decodeFloats } from "./window.ts";

/** Address of an attribution's vectors as one NumPy file. */
export function downloadPath(id: number): string {
  return `/attributions/${id}.npy`;
}

/** More blocks than any model has: keeps the arithmetic of windows inside PostgreSQL's integers. */
const MAX_LAYERS = 10_000;

function checkLayer(layer: number, layers: number): void {
  if (layer < 0 || layer > layers) {
    throw new InputError(`layer is ${layer}`, "relevance", `give a node layer from 0 to ${layers}`);
  }
}

/** Columns of the segments' sums. */
const SUMS = { I: "instructionSum", Q: "querySum", A: "answerSum", S: "specialSum" } as const;

const Sign = builder.enumType("RelevanceSign", {
  description: "Which side relevance supports.",
  values: {
    WRONG: { value: 1, description: "Positive relevance: supports the wrong token." },
    RIGHT: { value: -1, description: "Negative relevance: supports the right token." },
  } as const,
});

/** Tokens of `strongest` at most. */
const MOST_STRONGEST = 100;

interface StrongTokenRow {
  readonly position: number;
  readonly text: string;
  readonly relevance: number;
  readonly segment: keyof typeof SUMS;
}

const StrongToken = builder.objectRef<StrongTokenRow>("StrongToken").implement({
  description: "An input token that matters for an attribution.",
  fields: (t) => ({
    position: t.exposeInt("position", { description: "Position, counted from 0." }),
    text: t.exposeString("text", { description: "Text of the token." }),
    relevance: t.exposeFloat("relevance", { description: "Raw signed relevance at the embeddings, in logit units." }),
    segment: t.expose("segment", { type: Segment, description: "What part of the context it belongs to." }),
  }),
});

/** Tokens of largest |relevance|, of one sign where it is given; special ones are left out. */
function strongestTokens(
  relevance: readonly number[],
  { tokenTexts, segments, editedSegments }: {
    readonly tokenTexts: readonly string[];
    readonly segments: string;
    readonly editedSegments: string | null;
  },
  count: number,
  sign: 1 | -1 | undefined,
): StrongTokenRow[] {
  const letters = editedSegments ?? segments;
  return relevance.map((value, position): StrongTokenRow => ({
    position,
    text: tokenTexts[position] ?? "",
    relevance: value,
    segment: (letters[position] ?? "Q") as keyof typeof SUMS,
  })).filter((token) => token.segment !== "S" && (sign === undefined || token.relevance * sign > 0))
    .sort((a, b) => Math.abs(b.relevance) - Math.abs(a.relevance) || a.position - b.position).slice(0, count);
}

export const Attribution = builder.drizzleNode("attributions", {
  name: "Attribution",
  description: "How much each token, at each node layer, moved the model toward the wrong token (positive) or toward " +
    "the right one (negative). Node layer 0 = embeddings, l = the residual stream after block l.",
  id: { column: (attribution) => attribution.id },
  select: { columns: {} },
  fields: (t) => ({
    tokenPair: t.relation("tokenPair", { type: TokenPair, description: "The pair it explains." }),
    rule: t.expose("rule", { type: Rule, description: "Backward rule." }),
    target: t.field({
      type: PairToken,
      description: "The wrong token with the logit that the engine computed.",
      select: {
        columns: { targetLogit: true },
        with: { tokenPair: { columns: { targetId: true, targetText: true } } },
      },
      resolve: ({ targetLogit, tokenPair }) => ({
        id: tokenPair.targetId,
        text: tokenPair.targetText,
        logit: targetLogit,
      }),
    }),
    contrast: t.field({
      type: PairToken,
      description: "The right alternative with the logit that the engine computed.",
      select: {
        columns: { contrastLogit: true },
        with: { tokenPair: { columns: { contrastId: true, contrastText: true } } },
      },
      resolve: ({ contrastLogit, tokenPair }) => ({
        id: tokenPair.contrastId,
        text: tokenPair.contrastText,
        logit: contrastLogit,
      }),
    }),
    logitDifference: t.exposeFloat("logitDifference", {
      description: "delta = target.logit - contrast.logit, which the relevance explains.",
    }),
    outcome: t.expose("outcome", {
      type: Outcome,
      nullable: true,
      description: "What the classifier says of where the failure shows; null before it was asked.",
    }),
    pattern: t.expose("pattern", {
      type: Pattern,
      nullable: true,
      description: "What the classifier says of how it came about; null before it was asked, and for no pattern.",
    }),
    marksOrigin: t.expose("marksOrigin", {
      type: MarkOrigin,
      nullable: true,
      description: "Who marked the instructions that `segmentSum` goes by; null where nobody had.",
    }),
    segmentSum: t.float({
      nullable: true,
      description: "Sum of the normalised relevance of a segment's tokens at the embeddings; null in old rows.",
      args: { segment: t.arg({ type: Segment, required: true, description: "The segment." }) },
      select: { columns: { instructionSum: true, querySum: true, answerSum: true, specialSum: true } },
      resolve: (sums, { segment }) => sums[SUMS[segment]],
    }),
    layers: t.exposeInt("layers", { description: "Number of blocks; node layers are 0 to this." }),
    tokenCount: t.exposeInt("tokenCount", { description: "Number of tokens." }),
  }),
});

/** Its numbers, in windows. */
builder.drizzleObjectFields(Attribution, (t) => ({
  relevance: t.floatList({
    description: "Raw signed relevance in logit units, a window of one node layer. Divide by `scale` for display. " +
      "AttnLRP does not sum to delta, and must not be normalised as if it did.",
    complexity: ({ count }) => ({ field: 1 + Math.ceil(count / 16), multiplier: 1 }),
    args: {
      layer: t.arg.int({ required: true, defaultValue: 0, description: "Node layer, 0 = embeddings." }),
      from: t.arg.int({ required: true, defaultValue: 0, description: "First position of the window." }),
      count: t.arg.int({
        required: true,
        defaultValue: MAX_WINDOW,
        description: `Tokens in the window, ${MAX_WINDOW} at most; fewer come back at the end.`,
      }),
    },
    select: ({ layer, from, count }) => {
      checkWindow(from, count, MAX_WINDOW, "relevance");
      checkLayer(layer, MAX_LAYERS);
      return {
        columns: { layers: true },
        extras: {
          // least/greatest keep the window inside the row of its layer; base64 crosses JSON unharmed.
          relevanceWindow: (table) =>
            sql<string>`encode(substring(${table.relevance}
                from (least(${layer}::int, ${table.layers}) * ${table.tokenCount} + least(${from}::int, ${table.tokenCount})) * 4 + 1
                for greatest(least(${count}::int, ${table.tokenCount} - ${from}::int), 0) * 4), 'base64')`,
        },
      };
    },
    resolve: ({ layers, relevanceWindow }, { layer }) => {
      checkLayer(layer, layers);
      return decodeFloats(relevanceWindow);
    },
  }),
  strongest: t.field({
    type: [StrongToken],
    description: "The tokens of largest relevance at the embeddings, special tokens left out, the largest first.",
    complexity: { field: 10, multiplier: 1 },
    args: {
      count: t.arg.int({
        required: true,
        defaultValue: 5,
        description: `Tokens at most, up to ${MOST_STRONGEST}.`,
        validate: z.int().min(1).max(MOST_STRONGEST),
      }),
      sign: t.arg({ type: Sign, description: "Only what supports one side; both when nothing is said." }),
    },
    select: {
      columns: {},
      extras: {
        embeddings: (table) => sql<string>`encode(substring(${table.relevance} for ${table.tokenCount} * 4), 'base64')`,
      },
      with: {
        tokenPair: {
          columns: {},
          with: { failureCase: { columns: { tokenTexts: true, segments: true, editedSegments: true } } },
        },
      },
    },
    resolve: ({ embeddings, tokenPair: { failureCase } }, { count, sign }) =>
      strongestTokens(decodeFloats(embeddings), failureCase, count, sign ?? undefined),
  }),
  scale: t.float({
    description: "What `relevance` is divided by for display: max |R| over the layer's non-special tokens, 1 where " +
      "that is below 1e-9.",
    args: {
      layer: t.arg.int({ required: true, defaultValue: 0, description: "Node layer, 0 = embeddings." }),
      includeSpecial: t.arg.boolean({
        required: true,
        defaultValue: false,
        description: "Look at special tokens too.",
      }),
    },
    select: ({ layer, includeSpecial }) => {
      checkLayer(layer, MAX_LAYERS);
      return {
        columns: { layers: true },
        extras: {
          layerScale: (table) =>
            sql<number | null>`(${includeSpecial ? table.scalesWithSpecial : table.scales})[${layer + 1}]`,
        },
      };
    },
    resolve: ({ layers, layerScale }, { layer }) => {
      checkLayer(layer, layers);
      return layerScale ?? 1;
    },
  }),
}));

/** What computed it. */
builder.drizzleObjectFields(Attribution, (t) => ({
  model: t.relation("model", {
    type: Model,
    description: "The model that computed it: that of the failure case, or another member of a series.",
  }),
  adapter: t.exposeString("adapter", { description: "Adapter that computed it, in its driver's words." }),
  seconds: t.exposeFloat("seconds", { description: "Wall time of forward and backward, without loading." }),
  download: t.string({
    description: "Path on this server of the whole [layers + 1, tokens] relevance as a NumPy file (.npy, f32).",
    select: { columns: { id: true } },
    resolve: ({ id }) => downloadPath(id),
  }),
  createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was computed." }),
}));

builder.drizzleObjectFields(TokenPair, (t) => ({
  attribution: t.field({
    type: Attribution,
    nullable: true,
    description: "The pair's attribution under one rule on the model of its case; null while there is none.",
    args: { rule: t.arg({ type: Rule, required: true, description: "Backward rule." }) },
    select: ({ rule }, _context, nested) => ({
      columns: {},
      with: { attributions: nested({ where: { rule, RAW: ofOwnModel } }) },
    }),
    resolve: (pair) => pair.attributions[0] ?? null,
  }),
}));

const SegmentSum = builder.inputType("SegmentSum", {
  description: "A segment, and a range of the sum of its tokens' normalised relevance at the embeddings.",
  fields: (t) => ({
    segment: t.field({ type: Segment, required: true, description: "The segment." }),
    min: t.float({ description: "Smallest sum; positive supports the wrong token." }),
    max: t.float({ description: "Largest sum." }),
  }),
});

export const AttributionFilter = builder.inputType("AttributionFilter", {
  description: "Which attributions to list; every condition given must hold.",
  fields: (t) => ({
    rule: t.field({ type: Rule, description: "Backward rule." }),
    benchmark: t.string({ description: "Benchmark of the failure case, exactly." }),
    model: t.string({ description: "The model's name." }),
    outcome: t.field({ type: Outcome, description: "What the classifier says of where the failure shows." }),
    pattern: t.field({ type: Pattern, description: "What the classifier says of how it came about, exactly." }),
    delta: t.field({ type: Range, description: "The logit difference that is explained." }),
    segment: t.field({ type: SegmentSum, description: "A segment's share in the input heatmap." }),
    search: t.string({
      description: "Text that their case holds, as in `FailureCaseFilter`.",
      validate: SEARCHED,
    }),
    failureCase: t.field({ type: FailureCaseFilter, description: "What their failure case has to be." }),
    token: t.string({
      description: "Text of the target, of the contrast or of one of the ten most relevant input tokens; white space " +
        "around it does not count.",
    }),
  }),
});

const AttributionSort = builder.enumType("AttributionSort", {
  description: "What attributions can be ordered by.",
  values: {
    CREATED: { value: "createdAt", description: "When they were computed." },
    DELTA: { value: "logitDifference", description: "The logit difference that they explain." },
    TOKENS: { value: "tokenCount", description: "Number of tokens." },
  } as const,
});

const AttributionOrder = builder.inputType("AttributionOrder", {
  description: "How to order attributions; ties are broken by id.",
  fields: (t) => ({
    by: t.field({ type: AttributionSort, required: true, description: "What to order by." }),
    direction: t.field({ type: Direction, description: "Which way; DESC when nothing is said." }),
  }),
});

function ofCases(filter: CaseFilter, table: typeof attributions): SQL {
  return sql`${table.tokenPairId} in (select ${tokenPairs.id} from ${tokenPairs}
    inner join ${failureCases} on ${failureCases.id} = ${tokenPairs.failureCaseId}
    where ${matchingCases(filter, failureCases)})`;
}

/** The filter as a condition. */
export function matchingAttributions(
  filter: typeof AttributionFilter.$inferInput | null | undefined,
  table: typeof attributions,
): SQL {
  const conditions: (SQL | undefined)[] = [
    filter?.rule != null ? eq(table.rule, filter.rule) : undefined,
    filter?.benchmark != null ? eq(table.benchmark, filter.benchmark) : undefined,
    filter?.model != null
      ? sql`${table.modelId} = (select ${models.id} from ${models} where ${models.name} = ${filter.model})`
      : undefined,
    filter?.search != null ? ofCases({ search: filter.search }, table) : undefined,
    filter?.failureCase != null ? ofCases(filter.failureCase, table) : undefined,
    filter?.token != null ? arrayContains(table.keyTokens, [filter.token.trim()]) : undefined,
    filter?.outcome != null ? eq(table.outcome, filter.outcome) : undefined,
    filter?.pattern != null ? eq(table.pattern, filter.pattern) : undefined,
    ...withinRange(table.logitDifference, filter?.delta),
    ...(filter?.segment != null ? withinRange(table[SUMS[filter.segment.segment]], filter.segment) : []),
  ];
  return and(...conditions) ?? sql`true`;
}

builder.queryField("attributions", (t) =>
  t.drizzleConnection(
    {
      type: Attribution,
      description: "Attributions, newest first when nothing else is said.",
      complexity: pageCost,
      args: {
        filter: t.arg({ type: AttributionFilter, description: "Which to list." }),
        orderBy: t.arg({ type: AttributionOrder, description: "How to order them." }),
      },
      totalCount: (_parent, { filter }, context) =>
        context.db.$count(attributions, matchingAttributions(filter, attributions)),
      resolve: (query, _parent, { filter, orderBy }, context) => {
        const rows = context.db.query.attributions;
        const page = query({
          where: { RAW: (table) => matchingAttributions(filter, table) },
          orderBy: { [orderBy?.by ?? "createdAt"]: direction(orderBy?.direction) },
        });
        return rows.findMany(filter == null ? page : cutFirst(page, (ids) => rows.findMany(ids)));
      },
    },
    { name: "AttributionConnection", description: "A page of attributions." },
    {
      name: "AttributionEdge",
      description: "An attribution with its cursor.",
    },
  ));

builder.queryField("attributionsFound", (t) =>
  t.field({
    type: Found,
    description: "How many attributions a filter finds.",
    complexity: 20,
    args: {
      filter: t.arg({ type: AttributionFilter, description: "Which to count." }),
      atMost: t.arg.int(AT_MOST),
    },
    resolve: (_parent, { filter, atMost }, { db }) =>
      countFound(db, sql`${attributions}`, matchingAttributions(filter, attributions), atMost),
  }));
