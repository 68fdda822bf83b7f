/** What things are called on the page. */
import { GLOSSARY, type Term } from "../../../figures/glossary.ts";
import type { Named } from "./graphql.ts";
import type { Rule } from "./route.ts";

export type Segment = "INSTRUCTION" | "QUERY" | "ANSWER" | "SPECIAL";
export type CaseStatus = "OPEN" | "CLEAN" | "EXCLUDED";

export const RULE_TERMS = { ATTNLRP: "attnlrp", CPLRP: "cplrp", GRADIENT: "gradient" } as const;

export const RULE_NAMES: Readonly<Record<Rule, string>> = {
  ATTNLRP: GLOSSARY.attnlrp.name,
  CPLRP: GLOSSARY.cplrp.name,
  GRADIENT: GLOSSARY.gradient.name,
};

export const SEGMENT_NAMES: Readonly<Record<Segment, string>> = {
  INSTRUCTION: GLOSSARY.instruction.short,
  QUERY: GLOSSARY.query.short,
  ANSWER: GLOSSARY.answer.short,
  SPECIAL: GLOSSARY.special.short,
};

export type Outcome = Named<"Outcome">;
export type Pattern = Named<"Pattern">;

/** What the classifier says, as papers abbreviate it, and what that means as within a sentence. */
interface Finding {
  readonly term: Term;
  readonly name: string;
  readonly meaning: string;
}

const finding = (term: "m-ia" | "nc-ia-m-ag" | "nc-ia-ag" | "urt" | "oit" | "urt-oit"): Finding => ({
  term,
  name: GLOSSARY[term].name,
  meaning: GLOSSARY[term].short,
});

/** Where a failure shows. */
export const OUTCOMES: Readonly<Record<Outcome, Finding>> = {
  M_IA: finding("m-ia"),
  NC_IA_M_AG: finding("nc-ia-m-ag"),
  NC_IA_AG: finding("nc-ia-ag"),
};

/** How it came about. */
export const PATTERNS: Readonly<Record<Pattern, Finding>> = {
  URT: finding("urt"),
  OIT: finding("oit"),
  URT_OIT: finding("urt-oit"),
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

export const STATUS_TERMS = { OPEN: "open", CLEAN: "clean", EXCLUDED: "excluded" } as const;

/** What became of a case, in words. */
export function statusName(status: CaseStatus, exclusion: string | null): string {
  const word = GLOSSARY[STATUS_TERMS[status]].short;
  return status === "EXCLUDED" && exclusion !== null ? `${word}: ${exclusionName(exclusion)}` : word;
}

/** A node layer in words; node layer 0 = embeddings, l = after block l of `layers`. */
export function layerName(layer: number, layers: number): string {
  if (layer === 0) return "embeddings";
  return layer === layers ? `after block ${layer}, the last` : `after block ${layer} of ${layers}`;
}
