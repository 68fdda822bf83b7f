/** Trace: what a completion's steps rest on, and the error's relevance sent back through them (docs/traces.md). */
import { sql } from "drizzle-orm";
import { z } from "zod";
import {
  lostAt,
  MOST_ROLLOUTS,
  type StoredReach,
  type StoredRollout,
  type StoredStep,
  type StoredStretch,
  type StoredTraceRow,
  type TraceSettings,
} from "../tables/trace_values.ts";
import { builder, MAX_WINDOW } from "./builder.ts";
import { caseFilter, chosenPairs, pairFilter, pairIds } from "./chosen_pairs.ts";
import { InputError } from "./input_error.ts";
import { idempotencyKey, Job, Selection } from "./job.ts";
import { found } from "./rows.ts";
import { Rule } from "./rule.ts";
import { TokenPair } from "./token_pair.ts";
import { checkWindow, decodeFloats } from "./window.ts";

/** Steps of a trace that somebody cuts, at most. */
const MOST_BOUNDARIES = 400;
/** Tokens that are listed at most. */
const MOST_STRONGEST = 200;

/** Address of a trace as a file. */
function tracePath(id: number, kind: "json" | "svg"): string {
  return `/traces/${id}.${kind}`;
}

const StepKind = builder.enumType("TraceStepKind", {
  description: "What a step of a trace is.",
  values: {
    SENTENCE: { value: "sentence", description: "A sentence of the answer." },
    LINE: { value: "line", description: "A line of the answer: of a derivation, of a list, of code." },
    THOUGHT: { value: "thought", description: "A sentence or line of what the model thought before it answered." },
    TOOL_CALL: { value: "tool_call", description: "A call of a tool." },
    TOOL_OUTPUT: {
      value: "tool_output",
      description: "What a tool, or whoever else the model talks to, gave back: the model did not write it.",
    },
    CHOSEN: { value: "chosen", description: "A step that somebody cut." },
  } as const,
});

const Stretch = builder.objectRef<StoredStretch>("TraceSentence").implement({
  description: "A sentence of the prompt. Of more than 256, neighbours are taken together.",
  fields: (t) => ({
    start: t.exposeInt("start", { description: "Its first token, counted from the prompt's first." }),
    end: t.exposeInt("end", { description: "The token behind its last." }),
    text: t.exposeString("text", { description: "What its tokens spell." }),
  }),
});

const Row = builder.objectRef<StoredTraceRow>("TraceRow").implement({
  description: "What a step, or the error, rests on. A step is explained as a whole: each of its tokens against the " +
    "best other one at its place, summed. Columns are the prompt's sentences, then the steps before the row.",
  fields: (t) => ({
    value: t.exposeFloat("value", { description: "What is explained, in logits." }),
    tokens: t.exposeInt("tokens", { description: "Tokens that are explained." }),
    absolute: t.exposeFloat("absolute", {
      description:
        "Sum of |relevance| over all tokens before, in logits: `shares`, `own` and `special` are of it, and " +
        "sum to 1.",
    }),
    own: t.exposeFloat("own", { description: "Share on the row's own earlier tokens; the chain leaves it out." }),
    special: t.exposeFloat("special", {
      description: "Share on tokens that no column has: the first, those that steer a chat, and what its template " +
        "writes between messages.",
    }),
    signed: t.floatList({
      description: "Signed relevance over each column's tokens, in logits.",
      complexity: { field: 5, multiplier: 1 },
      resolve: ({ signed }) => [...signed],
    }),
    shares: t.floatList({
      description: "|relevance| over each column's tokens, as share of `absolute`.",
      complexity: { field: 5, multiplier: 1 },
      resolve: ({ shares }) => [...shares],
    }),
    weight: t.exposeFloat("weight", {
      description:
        "How much of the error's relevance reaches the row through the chain, as absolute share; 1 for the error.",
    }),
    signedWeight: t.exposeFloat("signedWeight", { description: "The same in the signed form; 1 for the error." }),
    lost: t.exposeFloat("lost", {
      description: "How much of the error's relevance ends on special tokens in this row, as absolute share.",
    }),
    signedLost: t.exposeFloat("signedLost", { description: "The same in the signed form." }),
  }),
});

