/** What a masking experiment is made of: an order of tokens, what stands for them, and which may be masked. */
import { RULES } from "../tables/rules.ts";
import { builder } from "./builder.ts";

/** Rankings that experiments are asked for by name. */
export const ASKED_RANKINGS = [...RULES, "random", "lowest"] as const;

export const Ranking = builder.enumType("MaskingRanking", {
  description: "What orders the tokens, the one masked first in front.",
  values: {
    ATTNLRP: { value: "attnlrp", description: "AttnLRP relevance, largest first." },
    CPLRP: { value: "cplrp", description: "CP-LRP relevance, largest first." },
    GRADIENT: { value: "gradient", description: "Gradient x input, largest first." },
    RANDOM: { value: "random", description: "A control: a random order from a seed." },
    LOWEST: { value: "lowest", description: "A control: AttnLRP relevance, lowest first." },
    CHOSEN: { value: "chosen", description: "Tokens that a person chose, in the order of choosing." },
  } as const,
});

export const Replacement = builder.enumType("MaskingReplacement", {
  description: "What stands where a token was masked; docs/masking.md says what each asks of the model.",
  values: {
    REMOVE: { value: "remove", description: "Nothing: the token is left out." },
    NEUTRAL: { value: "neutral", description: "A blank." },
    MEAN: { value: "mean", description: "The mean embedding of the vocabulary." },
    ATTENTION: { value: "attention", description: "The token stays, and nobody attends to it." },
  } as const,
});

export const Scope = builder.enumType("MaskingScope", {
  description: "Which tokens may be masked. Special tokens never are.",
  values: {
    PROMPT: { value: "prompt", description: "Those of the prompt." },
    ALL: { value: "all", description: "Those of the prompt and of the answer before the error." },
  } as const,
});
