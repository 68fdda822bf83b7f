/** What things are called on the page. */
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
