/** Backward rules, in the words of the engine: docs/method.md. */
export const RULES = ["attnlrp", "cplrp", "gradient"] as const;
export type Rule = (typeof RULES)[number];
