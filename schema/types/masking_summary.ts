/** MaskingSummary: what many masking experiments say together. */
import type { FlipSummaryRow, MaskingSummaryRow } from "../services/masking.ts";
import { maskingExperiments } from "../tables/analysis_tables.ts";
import { MASKING_OPTIONS } from "../tables/analysis_values.ts";
import { builder } from "./builder.ts";
import { Interval } from "./interval.ts";
import { Ranking, Replacement } from "./masking_choices.ts";
import { maskingCondition, MaskingFilter } from "./masking_experiment.ts";

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
      filter: t.arg({ type: MaskingFilter, description: "Which experiments." }),
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
