/** PreferenceExport: failures as preference pairs with a weight for each completion token. */
import type { PreferenceExportRow } from "../services/preferences.ts";
import { caseFilter, chosenPairs, pairFilter, pairIds } from "./chosen_pairs.ts";
import { InputError } from "./input_error.ts";
import { builder } from "./builder.ts";
import { idempotencyKey, Job, Selection } from "./job.ts";
import { found } from "./rows.ts";

export const PreferenceFormat = builder.enumType("PreferenceFormat", {
  description: "Shape of the exported rows; docs/preferences.md describes each.",
  values: {
    TRL: { value: "trl", description: "TRL's preference rows: prompt, chosen, rejected." },
    TRL_WEIGHTED: {
      value: "trl-weighted",
      description: "TRL's rows with token ids and a weight for each completion token.",
    },
    TIS_DPO: { value: "tis-dpo", description: "TIS-DPO's rows, whose chosen weights are negated." },
  } as const,
});

export const PreferenceFile = builder.enumType("PreferenceFile", {
  description: "How rows are written.",
  values: {
    JSONL: { value: "jsonl", description: "A JSON object a line." },
    PARQUET: { value: "parquet", description: "Parquet." },
  } as const,
});

export const PreferenceWeights = builder.enumType("PreferenceWeights", {
  description: "Which weights the rows have.",
  values: {
    RELEVANCE: { value: "relevance", description: "The formula's." },
    UNIFORM: { value: "uniform", description: "A baseline: 1 for every token." },
    SHUFFLED: { value: "shuffled", description: "A baseline: the formula's, each completion's in a random order." },
  } as const,
});

const Formula = builder.enumType("PreferenceFormula", {
  description: "What weighs a completion token; every row names it.",
  values: {
    INSTRUCTION_SHARE_1: {
      value: "instruction-share/1",
      description: "Share of |relevance| on Instruction tokens among all tokens that are not special.",
    },
    PROMPT_SHARE_1: {
      value: "prompt-share/1",
      description: "Share of |relevance| on the prompt's tokens among all tokens that are not special.",
    },
    DIVERGENCE_1: {
      value: "divergence/1",
      description: "1 for the token where the two completions part, 0.1 for those behind it; needs no attribution.",
    },
    UNCERTAINTY_1: {
      value: "uncertainty/1",
      description: "Probability of all tokens but the model's likeliest at the position; needs no attribution.",
    },
  } as const,
});

const LeftOut = builder.objectRef<PreferenceExportRow["leftOut"][number]>("PreferenceLeftOut").implement({
  description: "Token pairs that are not exported.",
  fields: (t) => ({
    reason: t.exposeString("reason", { description: "Why: a code that docs/preferences.md explains." }),
    count: t.exposeInt("count", { description: "How many." }),
  }),
});

/** Address of an export as a file. */
export function preferencePath(jobId: string, format: string, file: string, weights: string, seed: number): string {
  return `/preferences/${jobId}/${format}.${file}?weights=${weights}&seed=${seed}`;
}

const PreferenceExport = builder.objectRef<PreferenceExportRow>("PreferenceExport").implement({
  description:
    "Failures as preference pairs: chosen is the contrast with its passing rollout, rejected the target with " +
    "the original continuation.",
  fields: (t) => ({
    formula: t.expose("formula", { type: Formula, description: "What weighed the tokens." }),
    pairs: t.exposeInt("pairs", { description: "Token pairs asked for." }),
    rows: t.exposeInt("rows", { description: "Rows that can be exported now." }),
    leftOut: t.field({ type: [LeftOut], description: "The others.", resolve: ({ leftOut }) => [...leftOut] }),
    download: t.string({
      description: "Path on this server of the rows as a file.",
      args: {
        format: t.arg({ type: PreferenceFormat, required: true, description: "Shape of the rows." }),
        file: t.arg({ type: PreferenceFile, required: true, defaultValue: "jsonl", description: "How to write them." }),
        weights: t.arg({
          type: PreferenceWeights,
          required: true,
          defaultValue: "relevance",
          description: "The formula's weights, or a baseline.",
        }),
        seed: t.arg.int({ required: true, defaultValue: 1, description: "Seed of SHUFFLED." }),
      },
      resolve: ({ jobId }, { format, file, weights, seed }) => preferencePath(jobId, format, file, weights, seed),
    }),
  }),
});

builder.drizzleObjectFields(Job, (t) => ({
  preferences: t.field({
    type: PreferenceExport,
    nullable: true,
    description: "What an EXPORT_PREFERENCES job has to export so far; null for other jobs.",
    complexity: { field: 200, multiplier: 1 },
    select: { columns: { id: true, kind: true } },
    resolve: ({ id, kind }, _args, { services }) =>
      kind === "export_preferences" ? services.describePreferences(id) : null,
  }),
}));

const ExportInput = builder.inputType("ExportPreferencesInput", {
  description: "What to export: `tokenPairIds`, a `selection`, a `filter` or `cases`.",
  fields: (t) => ({
    tokenPairIds: t.globalIDList(pairIds("The token pairs; weights that are stored are kept.")),
    selection: t.field({
      type: Selection,
      description: "Instead of ids: MISSING means every pair here, CLEAN those with delta above 1.",
    }),
    filter: t.field(pairFilter),
    cases: t.field(caseFilter),
    formula: t.field({ type: Formula, description: "INSTRUCTION_SHARE_1 when nothing is said." }),
    idempotencyKey: t.string(idempotencyKey),
  }),
});

builder.mutationField("exportPreferences", (t) =>
  t.drizzleField({
    type: Job,
    description: "Computes token weights of preference pairs; the job's `preferences` say where to download them.",
    errors: {
      types: [InputError],
      union: { name: "ExportPreferencesResult", description: "The job, or what was wrong." },
    },
    args: { input: t.arg({ type: ExportInput, required: true, description: "What to export." }) },
    resolve: async (query, _parent, { input }, context) => {
      const id = await context.services.exportPreferences({
        tokenPairIds: await chosenPairs(input, context),
        formula: input.formula ?? "instruction-share/1",
        idempotencyKey: input.idempotencyKey ?? undefined,
      });
      return found(await context.db.query.jobs.findFirst(query({ where: { id } })));
    },
  }));
