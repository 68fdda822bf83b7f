/** Shapes of the JSON columns and of what passes between the schema and the server. */

import type { ExplainInput, GenerateInput } from "./ask_values.ts";
import type { AnalysisInput, StudyInput } from "./analysis_values.ts";
import type { Rule } from "./rules.ts";
import type { CollectInput, PairSearchInput } from "./search_values.ts";

/** One message of the chat that the prompt was rendered from. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
  /** What else the chat template reads, for example `tool_calls` in the form of OpenAI's API. */
  readonly [field: string]: unknown;
}

/** An alternative at the position of the first wrong token, with the evidence for or against it. */
export interface Candidate {
  /** Rank among all logits, 0 = the argmax. */
  readonly rank: number;
  readonly id: number;
  readonly text: string;
  readonly logit: number;
  /** What greedy decoding made of it, null when it was not tried. */
  readonly completion: string | null;
  /** The checker's verdict on that completion, null when it was not tried. */
  readonly passed: boolean | null;
  /** Whether the completion was cut where it was certain that it fails; a completion that passed is always whole. */
  readonly endedEarly?: boolean;
}

/** The thought that a completion begins with, where the model was asked to think; the answer is what stands behind it. */
export interface Thought {
  /** Tokens that it was allowed to have. */
  readonly budget: number;
  /** Tokens of the completion that it takes with its end; 0 where the model did not think. */
  readonly tokens: number;
  /** How many of these, its last ones, were put in to close it when the budget was used up. */
  readonly inserted: number;
}

export interface ImportFailure {
  /** Line of the file, counted from 1. */
  readonly line: number;
  readonly message: string;
}

/** What an import did. `failed` holds the first failures, `failedCount` counts all of them. */
export interface ImportReport {
  /** Records read so far: lines, elements of a list, or files. */
  readonly lines: number;
  readonly inserted: number;
  readonly unchanged: number;
  readonly failedCount: number;
  readonly failed: readonly ImportFailure[];
  /** Responses of a model among the records, stored now or before. */
  readonly responses: number;
  readonly passed: number;
  readonly failedResponses: number;
  /** Responses that nobody could decide. */
  readonly undecided: number;
  /** Responses that our checker and the log judge differently; `counts` in a verdict's detail says whose word stands. */
  readonly disagreements: number;
  /** What was left out, by reason. */
  readonly skipped: Readonly<Record<string, number>>;
  /** What was mended rather than refused, by kind: records read as Latin-1, characters that cannot be stored. */
  readonly mended: Readonly<Record<string, number>>;
}

/** Where an attempt at an import was when it was last heard of. */
export interface ImportPlace {
  /** The place of the record, in bytes. */
  readonly at: number;
  /** How often the record there was read alone, this attempt's included; 0 while batches are whole. */
  readonly alone: number;
}

/** What can be imported, in the words of the command line. */
export const IMPORT_FORMATS = [
  "lm-eval",
  "ifeval",
  "evalplus",
  "math",
  "gaia2",
  "inspect",
  "leaderboard",
  "lighteval",
  "opencompass",
  "helm",
  "columns",
  "debug-xai",
  "culprit",
  "annotations",
  "labels",
] as const;
export type ImportFormat = (typeof IMPORT_FORMATS)[number];

/** Columns of rows that are of no known format; dots lead into columns of columns. */
export interface ColumnNames {
  readonly prompt: string;
  readonly answer: string;
  /** True and false, 1 and 0, or a word for one; without it answers are undecided, unless their item is known. */
  readonly passed?: string;
  /** The row's name within its benchmark; its place when left out. */
  readonly id?: string;
  readonly model?: string;
}

/** How to read what is imported. */
export interface ImportChoices {
  /** "auto": told by what stands in the file. */
  readonly from: ImportFormat | "auto";
  /** Name of a model that was added; overrides what the log says. */
  readonly model?: string;
  /** Path of the benchmark's file, for logs without instructions, prompts or tests. */
  readonly items?: string;
  /** The benchmark's name; the log's, or the format's, when left out. */
  readonly benchmark?: string;
  /** The log's prompts are what the model read, chat template or not. */
  readonly plain?: boolean;
  /** Who annotated, or read and labelled. */
  readonly annotator?: string;
  /** For the format "columns". */
  readonly columns?: ColumnNames;
}

/** JSON that a verdict carries for people and programs. */
export type Detail = Readonly<Record<string, unknown>>;