const Step = builder.objectRef<StoredStep & { readonly index: number }>("TraceStep").implement({
  description: "A step of a completion.",
  fields: (t) => ({
    index: t.exposeInt("index", { description: "Which, from 0: its column is that of the last sentence + 1 + index." }),
    kind: t.field({ type: StepKind, description: "What it is.", resolve: ({ kind }) => kind }),
    start: t.exposeInt("start", { description: "Its first token, counted from the prompt's first." }),
    end: t.exposeInt("end", { description: "The token behind its last." }),
    text: t.exposeString("text", { description: "What its tokens spell." }),
    weight: t.exposeFloat("weight", {
      description: "How much of the error's relevance reaches it through the chain, as absolute share; of a tool's " +
        "output, how much ends there. Steps lie behind each other: weights do not sum to 1.",
    }),
    signedWeight: t.exposeFloat("signedWeight", {
      description: "The same in the signed form: above 0 it speaks for the error, below 0 against it.",
    }),
    row: t.field({
      type: Row,
      nullable: true,
      description: "What it rests on; null for what the model did not write.",
      resolve: ({ row }) => row,
    }),
  }),
});

const Rollout = builder.objectRef<StoredRollout>("TraceRollout").implement({
  description: "A greedy continuation behind a first token that was fixed.",
  fields: (t) => ({
    id: t.exposeInt("id", { description: "The first token's id." }),
    text: t.exposeString("text", { description: "Its text." }),
    rank: t.exposeInt("rank", { description: "Its rank among all logits at that place, 0 = the model's own choice." }),
    passed: t.exposeBoolean("passed", { description: "The checker's verdict." }),
  }),
});

const Reach = builder.objectRef<StoredReach>("TraceReach").implement({
  description: "Whether the right answer can be reached from a place.",
  fields: (t) => ({
    step: t.int({
      nullable: true,
      description: "The step at whose end the continuations begin; null for the prompt's end.",
      resolve: ({ step }) => step,
    }),
    rollouts: t.field({
      type: [Rollout],
      description: "The continuations, by rank of their first tokens.",
      resolve: ({ rollouts }) => [...rollouts],
    }),
    completion: t.exposeString("completion", {
      nullable: true,
      description: "The whole answer that the best-ranked continuation that passed led to; null where none did.",
    }),
  }),
});

interface HotTokenRow {
  readonly position: number;
  readonly text: string;
  readonly share: number;
  readonly signed: number;
}

const HotToken = builder.objectRef<HotTokenRow>("TraceToken").implement({
  description: "A token in which relevance of the error ends.",
  fields: (t) => ({
    position: t.exposeInt("position", { description: "Its position, counted from the prompt's first token." }),
    text: t.exposeString("text", { description: "Its text." }),
    share: t.exposeFloat("share", { description: "How much of the error's relevance ends there, as absolute share." }),
    signed: t.exposeFloat("signed", { description: "The same in the signed form." }),
  }),
});

const windowArgs = {
  from: { required: true, defaultValue: 0, description: "First position of the window." },
  count: {
    required: true,
    defaultValue: MAX_WINDOW,
    description: `Tokens in the window, ${MAX_WINDOW} at most; fewer come back at the end.`,
  },
} as const;
const windowCost = ({ count }: { readonly count: number }) => ({ field: 1 + Math.ceil(count / 16), multiplier: 1 });

