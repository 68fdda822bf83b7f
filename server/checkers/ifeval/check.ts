/**
 * IFEval (Zhou et al., "Instruction-Following Evaluation for Large Language Models", 2023): whether a response follows
 * each instruction of its prompt, strictly and loosely. Verdicts equal those of the benchmark's own Python checkers;
 * docs/checkers.md says how that is known, and where it cannot be.
 */
import { limited, TimeLimitError } from "../../../gpu/mod.ts";
import type { CheckItem, Decided, Verdict } from "../checker.ts";
import { ArgumentError, type Arguments } from "./arguments.ts";
import { DECIDED } from "./decided_instructions.ts";
import { INSTRUCTIONS, unstable } from "./instructions.ts";
import type { Check } from "./instruction.ts";
import { withoutThinking } from "../thinking.ts";
import { PatternError } from "./python_regex.ts";
import { strip } from "./python_text.ts";

export type IfevalItem = Extract<CheckItem, { readonly kind: "ifeval" }>;

/** How a response does; `null` where an instruction cannot be checked. */
export interface Following {
  readonly all: boolean | null;
  /** In the order of the item's instructions. */
  readonly each: readonly (boolean | null)[];
}

/** `detail` of a verdict. */
export type IfevalDetail = {
  readonly strict: Following;
  /** True as well when a variant of the response follows: without its first or last line, without its stars. */
  readonly loose: Following;
  /** Where the reference has no verdict of its own; absent when there is nothing to say. */
  readonly notes?: readonly string[];
};

export type IfevalVerdict = Verdict & { readonly detail: IfevalDetail };

/** Longest that the patterns of one item may search one response, in milliseconds. */
const LIMIT_MS = 2000;
/** What each check may take even when others used all of that: none of the usual ones takes as long. */
const LEAST_MS = 50;

/** A complaint about a response, none, or null: its pattern would search for longer than the item has time. */
type Complaint = string | undefined | null;

/**
 * Checks a response, thinking before it left out. `passed` is the strict verdict on all instructions, and null when an
 * instruction is unknown, its arguments cannot be used, or its pattern takes too long.
 */
export function checkIfeval(item: IfevalItem, spoken: string): IfevalVerdict {
  const response = withoutThinking(spoken);
  const { instruction_id_list: types, kwargs } = item;
  if (types.length !== kwargs.length || types.length === 0) {
    return undecided(types, `the item has ${types.length} instructions and ${kwargs.length} kwargs`);
  }
  const readers = types.map((type, at) => readInstruction(type, kwargs[at]));
  const complaint = complainer();
  const complaints = readers.map(({ check }) => check && complaint(check, response));
  const strict = following(readers.map(({ check }, at) => {
    return check === undefined || complaints[at] === null ? null : complaints[at] === undefined;
  }));
  const variants = looseVariants(response);
  const loose = following(strict.each.map((passed, at) => {
    if (passed !== false) return passed;
    for (const text of variants) {
      const found = complaint(readers[at]!.check!, text);
      if (found === undefined) return true;
      if (found === null) return null;
    }
    return false;
  }));
  const notes = types.flatMap((type, at) => unstable(plainType(type), kwargs[at]) ?? []);
  const detail: IfevalDetail = { strict, loose, ...(notes.length === 0 ? {} : { notes }) };
  const problem = readers.find((reader) => reader.problem !== undefined)?.problem;
  if (problem !== undefined) return { passed: null, reason: problem, detail };
  const failed = strict.each.indexOf(false);
  if (failed >= 0) return { passed: false, reason: `${plainType(types[failed]!)}: ${complaints[failed]}`, detail };
  const late = strict.each.indexOf(null);
  if (late < 0) return { passed: true, detail };
  const reason = `${plainType(types[late]!)}: its pattern takes longer than ${LIMIT_MS / 1000} s on this response`;
  return { passed: null, reason, detail };
}

/** What tells from beginnings of responses that one of the item's instructions is not followed; undefined where none can. */
export function decidedIfeval({ instruction_id_list: types, kwargs }: IfevalItem): Decided | undefined {
  const isReadable = types.length === kwargs.length &&
    types.every((type, at) => readInstruction(type, kwargs[at]).problem === undefined);
  // Of an item that cannot be read, no response fails.
  const each = isReadable ? types.flatMap((type, at) => DECIDED[plainType(type)]?.(kwargs[at] as Arguments) ?? []) : [];
  if (each.length === 0) return undefined;
  return (spoken) => {
    const begun = withoutThinking(spoken);
    return each.some((decided) => decided(begun));
  };
}

function undecided(types: readonly string[], reason: string): IfevalVerdict {
  const nothing: Following = { all: null, each: types.map(() => null) };
  return { passed: null, reason, detail: { strict: nothing, loose: nothing } };
}

/** Names in multilingual copies of the benchmark begin with the language: "en:punctuation:no_comma". */
function plainType(type: string): string {
  return type.startsWith("en:") ? type.slice(3) : type;
}

interface Reader {
  readonly check?: Check;
  /** Why there is no check. */
  readonly problem?: string;
}

function readInstruction(given: string, kwargs: unknown): Reader {
  const type = plainType(given);
  const instruction = INSTRUCTIONS.get(type);
  if (instruction === undefined) return { problem: `${JSON.stringify(given)} is no instruction that is known` };
  if (typeof kwargs !== "object" || kwargs === null || Array.isArray(kwargs)) {
    return { problem: `${type}: its kwargs are ${JSON.stringify(kwargs)}, not an object` };
  }
  try {
    return { check: instruction(kwargs as Readonly<Record<string, unknown>>) };
  } catch (error) {
    if (error instanceof ArgumentError || error instanceof PatternError) {
      return { problem: `${type}: ${error.message}` };
    }
    throw error;
  }
}

/** Asks checks for complaints, all together for as long as one item may take. */
function complainer(): (check: Check, response: string) => Complaint {
  const end = performance.now() + LIMIT_MS;
  return (check, response) => {
    if (strip(response) === "") return "the response is blank";
    try {
      return limited(Math.max(LEAST_MS, end - performance.now()), () => check(response));
    } catch (error) {
      if (error instanceof TimeLimitError) return null;
      throw error;
    }
  };
}

function following(each: readonly (boolean | null)[]): Following {
  return { all: each.includes(null) ? null : !each.includes(false), each };
}

/** The seven variants besides the response itself, without repetitions. */
function looseVariants(response: string): readonly string[] {
  const lines = response.split("\n");
  const shorter = [lines.slice(1), lines.slice(0, -1), lines.slice(1, -1)].map((part) => strip(part.join("\n")));
  const withStars = [response, ...shorter];
  const variants = new Set([...withStars, ...withStars.map((text) => text.replaceAll("*", ""))]);
  variants.delete(response);
  return [...variants];
}