/**
 * What a verdict rests on, weakest first: of two verdicts on the same answer the one with the stronger basis stays. Two
 * that differ on the same basis are a conflict. Verdicts of older versions have none, and give way.
 */
export const VERDICT_BASES = [
  /** IFEval's loose evaluation. */
  "log_loose",
  /** EvalPlus's base tests alone. */
  "log_base",
  /** Our checker, where it is not the reference. */
  "checker",
  "log",
  /** Our checker, where it equals the benchmark's own. */
  "reference",
] as const;
export type VerdictBasis = (typeof VERDICT_BASES)[number];

/** What a checker says of one response. */
export interface Verdict {
  /** null when it cannot be decided (an unknown instruction type, no expected action): reported, never guessed. */
  readonly passed: boolean | null;
  /** One line for people: why it failed, or why it cannot be decided. Absent when it passed. */
  readonly reason?: string;
  /** The checker's own findings, for example strict and loose verdicts of each instruction. */
  readonly detail?: Detail;
  /** Whose word it is, where it was decided by an import. */
  readonly basis?: VerdictBasis;
}

/**
 * Where a final answer stands: in `\boxed{}`, in the sentence "The final answer is ...", between the first dollar sign
 * and the last; `any` of them where nobody knows what was asked for.
 */
export const MATH_CONVENTIONS = ["boxed", "sentence", "dollars", "any"] as const;
export type MathConvention = (typeof MATH_CONVENTIONS)[number];

/**
 * What a checker needs to know of a benchmark's item; stored with each failure case, so that a rollout can be checked
 * long after the benchmark file is gone. Field names within an item are those of the benchmark's own files.
 */
export type CheckItem =
  | {
    readonly kind: "ifeval";
    readonly prompt: string;
    readonly instruction_id_list: readonly string[];
    readonly kwargs: readonly Readonly<Record<string, unknown>>[];
  }
  /** `answer`: the gold final answer, without `\boxed`; `convention`: where its prompt has it stand, in a box when absent. */
  | { readonly kind: "math"; readonly answer: string; readonly convention?: MathConvention }
  /** `answer`: the gold number. */
  | { readonly kind: "gsm8k"; readonly answer: string }
  /** HumanEval and EvalPlus: `prompt` + completion + `test` + `check(entry_point)` is run. */
  | {
    readonly kind: "humaneval";
    readonly task_id: string;
    readonly prompt: string;
    readonly entry_point: string;
    readonly test: string;
    /** What the prompt had begun of the answer, such as an open Markdown fence. */
    readonly begun?: string;
  }
  /** The committed action (a tool call, or a final answer) and the expected one. */
  | {
    /** EvalPlus's own form: the answer and the canonical solution are called on the same inputs, and compared. */
    readonly kind: "evalplus";
    readonly task_id: string;
    readonly prompt: string;
    readonly entry_point: string;
    readonly canonical_solution: string;
    /** JSON text of lists of arguments, as the file has it: `1.0` stays a float, long integers stay whole. */
    readonly base_input: string;
    readonly plus_input: string;
    readonly atol: number;
    readonly begun?: string;
  }
  | { readonly kind: "gaia2"; readonly expected: Detail };

/** Why a failure case is left out of what is explained. */
export const EXCLUSIONS = [
  "no_recovery",
  "delta_too_small",
  "target_not_argmax",
  "tokenisation_differs",
  "context_too_long",
  "not_checkable",
  "no_completion",
  "annotator",
] as const;
export type Exclusion = (typeof EXCLUSIONS)[number];

/** What a job was asked to do, as stored with it. */
export type JobInput =
  | AnalysisInput
  | ExplainInput
  | GenerateInput
  | CollectInput
  | PairSearchInput
  | StudyInput
  /** The hub's id, and the name to add the model under; the id where null. */
  | { readonly kind: "fetch_model"; readonly model: string; readonly name: string | null }
  | { readonly kind: "attribute"; readonly rule: Rule; readonly tokenPairIds: readonly number[] | "missing" | "clean" }
  | {
    readonly kind: "import";
    /** culprit/1 when left out, as jobs of older versions do. */
    readonly choices?: ImportChoices;
    /** The file to read. */
    readonly path: string;
    /** What people call it: the name of the upload or the path they gave. */
    readonly name: string;
    /** SHA-256 of an upload, whose copy is removed when the import has ended; null for a file of the server. */
    readonly uploadHash: string | null;
  };
