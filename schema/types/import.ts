/** Asking for imports. */
import { z } from "zod";
import { InputError } from "./input_error.ts";
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
    DEBUG_XAI: { value: "debug-xai", description: "Traces of the reference code of the paper, with their errors." },
    CULPRIT: { value: "culprit", description: "Our own: placed failure cases with their token pairs." },
    ANNOTATIONS: { value: "annotations", description: "Answers of outside annotators; needs `annotator`." },
    LABELS: { value: "labels", description: "A reader's labels, docs/labelling.md; needs `annotator`." },
  } as const,
});

const text = z.string().min(1).max(500);

const ImportFailureCasesInput = builder.inputType("ImportFailureCasesInput", {
  description: "What to import: a `file` that comes with the request, or a `path` on the server.",
  fields: (t) => ({
    file: t.field({ type: "File", description: "A file of the format." }),
    path: t.string({
      description: "Path of such a file, or of a folder of them, inside one of the CULPRIT_MODELS folders: absolute, " +
        "or relative to the project's root or to one of those folders.",
    }),
    from: t.field({ type: ImportFormat, description: "The file's format; CULPRIT when nothing is said." }),
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
      const { file, path, from, model, items, benchmark, plain, annotator, idempotencyKey } = input;
      const id = await context.services.importFailureCases({
        file: file ?? undefined,
        path: path ?? undefined,
        idempotencyKey: idempotencyKey ?? undefined,
        choices: {
          from: from ?? "culprit",
          ...(model != null ? { model } : {}),
          ...(items != null ? { items } : {}),
          ...(benchmark != null ? { benchmark } : {}),
          ...(plain != null ? { plain } : {}),
          ...(annotator != null ? { annotator } : {}),
        },
      });
      return found(await context.db.query.jobs.findFirst(query({ where: { id } })));
    },
  }));
