/** What every checker of a benchmark is: an item and a response in, a verdict out. */

/** JSON that a verdict carries for people and programs. */
export type Detail = Readonly<Record<string, unknown>>;

/** What a checker says of one response. */
export interface Verdict {
  /** null when it cannot be decided (an unknown instruction type, no expected action): reported, never guessed. */
  readonly passed: boolean | null;
  /** One line for people: why it failed, or why it cannot be decided. Absent when it passed. */
  readonly reason?: string;
  /** The checker's own findings, for example strict and loose verdicts of each instruction. */
  readonly detail?: Detail;
}

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
  /** `answer`: the gold final answer, without `\boxed`. */
  | { readonly kind: "math"; readonly answer: string }
  /** HumanEval and EvalPlus: `prompt` + completion + `test` + `check(entry_point)` is run. */
  | {
    readonly kind: "humaneval";
    readonly task_id: string;
    readonly prompt: string;
    readonly entry_point: string;
    readonly test: string;
  }
  /** The committed action (a tool call, or a final answer) and the expected one. */
  | { readonly kind: "gaia2"; readonly expected: Detail };
