/** MaskingExperiment: tokens masked one after another until the prediction flips. */
import { and, eq, like, type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { MASKING_OPTIONS } from "../tables/analysis_values.ts";
import { maskingExperiments } from "../tables/analysis_tables.ts";
import { InputError } from "./input_error.ts";
import { builder, pageCost } from "./builder.ts";
import { idempotencyKey, Job } from "./job.ts";
import { Direction, direction } from "./lists.ts";
import { Model } from "./model.ts";
import { found } from "./rows.ts";
import { failureCases, models, tokenPairs } from "../tables/tables.ts";
import { TokenPair } from "./token_pair.ts";

/** Rankings that experiments are asked for by name. */
const ASKED = ["attnlrp", "cplrp", "gradient", "random", "lowest"] as const;

const Ranking = builder.enumType("MaskingRanking", {
  description: "What orders the tokens, the one masked first in front.",
  values: {
    ATTNLRP: { value: "attnlrp", description: "AttnLRP relevance, largest first." },
    CPLRP: { value: "cplrp", description: "CP-LRP relevance, largest first." },
    GRADIENT: { value: "gradient", description: "Gradient x input, largest first." },
    RANDOM: { value: "random", description: "A control: a random order from a seed." },
    LOWEST: { value: "lowest", description: "A control: AttnLRP relevance, lowest first." },
    CHOSEN: { value: "chosen", description: "Tokens that a person chose, in the order of choosing." },
  } as const,
});

export const Replacement = builder.enumType("MaskingReplacement", {
  description: "What stands where a token was masked; docs/masking.md says what each asks of the model.",
  values: {
    REMOVE: { value: "remove", description: "Nothing: the token is left out." },
    NEUTRAL: { value: "neutral", description: "A blank." },
    MEAN: { value: "mean", description: "The mean embedding of the vocabulary." },
    ATTENTION: { value: "attention", description: "The token stays, and nobody attends to it." },
  } as const,
});

const Scope = builder.enumType("MaskingScope", {
  description: "Which tokens may be masked. Special tokens never are.",
  values: {
    PROMPT: { value: "prompt", description: "Those of the prompt." },
    ALL: { value: "all", description: "Those of the prompt and of the answer before the error." },
  } as const,
});

interface StepRow {
  readonly masked: number;
  readonly position: number | null;
  readonly delta: number;
  readonly probability: number;
  readonly argmax: number;
  readonly argmaxText: string;
}

const MaskingStep = builder.objectRef<StepRow>("MaskingStep").implement({
  description: "What the model predicts with some tokens masked.",
  fields: (t) => ({
    masked: t.exposeInt("masked", { description: "Tokens masked." }),
    position: t.exposeInt("position", { nullable: true, description: "The token masked last; null for none." }),
    delta: t.exposeFloat("delta", { description: "logit[target] - logit[contrast]" }),
    probability: t.exposeFloat("probability", { description: "Of the target, after softmax." }),
    argmax: t.exposeInt("argmax", { description: "Id of the token that the model would write." }),
    argmaxText: t.exposeString("argmaxText", { description: "Its text." }),
  }),
});

const flip = (what: string) => `Fewest tokens masked until ${what}; null where that did not come within the budget.`;

export const MaskingExperiment = builder.drizzleNode("maskingExperiments", {
  name: "MaskingExperiment",
  description: "Tokens masked one after another in the order of a ranking, while the prediction is watched.",
  id: { column: (experiment) => experiment.id },
  select: { columns: {} },
  fields: (t) => ({
    tokenPair: t.relation("tokenPair", { type: TokenPair, description: "The pair that it is about." }),
    model: t.relation("model", { type: Model, description: "The model that computed it." }),
    ranking: t.field({
      type: Ranking,
      description: "What ordered the tokens.",
      select: { columns: { ranking: true } },
      resolve: ({ ranking }) => (ranking.startsWith("chosen") ? "chosen" : ranking) as typeof Ranking.$inferType,
    }),
    replacement: t.field({
      type: Replacement,
      description: "What stood for masked tokens.",
      select: { columns: { replacement: true } },
      resolve: ({ replacement }) => replacement as typeof Replacement.$inferType,
    }),
    scope: t.field({
      type: Scope,
      description: "Which tokens could be masked.",
      select: { columns: { answerToo: true } },
      resolve: ({ answerToo }) => answerToo ? "all" as const : "prompt" as const,
    }),
    seed: t.exposeInt("seed", { description: "Seed of a random ranking, 0 for the others." }),
    budget: t.exposeInt("budget", { description: "Tokens masked at most." }),
    flipAway: t.exposeInt("flipAway", {
      nullable: true,
      description: flip("the model would not write the target any more"),
    }),
    flipToContrast: t.exposeInt("flipToContrast", {
      nullable: true,
      description: flip("the model would write the contrast"),
    }),
    flipToPass: t.exposeInt("flipToPass", {
      nullable: true,
      description: flip("the completion passes the checker") + " Null too where nothing checks it.",
    }),
    comprehensiveness: t.exposeFloat("comprehensiveness", {
      nullable: true,
      description: "Mean loss of the target's probability over ERASER's shares of top-ranked tokens masked.",
    }),
    sufficiency: t.exposeFloat("sufficiency", {
      nullable: true,
      description: "Mean loss of the target's probability with all but these shares masked.",
    }),
    steps: t.field({
      type: [MaskingStep],
      description: "The curve: 0 tokens masked, then 1, up to the budget.",
      complexity: { field: 1, multiplier: 4 },
      select: { columns: { curve: true }, with: { model: { columns: { directory: true } } } },
      resolve: async ({ curve, model }, _args, context) => {
        const texts = await context.services.showTokens(model.directory, curve.steps.map(({ argmax }) => argmax));
        return curve.steps.map((step, masked) => ({
          ...step,
          masked,
          position: masked === 0 ? null : curve.order[masked - 1] ?? null,
          argmaxText: texts[masked]?.text ?? "",
        }));
      },
    }),
    adapter: t.exposeString("adapter", { description: "Adapter that computed it, in its driver's words." }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was computed." }),
  }),
});

builder.drizzleObjectFields(TokenPair, (t) => ({
  maskingExperiments: t.relation("maskingExperiments", {
    type: MaskingExperiment,
    description: "The pair's masking experiments, newest first, 100 at most.",
    complexity: { field: 1, multiplier: 5 },
    query: { orderBy: { id: "desc" }, limit: 100 },
  }),
}));

const Filter = builder.inputType("MaskingExperimentFilter", {
  description: "Which masking experiments; every condition given must hold.",
  fields: (t) => ({
    benchmark: t.string({ description: "Benchmark of the failure case, exactly." }),
    model: t.string({ description: "Name of the model that computed it." }),
    ranking: t.field({ type: Ranking, description: "What ordered the tokens." }),
    replacement: t.field({ type: Replacement, description: "What stood for masked tokens." }),
    scope: t.field({ type: Scope, description: "Which tokens could be masked." }),
    budget: t.int({ description: "Tokens masked at most." }),
  }),
});
export type MaskingFilter = typeof Filter.$inferInput;

/** The filter as a condition. */
export function maskingCondition(filter: MaskingFilter | null | undefined, table: typeof maskingExperiments): SQL {
  return and(
    filter?.ranking === "chosen"
      ? like(table.ranking, "chosen:%")
      : filter?.ranking != null
      ? eq(table.ranking, filter.ranking)
      : undefined,
    filter?.replacement != null ? eq(table.replacement, filter.replacement) : undefined,
    filter?.scope != null ? eq(table.answerToo, filter.scope === "all") : undefined,
    filter?.budget != null ? eq(table.budget, filter.budget) : undefined,
    filter?.model != null
      ? sql`${table.modelId} = (select ${models.id} from ${models} where ${models.name} = ${filter.model})`
      : undefined,
    filter?.benchmark != null
      ? sql`exists (select 1 from ${tokenPairs}
          inner join ${failureCases} on ${failureCases.id} = ${tokenPairs.failureCaseId}
          where ${tokenPairs.id} = ${table.tokenPairId} and ${failureCases.benchmark} = ${filter.benchmark})`
      : undefined,
  ) ?? sql`true`;
}

builder.queryField("maskingExperiments", (t) =>
  t.drizzleConnection(
    {
      type: MaskingExperiment,
      description: "Masking experiments, newest first when nothing else is said.",
      complexity: pageCost,
      args: {
        filter: t.arg({ type: Filter, description: "Which to list." }),
        direction: t.arg({ type: Direction, description: "By time; DESC when nothing is said." }),
      },
      totalCount: (_parent, { filter }, context) =>
        context.db.$count(maskingExperiments, maskingCondition(filter, maskingExperiments)),
      resolve: (query, _parent, { filter, direction: asked }, context) =>
        context.db.query.maskingExperiments.findMany(
          query({
            where: { RAW: (table) => maskingCondition(filter, table) },
            orderBy: { createdAt: direction(asked) },
          }),
        ),
    },
    { name: "MaskingExperimentConnection", description: "A page of masking experiments." },
    { name: "MaskingExperimentEdge", description: "A masking experiment with its cursor." },
  ));

/** A number with its bootstrap interval. */
export interface IntervalRow {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

export const Interval = builder.objectRef<IntervalRow>("Interval").implement({
  description: "A mean over cases with its 95 % bootstrap interval.",
  fields: (t) => ({
    value: t.exposeFloat("value", { description: "The mean." }),
    low: t.exposeFloat("low", { description: "Lower end." }),
    high: t.exposeFloat("high", { description: "Upper end." }),
    count: t.exposeInt("count", { description: "Cases." }),
  }),
});

interface FlipSummaryRow {
  readonly rate: readonly number[];
  readonly area: IntervalRow;
  readonly reached: number;
  readonly censored: number;
  readonly medianTokens: number | null;
  readonly meanTokensReached: number | null;
}

const FlipSummary = builder.objectRef<FlipSummaryRow>("MaskingFlipSummary").implement({
  description: "One of the three results over the cases of a ranking and replacement.",
  fields: (t) => ({
    rate: t.floatList({
      description: "Share of cases in which it came within k tokens, k from 0 to the budget.",
      complexity: { field: 1, multiplier: 1 },
      resolve: ({ rate }) => [...rate],
    }),
    area: t.field({
      type: Interval,
      description: "Area under that curve: its mean over k from 1 to the budget.",
      resolve: ({ area }) => area,
    }),
    reached: t.exposeInt("reached", { description: "Experiments in which it came." }),
    censored: t.exposeInt("censored", { description: "Experiments in which it did not come within the budget." }),
    medianTokens: t.exposeFloat("medianTokens", {
      nullable: true,
      description: "Median tokens until it came, censored ones counted as later; null where half or more are censored.",
    }),
    meanTokensReached: t.exposeFloat("meanTokensReached", {
      nullable: true,
      description: "Mean tokens over the curves in which it came: too small wherever some are censored.",
    }),
  }),
});

/** What many experiments say together; see server/masking/summary.ts. */
export interface MaskingSummaryRow {
  readonly summaries: readonly {
    readonly ranking: typeof Ranking.$inferType;
    readonly replacement: typeof Replacement.$inferType;
    readonly cases: number;
    readonly away: FlipSummaryRow;
    readonly contrast: FlipSummaryRow | null;
    readonly passes: FlipSummaryRow | null;
    readonly comprehensiveness: { readonly probability: IntervalRow };
    readonly sufficiency: { readonly probability: IntervalRow };
  }[];
  readonly comparisons: readonly {
    readonly replacement: typeof Replacement.$inferType;
    readonly first: typeof Ranking.$inferType;
    readonly second: typeof Ranking.$inferType;
    readonly difference: IntervalRow;
    readonly beats: boolean;
  }[];
}

const RankingSummary = builder.objectRef<MaskingSummaryRow["summaries"][number]>("MaskingRankingSummary").implement({
  description: "What one ranking with one replacement did over all cases.",
  fields: (t) => ({
    ranking: t.field({ type: Ranking, description: "What ordered the tokens.", resolve: ({ ranking }) => ranking }),
    replacement: t.field({
      type: Replacement,
      description: "What stood for masked tokens.",
      resolve: ({ replacement }) => replacement,
    }),
    cases: t.exposeInt("cases", { description: "Cases." }),
    away: t.field({
      type: FlipSummary,
      description: "The model would not write the target any more.",
      resolve: ({ away }) => away,
    }),
    contrast: t.field({
      type: FlipSummary,
      nullable: true,
      description: "The model would write the contrast.",
      resolve: ({ contrast }) => contrast,
    }),
    passes: t.field({
      type: FlipSummary,
      nullable: true,
      description: "The completion passes the checker; null where nothing checked.",
      resolve: ({ passes }) => passes,
    }),
    comprehensiveness: t.field({
      type: Interval,
      description: "In probability of the target.",
      resolve: ({ comprehensiveness }) => comprehensiveness.probability,
    }),
    sufficiency: t.field({
      type: Interval,
      description: "In probability of the target.",
      resolve: ({ sufficiency }) => sufficiency.probability,
    }),
  }),
});

const RankingComparison = builder.objectRef<MaskingSummaryRow["comparisons"][number]>("MaskingComparison").implement({
  description: "The difference of two rankings' areas (flips away from the target), paired by case.",
  fields: (t) => ({
    replacement: t.field({
      type: Replacement,
      description: "What stood for masked tokens.",
      resolve: ({ replacement }) => replacement,
    }),
    first: t.field({ type: Ranking, description: "One ranking.", resolve: ({ first }) => first }),
    second: t.field({ type: Ranking, description: "The other.", resolve: ({ second }) => second }),
    difference: t.field({
      type: Interval,
      description: "Area of the first minus that of the second.",
      resolve: ({ difference }) => difference,
    }),
    beats: t.exposeBoolean("beats", { description: "Whether the interval lies above zero." }),
  }),
});

const Summary = builder.objectRef<MaskingSummaryRow>("MaskingSummary").implement({
  description: "What the masking experiments of a selection say together.",
  fields: (t) => ({
    rankings: t.field({
      type: [RankingSummary],
      description: "One entry for each replacement and ranking.",
      complexity: { field: 1, multiplier: 5 },
      resolve: ({ summaries }) => [...summaries],
    }),
    comparisons: t.field({
      type: [RankingComparison],
      description: "Every ranking against every other, for each replacement.",
      complexity: { field: 1, multiplier: 10 },
      resolve: ({ comparisons }) => [...comparisons],
    }),
  }),
});

builder.queryField("maskingSummary", (t) =>
  t.field({
    type: Summary,
    description: "Flip rates, areas and paired differences with bootstrap intervals over the experiments of a " +
      "selection that have the same budget.",
    complexity: { field: 500, multiplier: 1 },
    args: {
      filter: t.arg({ type: Filter, description: "Which experiments." }),
      budget: t.arg.int({
        required: true,
        defaultValue: MASKING_OPTIONS.budget,
        description: "Those with this budget.",
      }),
      seed: t.arg.int({ required: true, defaultValue: 1, description: "Seed of the bootstrap." }),
    },
    resolve: (_parent, { filter, budget, seed }, context) =>
      context.services.summariseMasking(maskingCondition({ ...filter, budget }, maskingExperiments), budget, seed),
  }));

const MaskingSelection = builder.enumType("MaskingSelection", {
  description: "Token pairs that need not be named one by one.",
  values: {
    ALL: { value: "missing", description: "Every pair; experiments that are stored are kept." },
    CLEAN: { value: "clean", description: "Every pair whose delta is above 1." },
  } as const,
});

const RunMaskingInput = builder.inputType("RunMaskingExperimentInput", {
  description: "What to mask: `tokenPairIds` or a `selection`; and how.",
  fields: (t) => ({
    tokenPairIds: t.globalIDList({
      for: TokenPair,
      description: "The token pairs; experiments that are stored are kept.",
      validate: z.array(z.unknown()).min(1).max(10_000),
    }),
    selection: t.field({ type: MaskingSelection, description: "Instead of ids: all pairs of a kind." }),
    rankings: t.field({ type: [Ranking], description: "All five when nothing is said." }),
    replacements: t.field({ type: [Replacement], description: "ATTENTION when nothing is said." }),
    scope: t.field({ type: Scope, description: "PROMPT when nothing is said." }),
    budget: t.int({
      description: `Tokens masked at most, ${MASKING_OPTIONS.budget} when nothing is said.`,
      validate: z.int().min(1).max(1000),
    }),
    seeds: t.intList({
      description: "One random order each; 1, 2, 3 when nothing is said.",
      validate: z.array(z.int().min(1).max(2 ** 31 - 1)).min(1).max(20),
    }),
    rolloutTokens: t.int({
      description: `New tokens of a completion at a flip, ${MASKING_OPTIONS.rolloutTokens} when nothing is said; 0: ` +
        "no completions are made and checked.",
      validate: z.int().min(0).max(100_000),
    }),
    idempotencyKey: t.string(idempotencyKey),
  }),
});

builder.mutationField("runMaskingExperiment", (t) =>
  t.drizzleField({
    type: Job,
    description: "Masks tokens one after another and watches the prediction.",
    errors: {
      types: [InputError],
      union: { name: "RunMaskingExperimentResult", description: "The job, or what was wrong." },
    },
    args: { input: t.arg({ type: RunMaskingInput, required: true, description: "What to mask." }) },
    resolve: async (query, _parent, { input }, context) => {
      if ((input.tokenPairIds == null) === (input.selection == null)) {
        throw new InputError("it takes exactly one of the two", "tokenPairIds, selection", "give one of them");
      }
      const rankings = input.rankings ?? MASKING_OPTIONS.rankings;
      const asked = ASKED.filter((ranking) => rankings.includes(ranking));
      if (asked.length < rankings.length) {
        throw new InputError("CHOSEN needs positions", "rankings", "ask for them by maskTokens, or leave CHOSEN out");
      }
      const id = await context.services.runMasking({
        tokenPairIds: input.selection ?? (input.tokenPairIds ?? []).map(({ id }) => Number(id)),
        settings: {
          rankings: asked,
          replacements: input.replacements ?? MASKING_OPTIONS.replacements,
          scope: input.scope ?? MASKING_OPTIONS.scope,
          budget: input.budget ?? MASKING_OPTIONS.budget,
          seeds: input.seeds ?? MASKING_OPTIONS.seeds,
          rolloutTokens: input.rolloutTokens ?? MASKING_OPTIONS.rolloutTokens,
        },
        idempotencyKey: input.idempotencyKey ?? undefined,
      });
      return found(await context.db.query.jobs.findFirst(query({ where: { id } })));
    },
  }));

const MaskTokensInput = builder.inputType("MaskTokensInput", {
  description: "Which tokens of which pair to mask, and how.",
  fields: (t) => ({
    tokenPairId: t.globalID({ for: TokenPair, required: true, description: "The token pair." }),
    positions: t.intList({
      required: true,
      description:
        "Positions of the prompt and of the answer before the error, counted from 0, in the order of masking.",
      validate: z.array(z.int().min(0)).min(1).max(200),
    }),
    replacement: t.field({ type: Replacement, description: "ATTENTION when nothing is said." }),
  }),
});

builder.mutationField("maskTokens", (t) =>
  t.drizzleField({
    type: Job,
    description: "Masks tokens that a person chose, one after another; the result is a masking experiment with the " +
      "ranking CHOSEN.",
    errors: { types: [InputError], union: { name: "MaskTokensResult", description: "The job, or what was wrong." } },
    args: { input: t.arg({ type: MaskTokensInput, required: true, description: "What to mask." }) },
    resolve: async (query, _parent, { input }, context) => {
      const id = await context.services.maskTokens(
        Number(input.tokenPairId.id),
        input.positions,
        input.replacement ?? "attention",
      );
      return found(await context.db.query.jobs.findFirst(query({ where: { id } })));
    },
  }));