const Trace = builder.drizzleNode("traces", {
  name: "Trace",
  description: "The steps of a completion before its error, what each rests on, and the error's relevance sent back " +
    "through them to the prompt. Positions are those of the failure case's tokens.",
  id: { column: (row) => row.id },
  select: { columns: {} },
  fields: (t) => ({
    tokenPair: t.relation("tokenPair", { type: TokenPair, description: "The error." }),
    rule: t.expose("rule", { type: Rule, description: "Backward rule." }),
    boundaries: t.intList({
      nullable: true,
      description: "Where somebody had the steps begin; null where the text cut them.",
      select: { columns: { settings: true } },
      resolve: ({ settings: { boundaries } }) => boundaries && [...boundaries],
    }),
    promptTokens: t.exposeInt("promptTokens", { description: "Tokens before the first step." }),
    tokenCount: t.exposeInt("tokenCount", { description: "Tokens in all." }),
    sentences: t.field({
      type: [Stretch],
      description: "The prompt's sentences.",
      complexity: { field: 1, multiplier: 5 },
      select: { columns: { sentences: true } },
      resolve: ({ sentences }) => [...sentences],
    }),
    steps: t.field({
      type: [Step],
      description: "The steps.",
      complexity: { field: 1, multiplier: 20 },
      select: { columns: { steps: true } },
      resolve: ({ steps }) => steps.map((step, index) => ({ ...step, index })),
    }),
    error: t.field({
      type: Row,
      description: "What the error rests on: the token pair, behind the last step.",
      select: { columns: { error: true } },
      resolve: ({ error }) => error,
    }),
    reach: t.field({
      type: [Reach],
      nullable: true,
      description: "Whether the right answer can be reached from the prompt's end and from each step's; null where " +
        "nothing was tried.",
      complexity: { field: 1, multiplier: 20 },
      select: { columns: { reach: true } },
      resolve: ({ reach }) => reach && [...reach],
    }),
    lostAt: t.int({
      nullable: true,
      description:
        "The first step after which the right answer is out of reach of every continuation that was tried; " +
        "null where it never is, where it was before the first step, and where nothing was tried.",
      select: { columns: { reach: true } },
      resolve: ({ reach }) => reach && lostAt(reach),
    }),
    adapter: t.exposeString("adapter", { description: "Adapter that computed it, in its driver's words." }),
    seconds: t.exposeFloat("seconds", { description: "Wall time, without loading." }),
    json: t.string({
      description: "Path on this server of all of it as JSON, in the form of `culprit trace --json`.",
      select: { columns: { id: true } },
      resolve: ({ id }) => tracePath(id, "json"),
    }),
    svg: t.string({
      description: "Path on this server of its picture as SVG.",
      select: { columns: { id: true } },
      resolve: ({ id }) => tracePath(id, "svg"),
    }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was computed." }),
  }),
});

/** Its vectors, in windows, and their largest. */
builder.drizzleObjectFields(Trace, (t) => ({
  strongest: t.field({
    type: [HotToken],
    description: "The tokens that no model wrote, special ones left out, in which most of the error's relevance ends.",
    complexity: { field: 10, multiplier: 1 },
    args: {
      count: t.arg.int({
        required: true,
        defaultValue: 10,
        description: `Tokens at most, up to ${MOST_STRONGEST}.`,
        validate: z.int().min(1).max(MOST_STRONGEST),
      }),
    },
    select: {
      columns: { sentences: true, steps: true },
      extras: {
        absoluteHeat: (table) => sql<string>`encode(${table.heat}, 'base64')`,
        signedHeatVector: (table) => sql<string>`encode(${table.signedHeat}, 'base64')`,
      },
      with: { tokenPair: { columns: {}, with: { failureCase: { columns: { tokenTexts: true, segments: true } } } } },
    },
    resolve: ({ sentences, steps, absoluteHeat, signedHeatVector, tokenPair: { failureCase } }, { count }) => {
      const [heat, signed] = [decodeFloats(absoluteHeat), decodeFloats(signedHeatVector)];
      return [...sentences, ...steps.filter(({ row }) => row === null)]
        .flatMap(({ start, end }) => Array.from({ length: end - start }, (_, at) => start + at))
        .filter((position) => failureCase.segments[position] !== "S")
        .sort((a, b) => heat[b]! - heat[a]! || a - b).slice(0, count)
        .map((position) => ({
          position,
          text: failureCase.tokenTexts[position] ?? "",
          share: heat[position] ?? 0,
          signed: signed[position] ?? 0,
        }));
    },
  }),
  heat: t.floatList({
    description:
      "How much of the error's relevance reaches each token through the chain, as absolute share, a window. " +
      "Over a column's tokens it sums to the column's weight; special tokens have what is lost there. Over all tokens " +
      "that no model wrote, and all special ones, it sums to 1.",
    complexity: windowCost,
    args: {
      signed: t.arg.boolean({ required: true, defaultValue: false, description: "The signed form." }),
      from: t.arg.int(windowArgs.from),
      count: t.arg.int(windowArgs.count),
    },
    select: ({ signed, from, count }) => {
      checkWindow(from, count, MAX_WINDOW, "heat");
      return {
        columns: {},
        extras: {
          heatWindow: (table) =>
            sql<string>`encode(substring(${signed ? table.signedHeat : table.heat}
                from least(${from}::int, ${table.tokenCount}) * 4 + 1
                for greatest(least(${count}::int, ${table.tokenCount} - ${from}::int), 0) * 4), 'base64')`,
        },
      };
    },
    resolve: ({ heatWindow }) => decodeFloats(heatWindow),
  }),
  relevance: t.floatList({
    description: "Raw signed relevance of one row in logits, a window; empty for a step that has no row.",
    complexity: windowCost,
    args: {
      step: t.arg.int({ description: "The step's index; the error when nothing is said." }),
      from: t.arg.int(windowArgs.from),
      count: t.arg.int(windowArgs.count),
    },
    select: ({ step, from, count }) => {
      checkWindow(from, count, MAX_WINDOW, "relevance");
      if (step != null && step < 0) throw new InputError(`step is ${step}`, "relevance", "give a step's index");
      return {
        columns: {},
        extras: {
          // Rows are those of the steps that have one, in their order, then the error's.
          relevanceWindow: (table) =>
            sql<string>`encode(substring(${table.relevance}
                from ((select count(*)::int from jsonb_array_elements(${table.steps}) with ordinality as listed(one, place)
                  where place <= ${step ?? 2 ** 31 - 1}::int and one -> 'row' <> 'null'::jsonb) * ${table.tokenCount}
                  + least(${from}::int, ${table.tokenCount})) * 4 + 1
                for case when ${step ?? null}::int is null or ${table.steps} -> ${
              step ?? 0
            }::int -> 'row' <> 'null'::jsonb
                  then greatest(least(${count}::int, ${table.tokenCount} - ${from}::int), 0) * 4 else 0 end), 'base64')`,
        },
      };
    },
    resolve: ({ relevanceWindow }) => decodeFloats(relevanceWindow),
  }),
}));

builder.drizzleObjectFields(TokenPair, (t) => ({
  traces: t.relation("traces", {
    type: Trace,
    description: "Traces of the completion up to this error, newest first, 20 at most.",
    complexity: { field: 1, multiplier: 2 },
    query: { orderBy: { id: "desc" }, limit: 20 },
  }),
}));

const TraceInput = builder.inputType("TraceInput", {
  description: "What to trace: `tokenPairIds`, a `selection`, a `filter` or `cases`.",
  fields: (t) => ({
    tokenPairIds: t.globalIDList(pairIds("The token pairs; a pair that has this trace keeps it.")),
    selection: t.field({ type: Selection, description: "Instead of ids: all pairs of a kind." }),
    filter: t.field(pairFilter),
    cases: t.field(caseFilter),
    rule: t.field({ type: Rule, description: "Backward rule; ATTNLRP when nothing is said." }),
    boundaries: t.intList({
      description:
        "Where steps begin, ascending, counted from the prompt's first token: of one pair only. As the text " +
        "cuts them when nothing is said.",
      validate: z.array(z.int().min(1)).min(1).max(MOST_BOUNDARIES),
    }),
    rollouts: t.int({
      description:
        `Continuations to try at each step's end, ${MOST_ROLLOUTS} at most; none when nothing is said. Only ` +
        "cases whose answers can be checked have them.",
      validate: z.int().min(0).max(MOST_ROLLOUTS),
    }),
    idempotencyKey: t.string(idempotencyKey),
  }),
});

/** Throws InputError for boundaries of several pairs, or that do not ascend. */
function settingsOf({ boundaries, rollouts, tokenPairIds }: typeof TraceInput.$inferInput): TraceSettings {
  if (boundaries != null && tokenPairIds?.length !== 1) {
    throw new InputError("steps are cut for one pair at a time", "boundaries", "give one id in tokenPairIds");
  }
  const wrong = boundaries?.find((start, index) => index > 0 && start <= boundaries[index - 1]!);
  if (wrong !== undefined) throw new InputError(`${wrong} does not ascend`, "boundaries", "list each once, ascending");
  return { boundaries: boundaries ?? null, rollouts: rollouts ?? 0 };
}

builder.mutationField("trace", (t) =>
  t.drizzleField({
    type: Job,
    description: "Cuts completions into steps, explains each, and sends the error's relevance back through them.",
    errors: { types: [InputError], union: { name: "TraceResult", description: "The job, or what was wrong." } },
    args: { input: t.arg({ type: TraceInput, required: true, description: "What to trace." }) },
    resolve: async (query, _parent, { input }, context) => {
      const id = await context.services.trace({
        settings: settingsOf(input),
        tokenPairIds: await chosenPairs(input, context),
        rule: input.rule ?? "attnlrp",
        idempotencyKey: input.idempotencyKey ?? undefined,
      });
      return found(await context.db.query.jobs.findFirst(query({ where: { id } })));
    },
  }));
