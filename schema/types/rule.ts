/** Backward rules, in the words of the engine. */
import { builder } from "./builder.ts";

export const Rule = builder.enumType("Rule", {
  description: "How relevance is sent backward through the model.",
  values: {
    ATTNLRP: { value: "attnlrp", description: "AttnLRP (arXiv 2402.05602), the default." },
    CPLRP: { value: "cplrp", description: "CP-LRP: attention probabilities and gates are constants." },
    GRADIENT: { value: "gradient", description: "The unmodified gradient times the input, a baseline." },
  } as const,
});
