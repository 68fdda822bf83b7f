/** Asking for annotations and edited segments, and how far annotators agree. */
import { z } from "zod";
import { Annotation, Decision } from "./annotation.ts";
import { InputError } from "./input_error.ts";
import { builder } from "./builder.ts";
import type { AnnotatorAgreement } from "../services/annotations.ts";
import { FailureCase, Segment } from "./failure_case.ts";
import { found } from "./rows.ts";

const AnnotateCaseInput = builder.inputType("AnnotateCaseInput", {
  description: "What an annotator says of a failure case.",
  fields: (t) => ({
    failureCaseId: t.globalID({ for: FailureCase, required: true, description: "The case." }),
    annotator: t.string({ required: true, description: "Who says it.", validate: z.string().min(1).max(200) }),
    decision: t.field({ type: Decision, required: true, description: "What they decide." }),
    position: t.int({
      description: "PAIR: where the first wrong token stands, counted from the completion's first token.",
    }),
    targetId: t.int({ description: "PAIR: the token there; refused when another one stands there." }),
    contrastId: t.int({ description: "PAIR: the id of the token that should have come." }),
    contrastText: t.string({
      description: "PAIR: instead of its id, the text of the token that should have come, with its leading space.",
      validate: z.string().min(1).max(1000),
    }),
    reason: t.string({ description: "Why.", validate: z.string().max(2000) }),
    settle: t.boolean({
      description: "EXCLUDE: leaves the case out at once, which is the default; false: this is one vote of several.",
    }),
  }),
});

builder.mutationField("annotateCase", (t) =>
  t.drizzleField({
    type: Annotation,
    description:
      "Stores what an annotator says of a failure case; saying something else later replaces it. PAIR starts a " +
      "FIND_PAIRS job for this case: where more than half of its annotators choose the same position and contrast, " +
      "their logits are computed, the contrast is rolled out, and the case is placed there.",
    errors: {
      types: [InputError],
      union: { name: "AnnotateCaseResult", description: "The annotation, or what was wrong." },
    },
    args: { input: t.arg({ type: AnnotateCaseInput, required: true, description: "What they say." }) },
    resolve: async (query, _parent, { input }, context) => {
      const { failureCaseId, annotator, decision, position, targetId, reason, settle } = input;
      if (input.contrastId != null && input.contrastText != null) {
        throw new InputError("both are given", "contrastId, contrastText", "give one of them");
      }
      const id = await context.services.annotateCase(Number(failureCaseId.id), {
        annotator,
        decision,
        position: position ?? null,
        targetId: targetId ?? null,
        contrast: input.contrastText != null
          ? { text: input.contrastText }
          : input.contrastId != null
          ? { id: input.contrastId }
          : null,
        reason: reason ?? "",
        settle: settle ?? true,
      });
      return found(await context.db.query.annotations.findFirst(query({ where: { id } })));
    },
  }));

const SegmentRange = builder.inputType("SegmentRange", {
  description: "Tokens that follow each other and their segment.",
  fields: (t) => ({
    from: t.int({ required: true, description: "Position of the first, counted from 0." }),
    count: t.int({ required: true, description: "How many." }),
    segment: t.field({ type: Segment, required: true, description: "INSTRUCTION or QUERY, in the prompt." }),
  }),
});

builder.mutationField("setSegments", (t) =>
  t.drizzleField({
    type: FailureCase,
    description: "Changes the segments of a case's prompt tokens. Special tokens stay special, the answer stays the " +
      "answer. What was found automatically is kept apart: without ranges, it counts again.",
    errors: {
      types: [InputError],
      union: { name: "SetSegmentsResult", description: "The case, or what was wrong." },
    },
    args: {
      failureCaseId: t.arg.globalID({ for: FailureCase, required: true, description: "The case." }),
      ranges: t.arg({
        type: [SegmentRange],
        required: true,
        description: "What to change, in order; nothing to undo all changes.",
        validate: z.array(z.unknown()).max(1000),
      }),
    },
    resolve: async (query, _parent, { failureCaseId, ranges }, context) => {
      const id = await context.services.setSegments(Number(failureCaseId.id), ranges);
      return found(await context.db.query.failureCases.findFirst(query({ where: { id } })));
    },
  }));

const AgreementType = builder.objectRef<AnnotatorAgreement>("AnnotatorAgreement").implement({
  description: "How far two annotators agree, beyond chance: Cohen's kappa.",
  fields: (t) => ({
    annotators: t.exposeStringList("annotators", { description: "The two." }),
    cases: t.exposeInt("cases", { description: "Cases that both annotated." }),
    decisionObserved: t.exposeFloat("decisionObserved", { description: "Share of cases with the same decision." }),
    decisionKappa: t.exposeFloat("decisionKappa", {
      nullable: true,
      description: "Kappa of the decisions; null where both always decide the same one thing.",
    }),
    pairs: t.exposeInt("pairs", { description: "Cases for which both chose a pair." }),
    choiceObserved: t.exposeFloat("choiceObserved", {
      nullable: true,
      description: "Share of these with the same position and contrast; null while there is none.",
    }),
    choiceKappa: t.exposeFloat("choiceKappa", {
      nullable: true,
      description: "Kappa of position and contrast taken together; null while there is none, or only one choice.",
    }),
  }),
});

builder.queryField("annotationAgreement", (t) =>
  t.field({
    type: [AgreementType],
    description: "Agreement between each two annotators that have cases in common, by name.",
    complexity: { field: 50, multiplier: 5 },
    args: { benchmark: t.arg.string({ description: "Of cases of one benchmark only." }) },
    resolve: (_parent, { benchmark }, context) => context.services.annotationAgreement(benchmark ?? undefined),
  }));
