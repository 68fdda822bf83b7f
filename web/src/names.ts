/** What things are called on the page. */
import type { Segment } from "./operations/case.ts";
import type { Rule } from "./route.ts";

export const RULE_NAMES: Readonly<Record<Rule, string>> = {
  ATTNLRP: "AttnLRP",
  CPLRP: "CP-LRP",
  GRADIENT: "Gradient × input",
};

export const SEGMENT_NAMES: Readonly<Record<Segment, string>> = {
  INSTRUCTION: "instruction",
  QUERY: "query",
  ANSWER: "answer",
  SPECIAL: "special",
};

/** A node layer in words; node layer 0 = embeddings, l = after block l of `layers`. */
export function layerName(layer: number, layers: number): string {
  if (layer === 0) return "embeddings";
  return layer === layers ? `after block ${layer}, the last` : `after block ${layer} of ${layers}`;
}
