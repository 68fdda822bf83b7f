/** The mutations that mask: in the order of a ranking, and what a person chose. */
import { z } from "zod";
import { MASKING_OPTIONS } from "../tables/analysis_values.ts";
import { builder } from "./builder.ts";
import { CHOICES } from "./lists.ts";
import { caseFilter, chosenPairs, pairFilter, pairIds } from "./chosen_pairs.ts";
import { InputError } from "./input_error.ts";
import { idempotencyKey, Job } from "./job.ts";
import { ASKED_RANKINGS, Ranking, Replacement, Scope } from "./masking_choices.ts";
import { found } from "./rows.ts";
import { TokenPair } from "./token_pair.ts";

const MaskingSelection = builder.enumType("MaskingSelection", {
  description: "Token pairs that need not be named one by one.",
  values: {
    ALL: { value: "missing", description: "Every pair; experiments that are stored are kept." },
    CLEAN: { value: "clean", description: "Every pair whose delta is above 1." },
  } as const,
});

const RunMaskingInput = builder.inputType("RunMaskingExperimentInput", {
  description: "What to mask: `tokenPairIds`, a `selection`, a `filter` or `cases`; and how.",
  fields: (t) => ({
    tokenPairIds: t.globalIDList(pairIds("The token pairs; experiments that are stored are kept.")),
    selection: t.field({ type: MaskingSelection, description: "Instead of ids: all pairs of a kind." }),
    filter: t.field(pairFilter),
    cases: t.field(caseFilter),
    rankings: t.field({
      type: [Ranking],
      description: "All five when nothing is said.",
      validate: CHOICES,
    }),
    replacements: t.field({
      type: [Replacement],
      description: "ATTENTION when nothing is said.",
      validate: CHOICES,
    }),
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
      const rankings = input.rankings ?? MASKING_OPTIONS.rankings;
      const asked = ASKED_RANKINGS.filter((ranking) => rankings.includes(ranking));
      if (asked.length < rankings.length) {
        throw new InputError("CHOSEN needs positions", "rankings", "ask for them by maskTokens, or leave CHOSEN out");
      }
      const id = await context.services.runMasking({
        tokenPairIds: await chosenPairs(input, context),
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
    rolloutTokens: t.int({
      description: "New tokens at most of what the model would write with all of them masked, checked where that can " +
        "be; none when nothing is said.",
      validate: z.int().min(0).max(4096),
    }),
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
        input.rolloutTokens ?? 0,
      );
      return found(await context.db.query.jobs.findFirst(query({ where: { id } })));
    },
  }));
