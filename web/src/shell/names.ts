/** What things are called on the page. */
import type { Named } from "./graphql.ts";
import type { Rule } from "./route.ts";

export type Segment = "INSTRUCTION" | "QUERY" | "ANSWER" | "SPECIAL";
export type CaseStatus = "OPEN" | "CLEAN" | "EXCLUDED";

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

export type Outcome = Named<"Outcome">;
export type Pattern = Named<"Pattern">;

/** What the classifier says, as papers abbreviate it, and what that means as within a sentence. */
interface Finding {
  readonly name: string;
  readonly meaning: string;
}

/** Where a failure shows. */
export const OUTCOMES: Readonly<Record<Outcome, Finding>> = {
  M_IA: { name: "M-IA", meaning: "the heatmap explains it" },
  NC_IA_M_AG: { name: "NC-IA+M-AG", meaning: "only the graph explains it" },
  NC_IA_AG: { name: "NC-IA+AG", meaning: "neither explains it" },
};

/** How it came about. */
export const PATTERNS: Readonly<Record<Pattern, Finding>> = {
  URT: { name: "URT", meaning: "relevant tokens underweighted" },
  OIT: { name: "OIT", meaning: "irrelevant tokens overweighted" },
  URT_OIT: { name: "URT+OIT", meaning: "relevant tokens underweighted, irrelevant overweighted" },
};

const EXCLUSION_NAMES: Readonly<Record<string, string>> = {
  NO_RECOVERY: "no alternative recovers",
  DELTA_TOO_SMALL: "delta at most 1",
  TARGET_NOT_ARGMAX: "target is not the argmax",
  TOKENISATION_DIFFERS: "tokenisation differs",
  CONTEXT_TOO_LONG: "context too long",
  NOT_CHECKABLE: "cannot be checked",
  NO_COMPLETION: "no completion",
  ANNOTATOR: "left out by an annotator",
};

/** Why a case is left out, in words. */
export function exclusionName(exclusion: string): string {
  return EXCLUSION_NAMES[exclusion] ?? exclusion.toLowerCase().replaceAll("_", " ");
}

/** What became of a case, in words. */
export function statusName(status: CaseStatus, exclusion: string | null): string {
  if (status === "OPEN") return "open";
  return status === "CLEAN" ? "clean" : `excluded: ${exclusion === null ? "" : exclusionName(exclusion)}`;
}

/** A node layer in words; node layer 0 = embeddings, l = after block l of `layers`. */
export function layerName(layer: number, layers: number): string {
  if (layer === 0) return "embeddings";
  return layer === layers ? `after block ${layer}, the last` : `after block ${layer} of ${layers}`;
}
