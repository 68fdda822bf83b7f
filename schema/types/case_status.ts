/** What became of failure cases, and what was said of answers. */
import { builder } from "./builder.ts";
import type { Exclusion, Verdict } from "../tables/values.ts";

export const CaseStatus = builder.enumType("CaseStatus", {
  description: "What became of a failure case.",
  values: {
    OPEN: {
      value: "open",
      description: "No token pair yet: the whole completion is there, its first wrong token not.",
    },
    CLEAN: { value: "clean", description: "It has a token pair with delta above 1." },
    EXCLUDED: { value: "excluded", description: "It is left out; `exclusion` says why." },
  } as const,
});

const EXCLUSION_VALUES: Readonly<Record<Uppercase<Exclusion>, { value: Exclusion; description: string }>> = {
  NO_RECOVERY: { value: "no_recovery", description: "No alternative that was tried recovers." },
  DELTA_TOO_SMALL: { value: "delta_too_small", description: "Its pair's delta is not above 1." },
  TARGET_NOT_ARGMAX: {
    value: "target_not_argmax",
    description: "The model as it runs here would not have chosen the token that the answer has.",
  },
  TOKENISATION_DIFFERS: {
    value: "tokenisation_differs",
    description: "The answer's text gives other tokens than the model wrote.",
  },
  CONTEXT_TOO_LONG: { value: "context_too_long", description: "More tokens than the model or the memory takes." },
  NOT_CHECKABLE: { value: "not_checkable", description: "Nothing can check another answer to the task." },
  NO_COMPLETION: { value: "no_completion", description: "The answer is empty." },
  ANNOTATOR: { value: "annotator", description: "An annotator left it out; `exclusionNote` has the reason." },
};

export const ExclusionType = builder.enumType("Exclusion", {
  description: "Why a failure case is left out.",
  values: EXCLUSION_VALUES,
});

export const ResponseSource = builder.enumType("ResponseSource", {
  description: "Where a response comes from.",
  values: {
    IMPORTED: { value: "imported", description: "From a file." },
    COLLECTED: { value: "collected", description: "From a run of the model here." },
    ASKED: { value: "asked", description: "To a prompt that somebody typed." },
  } as const,
});

/** What a part of a verdict's detail says. */
const judged = (said: unknown): boolean | null =>
  (said as { readonly passed?: boolean | null } | undefined)?.passed ?? null;

export const VerdictType = builder.objectRef<Verdict>("Verdict").implement({
  description: "What log and checker say of an answer.",
  fields: (t) => ({
    passed: t.boolean({
      nullable: true,
      description: "Whether it passed; null when nobody could decide.",
      resolve: ({ passed }) => passed,
    }),
    reason: t.string({
      nullable: true,
      description: "Why it failed, or why nobody could decide, in one line.",
      resolve: ({ reason }) => reason ?? null,
    }),
    logPassed: t.boolean({
      nullable: true,
      description: "What the log says; null when it says nothing.",
      resolve: ({ detail }) => judged(detail?.["log"]),
    }),
    checkerPassed: t.boolean({
      nullable: true,
      description: "What our checker says; null when it could not decide.",
      resolve: ({ passed, detail }) => detail?.["counts"] === "log" ? judged(detail["checker"]) : passed,
    }),
    counts: t.string({
      nullable: true,
      description: "Whose word `passed` is where both were asked: `log` or `checker` (docs/checkers.md).",
      resolve: ({ detail }) => detail?.["counts"] as string | undefined ?? null,
    }),
    detail: t.string({
      nullable: true,
      description: "The findings as JSON: for IFEval strict and loose verdicts of each instruction; `log` holds the " +
        "log's own.",
      resolve: ({ detail }) => detail === undefined ? null : JSON.stringify(detail),
    }),
  }),
});
