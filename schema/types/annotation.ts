/** Annotation: what an annotator, a person or a model, says of a failure case. */
import { builder } from "./builder.ts";

export const Decision = builder.enumType("AnnotationDecision", {
  description: "What an annotator decides.",
  values: {
    PAIR: { value: "pair", description: "It has a first wrong token and a right one." },
    EXCLUDE: { value: "exclude", description: "It should be left out." },
  } as const,
});

export const Annotation = builder.drizzleNode("annotations", {
  name: "Annotation",
  description: "What an annotator, a person or a model, says of a failure case.",
  id: { column: (annotation) => annotation.id },
  select: { columns: {} },
  fields: (t) => ({
    annotator: t.exposeString("annotator", { description: "Who says it; one annotation a case." }),
    decision: t.expose("decision", { type: Decision, description: "What they decide." }),
    position: t.exposeInt("position", {
      nullable: true,
      description: "Where the first wrong token stands, counted from the completion's first token.",
    }),
    targetId: t.exposeInt("targetId", { nullable: true, description: "Id of the wrong token." }),
    contrastId: t.exposeInt("contrastId", { nullable: true, description: "Id of the right token." }),
    reason: t.exposeString("reason", { description: "Why, in their words." }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was first said." }),
  }),
});
