/** Readers' labels (docs/labelling.md), and how far two labels agree. */
import { z } from "zod";
import { InputError } from "../../gpu/mod.ts";
import { type Agreement, agreement } from "../base/statistics/kappa.ts";
import type { Outcome, Pattern } from "./classify.ts";

/** An outcome and a pattern, from a reader or the classifier. */
export interface Label {
  readonly outcome: Outcome;
  readonly pattern: Pattern | null;
}

export interface KeyedLabel extends Label {
  readonly key: string;
  readonly note: string;
}

const OUTCOMES = { "M-IA": "m_ia", "NC-IA+M-AG": "nc_ia_m_ag", "NC-IA+AG": "nc_ia_ag" } as const;
const PATTERNS = { "URT": "urt", "OIT": "oit", "URT+OIT": "urt_oit" } as const;
type OutcomeName = keyof typeof OUTCOMES;
type PatternName = keyof typeof PATTERNS;

/** As people and files write it. */
export const outcomeName = (outcome: Outcome): OutcomeName =>
  (Object.keys(OUTCOMES) as OutcomeName[]).find((name) => OUTCOMES[name] === outcome)!;
/** The outcome that people write so; undefined for what is none. */
export const outcomeOf = (name: string): Outcome | undefined =>
  (OUTCOMES as Readonly<Record<string, Outcome>>)[name.toUpperCase()];
export const OUTCOME_NAMES = Object.keys(OUTCOMES);
/** As people and files write it; "none" for null. */
export const patternName = (pattern: Pattern | null): PatternName | "none" =>
  (Object.keys(PATTERNS) as PatternName[]).find((name) => PATTERNS[name] === pattern) ?? "none";

/** One line of a file of labels. */
export const labelLine = z.object({
  key: z.string().min(1),
  outcome: z.enum(Object.keys(OUTCOMES) as [OutcomeName, ...OutcomeName[]]),
  pattern: z.enum(Object.keys(PATTERNS) as [PatternName, ...PatternName[]]).nullable(),
  note: z.string().max(2000).default(""),
  /** Who says it; a file's own `--annotator` counts before it. */
  reader: z.string().trim().min(1).max(200).optional(),
  /** Which pair is meant, where a case has several: the contrast's text. */
  contrast: z.string().min(1).optional(),
});

/** What a line says. Throws InputError for what contradicts itself. */
export function labelOf({ outcome, pattern, note }: z.infer<typeof labelLine>, where: string): Omit<KeyedLabel, "key"> {
  if (outcome === "NC-IA+AG" && pattern !== null) {
    throw new InputError("what nothing explains has no pattern", where, "write null, or give another outcome");
  }
  return { outcome: OUTCOMES[outcome], pattern: pattern && PATTERNS[pattern], note };
}

/** Reads the labels of one reader. Throws InputError at `name:line`. */
export function parseLabels(text: string, name: string): KeyedLabel[] {
  const keys = new Set<string>();
  return text.split("\n").flatMap((one, index) => {
    if (one.trim() === "") return [];
    const wrong = (what: string) =>
      new InputError(what, `${name}:${index + 1}`, "give labels as docs/labelling.md says");
    let json: unknown;
    try {
      json = JSON.parse(one);
    } catch {
      throw wrong("is no JSON");
    }
    const read = labelLine.safeParse(json);
    if (!read.success) throw wrong(`${read.error.issues[0]!.path.join(".")}: ${read.error.issues[0]!.message}`);
    const { key } = read.data;
    if (keys.has(key)) throw wrong(`labels ${key} a second time`);
    keys.add(key);
    return [{ key, ...labelOf(read.data, `${name}:${index + 1}`) }];
  });
}

/** Agreement of two labels of the same cases: on the outcome, on the pattern (none counts as one), and its parts. */
export interface LabelAgreement {
  readonly outcome: Agreement;
  readonly pattern: Agreement;
  /** Whether relevant tokens are underweighted, alone or with the other. */
  readonly urt: Agreement;
  /** Whether irrelevant tokens are overweighted, alone or with the other. */
  readonly oit: Agreement;
}

/** Compares the labels of at least one case. */
export function compareLabels(pairs: readonly (readonly [Label, Label])[]): LabelAgreement {
  const of = (name: (label: Label) => string) =>
    agreement(pairs.map(([one, other]): [string, string] => [name(one), name(other)]));
  const part = (letters: "urt" | "oit") => of(({ pattern }) => pattern?.includes(letters) ? "yes" : "no");
  return {
    outcome: of(({ outcome }) => outcomeName(outcome)),
    pattern: of(({ pattern }) => patternName(pattern)),
    urt: part("urt"),
    oit: part("oit"),
  };
}
