/** AblationExperiment: heads or neurons set to zero until the prediction flips; how it is asked for, and what many say. */
import { z } from "zod";
import type { AblationSummaryRow, FlipRatesRow } from "../services/ablations.ts";
import { ablationCondition } from "../tables/ablation_condition.ts";
import { ABLATION_OPTIONS, concentration } from "../tables/ablation_values.ts";
import { builder } from "./builder.ts";
import { CHOICES } from "./lists.ts";
import { caseFilter, chosenPairs, pairFilter, pairIds } from "./chosen_pairs.ts";
import { InputError } from "./input_error.ts";
import { Interval } from "./interval.ts";
import { idempotencyKey, Job } from "./job.ts";
import { Model } from "./model.ts";
import { Outcome } from "./outcome.ts";
import { found } from "./rows.ts";
import { TokenPair } from "./token_pair.ts";

const Unit = builder.enumType("AblationUnit", {
  description: "What is set to zero.",
  values: {
    HEADS: { value: "heads", description: "Attention heads: their part of what the output projection reads." },
    NEURONS: { value: "neurons", description: "MLP neurons: their activation before the projection down." },
  } as const,
});

const Ranking = builder.enumType("AblationRanking", {
  description: "What orders heads or neurons, the one ablated first in front.",
  values: {
    ATTNLRP: { value: "attnlrp", description: "AttnLRP relevance summed over all tokens, largest first." },
    CPLRP: { value: "cplrp", description: "CP-LRP relevance, largest first." },
    GRADIENT: { value: "gradient", description: "Gradient x input, largest first." },
    RANDOM: { value: "random", description: "A control: drawn by a seed from the layers of AttnLRP's order." },
    LOWEST: { value: "lowest", description: "A control: AttnLRP relevance, lowest first." },
  } as const,
});

interface ComponentRow {
  readonly layer: number;
  readonly index: number;
  readonly expert: number | null;
  readonly relevance: number | null;
}

const AblatedComponent = builder.objectRef<ComponentRow>("AblatedComponent").implement({
  description: "A head or neuron.",
  fields: (t) => ({
    layer: t.exposeInt("layer", { description: "Its block, from 1: the one whose output is that node layer." }),
    index: t.exposeInt("index", { description: "Its number in the block, or in its expert, from 0." }),
    expert: t.exposeInt("expert", { nullable: true, description: "Its expert; null where the block has none." }),
    relevance: t.exposeFloat("relevance", {
      nullable: true,
      description: "By the ranking's rule, summed over all tokens, in logits; null in a random order.",
    }),
  }),
});

interface StepRow {
  readonly ablated: number;
  readonly delta: number;
  readonly probability: number;
  readonly argmax: number;
  readonly argmaxText: string;
  readonly concentration: number | null;
}

const AblationStep = builder.objectRef<StepRow>("AblationStep").implement({
  description: "What the model predicts with some heads or neurons at zero.",
  fields: (t) => ({
    ablated: t.exposeInt("ablated", { description: "How many." }),
    delta: t.exposeFloat("delta", { description: "logit[target] - logit[contrast]" }),
    probability: t.exposeFloat("probability", { description: "Of the target, after softmax." }),
    argmax: t.exposeInt("argmax", { description: "Id of the token that the model would write." }),
    argmaxText: t.exposeString("argmaxText", { description: "Its text." }),
    concentration: t.exposeFloat("concentration", {
      nullable: true,
      description: "Share of the positive relevance of all that these hold; null in a random order.",
    }),
  }),
});

const flip = (what: string) => `Fewest ablated until ${what}; null where that did not come within the counts.`;

