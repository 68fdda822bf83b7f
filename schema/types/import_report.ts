/** ImportReport: what an import did, as jobs show it. */
import { builder } from "./builder.ts";
import type { ImportFailure, ImportReport } from "../tables/values.ts";

const ImportFailureType = builder.objectRef<ImportFailure>("ImportFailure").implement({
  description: "A line of an import that could not be stored.",
  fields: (t) => ({
    line: t.exposeInt("line", {
      description: "Line of the file, counted from 1; in other files the number of the record.",
    }),
    message: t.exposeString("message", { description: "What is wrong with it, where, and how to mend it." }),
  }),
});

const SkippedRecords = builder.objectRef<{ readonly reason: string; readonly count: number }>("SkippedRecords")
  .implement({
    description: "Records of one kind that were left out of an import.",
    fields: (t) => ({
      reason: t.exposeString("reason", {
        description: "`loglikelihood` (scored choices: nothing was generated), `several_requests`, `no_solution`, " +
          "`no_answer`, or `no_prompt` (the response is stored, but there is no prompt to make a failure case of).",
      }),
      count: t.exposeInt("count", { description: "How many." }),
    }),
  });

const MendedRecords = builder.objectRef<{ readonly kind: string; readonly count: number }>("MendedRecords")
  .implement({
    description: "What an import mended rather than refused.",
    fields: (t) => ({
      kind: t.exposeString("kind", {
        description: "`latin1` (records that were no UTF-8 and were read as Latin-1), or `unstorable_characters` " +
          "(NUL and halves of surrogate pairs: U+FFFD stands for them).",
      }),
      count: t.exposeInt("count", { description: "How many." }),
    }),
  });

/** Reports of version 0.1 call them answers. */
const failedResponses = (report: ImportReport & { readonly failedAnswers?: number }): number =>
  report.failedResponses ?? report.failedAnswers ?? 0;

export const ImportReportType = builder.objectRef<ImportReport>("ImportReport").implement({
  description: "What an import did. Every good line was stored, whatever the others were.",
  fields: (t) => ({
    lines: t.exposeInt("lines", { description: "Lines or other records read so far." }),
    inserted: t.exposeInt("inserted", {
      description: "Records that added a response, a failure case, a token pair or an annotation.",
    }),
    unchanged: t.exposeInt("unchanged", { description: "Records that were stored before, word for word." }),
    failedCount: t.exposeInt("failedCount", { description: "Records that could not be stored." }),
    failed: t.field({
      type: [ImportFailureType],
      description: "The first 100 records that could not be stored.",
      complexity: { field: 1, multiplier: 5 },
      resolve: (report) => [...report.failed],
    }),
    // Reports of older versions lack what they did not count.
    responses: t.int({
      description: "Responses of a model among the records, stored now or before.",
      resolve: ({ responses }) => responses ?? 0,
    }),
    passed: t.int({ description: "Responses that passed.", resolve: ({ passed }) => passed ?? 0 }),
    failedResponses: t.int({
      description: "Responses that did not: they are failure cases now.",
      resolve: failedResponses,
    }),
    failedAnswers: t.int({
      description: "The old name of failedResponses.",
      deprecationReason: "Ask for failedResponses.",
      resolve: failedResponses,
    }),
    undecided: t.int({
      description: "Responses that neither the log nor a checker could decide.",
      resolve: ({ undecided }) => undecided ?? 0,
    }),
    disagreements: t.int({
      description: "Responses that our checker and the log judge differently; each one's verdict says which counts.",
      resolve: ({ disagreements }) => disagreements ?? 0,
    }),
    skipped: t.field({
      type: [SkippedRecords],
      description: "Records that were left out, by reason.",
      complexity: { field: 1, multiplier: 5 },
      resolve: ({ skipped }) => Object.entries(skipped ?? {}).map(([reason, count]) => ({ reason, count })),
    }),
    mended: t.field({
      type: [MendedRecords],
      description: "What was mended rather than refused, by kind.",
      complexity: { field: 1, multiplier: 5 },
      resolve: ({ mended }) => Object.entries(mended ?? {}).map(([kind, count]) => ({ kind, count })),
    }),
  }),
});
