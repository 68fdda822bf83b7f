/** Asking for imports. */
import { z } from "zod";
import { InputError } from "./input_error.ts";
import type { ColumnNames } from "../tables/values.ts";
import { builder } from "./builder.ts";
import { idempotencyKey, Job } from "./job.ts";
import { found } from "./rows.ts";

const ImportFormat = builder.enumType("ImportFormat", {
  description: "What can be imported; docs/import.md describes each format.",
  values: {
    LM_EVAL: { value: "lm-eval", description: "Sample logs of lm-evaluation-harness (`--log_samples`)." },
    IFEVAL: { value: "ifeval", description: "IFEval response files, or the evaluation's own output." },
    EVALPLUS: { value: "evalplus", description: "Samples and results of EvalPlus and HumanEval; needs `items`." },
    MATH: { value: "math", description: "Answers to MATH." },
    GAIA2: { value: "gaia2", description: "Traces of GAIA2 (Agents Research Environments)." },
    INSPECT: { value: "inspect", description: "Logs of Inspect: `.eval` and `.json`." },
    LEADERBOARD: { value: "leaderboard", description: "Details of the Open LLM Leaderboard, both generations." },
    LIGHTEVAL: { value: "lighteval", description: "Details of lighteval, Parquet." },
    OPENCOMPASS: { value: "opencompass", description: "Predictions of OpenCompass, or its dumped details." },
    HELM: { value: "helm", description: "Runs of HELM: `scenario_state.json`." },
    COLUMNS: { value: "columns", description: "JSON lines or Parquet of any origin; needs `columns`." },
    AUTO: { value: "auto", description: "One of the others, told by what stands in the file." },
    DEBUG_XAI: { value: "debug-xai", description: "Traces of the reference code of the paper, with their errors." },
    CULPRIT: { value: "culprit", description: "Our own: placed failure cases with their token pairs." },
    ANNOTATIONS: { value: "annotations", description: "Answers of outside annotators; needs `annotator`." },
    LABELS: { value: "labels", description: "A reader's labels, docs/labelling.md; needs `annotator`." },
  } as const,
});

/** Without what was left out. */
function given({ prompt, answer, passed, id, model }: typeof ColumnNamesInput.$inferInput): ColumnNames {
  return {
    prompt,
    answer,
    ...(passed != null ? { passed } : {}),
    ...(id != null ? { id } : {}),
    ...(model != null ? { model } : {}),
  };
}

const text = z.string().min(1).max(500);

const ColumnNamesInput = builder.inputType("ColumnNamesInput", {
  description: "Which columns of a row are which; dots lead into columns of columns.",
  fields: (t) => ({
    prompt: t.string({
      required: true,
      description: "The prompt: text, messages, or a request's body.",
      validate: text,
    }),
    answer: t.string({ required: true, description: "The answer's text.", validate: text }),
    passed: t.string({ description: "Whether it passed: true and false, 1 and 0, or a word for one.", validate: text }),
    id: t.string({ description: "The row's name; its place when left out.", validate: text }),
    model: t.string({ description: "The model's name.", validate: text }),
  }),
});

const ImportFailureCasesInput = builder.inputType("ImportFailureCasesInput", {
  description: "What to import: a `file` that comes with the request, or a `path` on the server.",
  fields: (t) => ({
    file: t.field({ type: "File", description: "A file of the format." }),
    path: t.string({
      description: "Path of such a file, or of a folder of them, inside one of the CULPRIT_MODELS folders: absolute, " +
        "or relative to the project's root or to one of those folders.",
    }),
    from: t.field({ type: ImportFormat, description: "The file's format; AUTO when nothing is said." }),
    model: t.string({
      description: "Name of the model that answered, one that was added; overrides what the log says.",
      validate: text,
    }),
    items: t.string({
      description:
        "Path of the benchmark's file, inside one of the CULPRIT_MODELS folders, or the name of a benchmark " +
        "of `benchmarks`: instructions, prompts and tests that the log does not hold.",
      validate: text,
    }),
    benchmark: t.string({
      description: "The benchmark's name; the log's, or the format's, when nothing is said.",
      validate: text,
    }),
    plain: t.boolean({
      description: "The model read the log's prompts as they are: they are not rendered by its chat template.",
    }),
    columns: t.field({ type: ColumnNamesInput, description: "The columns of rows that are of no known format." }),
    annotator: t.string({ description: "Who made the annotations or labels.", validate: text }),
    idempotencyKey: t.string(idempotencyKey),
  }),
});

builder.mutationField("importFailureCases", (t) =>
  t.drizzleField({
    type: Job,
    description: "Imports answers of a model, or failure cases. Answers that failed become open failure cases. Good " +
      "lines are stored, bad ones reported with their line; importing the same file again changes nothing.",
    errors: {
      types: [InputError],
      union: { name: "ImportFailureCasesResult", description: "The job, or what was wrong." },
    },
    args: {
      input: t.arg({ type: ImportFailureCasesInput, required: true, description: "What to import." }),
    },
    resolve: async (query, _parent, { input }, context) => {
      const { file, path, from, model, items, benchmark, plain, annotator, columns, idempotencyKey } = input;
      const id = await context.services.importFailureCases({
        file: file ?? undefined,
        path: path ?? undefined,
        idempotencyKey: idempotencyKey ?? undefined,
        choices: {
          from: from ?? "auto",
          ...(model != null ? { model } : {}),
          ...(items != null ? { items } : {}),
          ...(benchmark != null ? { benchmark } : {}),
          ...(plain != null ? { plain } : {}),
          ...(annotator != null ? { annotator } : {}),
          ...(columns != null ? { columns: given(columns) } : {}),
        },
      });
      return found(await context.db.query.jobs.findFirst(query({ where: { id } })));
    },
  }));