export const AblationExperiment = builder.drizzleNode("ablationExperiments", {
  name: "AblationExperiment",
  description:
    "Heads or neurons set to zero at every token in the order of a ranking, while the prediction is watched.",
  id: { column: (experiment) => experiment.id },
  select: { columns: {} },
  fields: (t) => ({
    tokenPair: t.relation("tokenPair", { type: TokenPair, description: "The pair that it is about." }),
    model: t.relation("model", { type: Model, description: "The model that computed it." }),
    unit: t.expose("unit", { type: Unit, description: "What is set to zero." }),
    ranking: t.expose("ranking", { type: Ranking, description: "What ordered them." }),
    seed: t.exposeInt("seed", { description: "Seed of a random ranking, 0 for the others." }),
    components: t.int({
      description: "Heads or neurons of the model.",
      select: { columns: { curve: true } },
      resolve: ({ curve }) => curve.components,
    }),
    flipAway: t.exposeInt("flipAway", {
      nullable: true,
      description: flip("the model would not write the target any more"),
    }),
    flipToContrast: t.exposeInt("flipToContrast", {
      nullable: true,
      description: flip("the model would write the contrast"),
    }),
    steps: t.field({
      type: [AblationStep],
      description: "The curve: none ablated, then as many as each of the counts.",
      complexity: { field: 1, multiplier: 4 },
      select: { columns: { curve: true }, with: { model: { columns: { directory: true } } } },
      resolve: async ({ curve, model }, _args, context) => {
        const texts = await context.services.showTokens(model.directory, curve.steps.map(({ argmax }) => argmax));
        return curve.steps.map((step, at): StepRow => ({
          ...step,
          ablated: curve.counts[at]!,
          argmaxText: texts[at]?.text ?? "",
          concentration: concentration(curve, curve.counts[at]!),
        }));
      },
    }),
    ablated: t.field({
      type: [AblatedComponent],
      description: "The first of the order.",
      complexity: { field: 1, multiplier: 4 },
      args: {
        count: t.arg.int({
          required: true,
          defaultValue: 16,
          description: "How many at most.",
          validate: z.int().min(1).max(1000),
        }),
      },
      select: { columns: { curve: true } },
      resolve: ({ curve }, { count }) =>
        curve.order.slice(0, count).map((one, at): ComponentRow => ({
          ...one,
          expert: one.expert ?? null,
          relevance: curve.relevance?.[at] ?? null,
        })),
    }),
    adapter: t.exposeString("adapter", { description: "Adapter that computed it, in its driver's words." }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was computed." }),
  }),
});

builder.drizzleObjectFields(TokenPair, (t) => ({
  ablationExperiments: t.relation("ablationExperiments", {
    type: AblationExperiment,
    description: "The pair's ablation experiments, newest first, 100 at most.",
    complexity: { field: 1, multiplier: 5 },
    query: { orderBy: { id: "desc" }, limit: 100 },
  }),
}));

const AblationSelection = builder.enumType("AblationSelection", {
  description: "Token pairs that need not be named one by one.",
  values: {
    ALL: { value: "missing", description: "Every pair; experiments that are stored are kept." },
    CLEAN: { value: "clean", description: "Every pair whose delta is above 1." },
  } as const,
});

const counts = (what: string, asked: readonly number[]) => ({
  description: `How many ${what} are ablated at each step, ascending; ${asked.join(", ")} when nothing is said.`,
  validate: z.array(z.int().min(1).max(100_000)).min(1).max(30)
    .refine((list) => list.every((count, at) => at === 0 || count > list[at - 1]!), "must ascend"),
});

const RunAblationInput = builder.inputType("RunAblationExperimentInput", {
  description: "What to ablate: `tokenPairIds`, a `selection`, a `filter` or `cases`; and how.",
  fields: (t) => ({
    tokenPairIds: t.globalIDList(pairIds("The token pairs; experiments that are stored are kept.")),
    selection: t.field({ type: AblationSelection, description: "Instead of ids: all pairs of a kind." }),
    filter: t.field(pairFilter),
    cases: t.field(caseFilter),
    units: t.field({
      type: [Unit],
      description: "Both when nothing is said.",
      validate: CHOICES,
    }),
    rankings: t.field({
      type: [Ranking],
      description: "All five when nothing is said.",
      validate: CHOICES,
    }),
    heads: t.intList(counts("heads", ABLATION_OPTIONS.counts.heads)),
    neurons: t.intList(counts("neurons", ABLATION_OPTIONS.counts.neurons)),
    seeds: t.intList({
      description: "One random order each; 1, 2, 3 when nothing is said.",
      validate: z.array(z.int().min(1).max(2 ** 31 - 1)).min(1).max(20),
    }),
    idempotencyKey: t.string(idempotencyKey),
  }),
});

builder.mutationField("runAblationExperiment", (t) =>
  t.drizzleField({
    type: Job,
    description: "Sets heads and neurons to zero, the most relevant ones first, and watches the prediction.",
    errors: {
      types: [InputError],
      union: { name: "RunAblationExperimentResult", description: "The job, or what was wrong." },
    },
    args: { input: t.arg({ type: RunAblationInput, required: true, description: "What to ablate." }) },
    resolve: async (query, _parent, { input }, context) => {
      const options = ABLATION_OPTIONS;
      const id = await context.services.runAblation({
        tokenPairIds: await chosenPairs(input, context),
        settings: {
          units: [...new Set(input.units ?? options.units)],
          rankings: [...new Set(input.rankings ?? options.rankings)],
          counts: { heads: input.heads ?? options.counts.heads, neurons: input.neurons ?? options.counts.neurons },
          seeds: [...new Set(input.seeds ?? options.seeds)],
        },
        idempotencyKey: input.idempotencyKey ?? undefined,
      });
      return found(await context.db.query.jobs.findFirst(query({ where: { id } })));
    },
  }));

const AblationFilter = builder.inputType("AblationExperimentFilter", {
  description: "Which ablation experiments; every condition given must hold.",
  fields: (t) => ({
    benchmark: t.string({ description: "Benchmark of the failure case, exactly." }),
    model: t.string({ description: "Name of the model that computed it." }),
    outcome: t.field({ type: Outcome, description: "What diagnosis says of the pair, under AttnLRP." }),
  }),
});

const FlipRates = builder.objectRef<FlipRatesRow>("AblationFlipRates").implement({
  description: "How often a result came.",
  fields: (t) => ({
    rate: t.floatList({
      description: "Share of cases in which it came with at most each of the counts ablated.",
      complexity: { field: 1, multiplier: 1 },
      resolve: ({ rate }) => [...rate],
    }),
    area: t.field({ type: Interval, description: "The mean of these.", resolve: ({ area }) => area }),
  }),
});

const RankingSummary = builder.objectRef<AblationSummaryRow["summaries"][number]>("AblationRankingSummary").implement({
  description: "What one ranking of heads or neurons did over all cases.",
  fields: (t) => ({
    unit: t.field({ type: Unit, description: "What is set to zero.", resolve: ({ unit }) => unit }),
    ranking: t.field({ type: Ranking, description: "What ordered them.", resolve: ({ ranking }) => ranking }),
    counts: t.intList({
      description: "How many are ablated at each step.",
      complexity: { field: 1, multiplier: 1 },
      resolve: ({ counts }) => [...counts],
    }),
    cases: t.exposeInt("cases", { description: "Cases." }),
    away: t.field({
      type: FlipRates,
      description: "The model would not write the target any more.",
      resolve: ({ away }) => away,
    }),
    contrast: t.field({
      type: FlipRates,
      description: "The model would write the contrast.",
      resolve: ({ contrast }) => contrast,
    }),
    lost: t.field({
      type: [Interval],
      description: "Loss of delta at each of the counts, in logits.",
      resolve: ({ lost }) => [...lost],
    }),
    concentration: t.field({
      type: [Interval],
      nullable: true,
      description: "Share of the positive relevance of all that the first ones hold; null for random orders.",
      resolve: ({ concentration }) => concentration && [...concentration],
    }),
  }),
});

const Comparison = builder.objectRef<AblationSummaryRow["comparisons"][number]>("AblationComparison").implement({
  description: "The difference of two rankings, paired by case.",
  fields: (t) => ({
    unit: t.field({ type: Unit, description: "What is set to zero.", resolve: ({ unit }) => unit }),
    first: t.field({ type: Ranking, description: "One ranking.", resolve: ({ first }) => first }),
    second: t.field({ type: Ranking, description: "The other.", resolve: ({ second }) => second }),
    difference: t.field({
      type: Interval,
      description: "Area under the flip rate of the first minus that of the second.",
      resolve: ({ difference }) => difference,
    }),
    lost: t.field({
      type: Interval,
      description: "Loss of delta by the first minus that by the second, over all counts, in logits.",
      resolve: ({ lost }) => lost,
    }),
    beats: t.exposeBoolean("beats", { description: "Whether the interval of the areas lies above zero." }),
  }),
});

const Summary = builder.objectRef<AblationSummaryRow>("AblationSummary").implement({
  description: "What the ablation experiments of a selection say together.",
  fields: (t) => ({
    rankings: t.field({
      type: [RankingSummary],
      description: "One entry for each unit and ranking.",
      complexity: { field: 1, multiplier: 5 },
      resolve: ({ summaries }) => [...summaries],
    }),
    comparisons: t.field({
      type: [Comparison],
      description: "Every ranking against every other, for each unit.",
      complexity: { field: 1, multiplier: 10 },
      resolve: ({ comparisons }) => [...comparisons],
    }),
  }),
});

builder.queryField("ablationSummary", (t) =>
  t.field({
    type: Summary,
    description:
      "Flip rates, losses of delta and paired differences with bootstrap intervals over the experiments of a " +
      "selection; of each unit those with the counts that most of them have.",
    complexity: { field: 500, multiplier: 1 },
    args: {
      filter: t.arg({ type: AblationFilter, description: "Which experiments." }),
      seed: t.arg.int({ required: true, defaultValue: 1, description: "Seed of the bootstrap." }),
    },
    resolve: (_parent, { filter, seed }, context) =>
      context.services.summariseAblations(
        ablationCondition({ ...filter, benchmarks: filter?.benchmark == null ? null : [filter.benchmark] }),
        seed,
      ),
  }));
