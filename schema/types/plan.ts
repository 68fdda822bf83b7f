/** Plan: what work would take, before it is asked for. */
import { z } from "zod";
import { MASKING_OPTIONS } from "../tables/analysis_values.ts";
import { InputError } from "./input_error.ts";
import { builder } from "./builder.ts";
import { caseFilter, chosenPairs, pairFilter, pairIds } from "./chosen_pairs.ts";
import type { WorkPlan } from "../services/plans.ts";
import { Selection } from "./job.ts";
import { Replacement } from "./masking_choices.ts";
import { Rule } from "./rule.ts";

const PlannedWork = builder.enumType("PlannedWork", {
  description: "Work that can be planned.",
  values: {
    ATTRIBUTE: { value: "attribute", description: "Attributions." },
    BUILD_GRAPH: { value: "build_graph", description: "Attribution graphs with the options of when nothing is said." },
    TRACE: { value: "trace", description: "Traces, steps as the text cuts them, without continuations." },
    MASK: { value: "mask", description: "Masking experiments of every ranking." },
    ABLATE: {
      value: "ablate",
      description:
        "Ablation experiments of every ranking of heads and neurons, with what stands where nothing is said.",
    },
    STUDY: { value: "study", description: "A study over a series of models." },
  } as const,
});

const PlanInput = builder.inputType("PlanInput", {
  description: "Work, in the words of the mutation that asks for it: what is stored already is not counted.",
  fields: (t) => ({
    work: t.field({ type: PlannedWork, required: true, description: "What would be done." }),
    tokenPairIds: t.globalIDList(pairIds("With these token pairs; a STUDY has its own where nothing is said.")),
    selection: t.field({
      type: Selection,
      description:
        "Instead of ids: all pairs of a kind. Of MASK and ABLATE, MISSING means every pair: all of them are " +
        "counted.",
    }),
    filter: t.field(pairFilter),
    cases: t.field(caseFilter),
    rule: t.field({ type: Rule, description: "Backward rule; ATTNLRP when nothing is said." }),
    heads: t.boolean({ description: "Of BUILD_GRAPH: every edge split by attention head." }),
    replacements: t.field({
      type: [Replacement],
      description: "Of MASK: what stands where a token was masked; ATTENTION when nothing is said.",
      validate: z.array(z.unknown()).min(1).max(4),
    }),
    series: t.string({ description: "Of STUDY: the series' name." }),
    name: t.string({ description: "Of STUDY: the study's name, made of series and rule when left out." }),
  }),
});

const Plan = builder.objectRef<WorkPlan>("Plan").implement({
  description:
    "What work would take on the adapter of the server's machine; docs/planning.md says how that is found out.",
  fields: (t) => ({
    runs: t.exposeInt("runs", { description: "Results that are missing; each is a run." }),
    longest: t.exposeInt("longest", { description: "Tokens of the longest run; 0 when nothing is missing." }),
    seconds: t.exposeFloat("seconds", {
      description:
        "All runs one after another on one worker, without loading models, in seconds. Of MASK and ABLATE it is what " +
        "they take at most: curves share inputs, and completions that are checked may be shorter.",
    }),
    gpuBytes: t.exposeFloat("gpuBytes", {
      description: "Largest device memory of the largest run alone, its model included, in bytes.",
    }),
    hostBytes: t.exposeFloat("hostBytes", { description: "Memory of the process beside it, in bytes." }),
    fits: t.exposeBoolean("fits", { description: "Whether the largest run fits the memory that is free now." }),
    why: t.exposeString("why", { description: "One line with the numbers." }),
    adapter: t.exposeString("adapter", {
      nullable: true,
      description: "The adapter in its driver's words; null when nothing is missing.",
    }),
  }),
});

builder.queryField("plan", (t) =>
  t.field({
    type: Plan,
    description:
      "What work would take, before it is asked for. Nothing is stored. The first question about a model's " +
      "shape measures the adapter for some seconds.",
    complexity: { field: 500, multiplier: 1 },
    errors: { types: [InputError], union: { name: "PlanResult", description: "The plan, or what was wrong." } },
    args: { input: t.arg({ type: PlanInput, required: true, description: "The work." }) },
    resolve: async (_parent, { input }, context) => {
      const { work, rule, heads, replacements, series, name } = input;
      const chosen = [input.tokenPairIds, input.selection, input.filter, input.cases].some((choice) => choice != null);
      if ((work === "study") !== (series != null)) {
        throw new InputError(
          work === "study" ? "a study is of a series" : "only a study has a series",
          "series",
          work === "study" ? "name it" : "leave it out",
        );
      }
      const pairs = work === "study" && !chosen ? undefined : await chosenPairs(input, context);
      if (work === "study" && typeof pairs === "string") {
        throw new InputError("a study takes pairs by name or filter", "selection", "leave it out for its own pairs");
      }
      return await context.services.planWork({
        kind: work,
        tokenPairIds: pairs,
        rule: rule ?? "attnlrp",
        heads: heads ?? false,
        masking: { ...MASKING_OPTIONS, replacements: replacements ?? MASKING_OPTIONS.replacements },
        series: series ?? undefined,
        name: name ?? undefined,
      });
    },
  }));
