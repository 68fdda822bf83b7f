/**
 * The arguments of one instruction: its entry in an item's `kwargs`. Copies of the benchmark differ: some hold only what
 * an instruction uses, others every name of all instructions, null where unused; null counts as absent. Where the
 * reference would draw an absent argument at random, there is no verdict: ArgumentError.
 */

/** An instruction that cannot be checked: the message says which and why. */
export class ArgumentError extends Error {}

export type Arguments = Readonly<Record<string, unknown>>;

/** Text that is not empty; `strip` it yourself. */
export function text(from: Arguments, name: string): string {
  const value = present(from, name);
  if (typeof value === "string" && value !== "") return value;
  throw new ArgumentError(`"${name}" is ${shown(value)}, not text`);
}

/** At least one text, none of them empty. */
export function texts(from: Arguments, name: string): readonly string[] {
  const value = present(from, name);
  if (Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === "string" && one !== "")) {
    return value;
  }
  throw new ArgumentError(`"${name}" is ${shown(value)}, not a list of texts`);
}

/** A whole number, 0 or more. */
export function count(from: Arguments, name: string): number {
  const value = present(from, name);
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new ArgumentError(`"${name}" is ${shown(value)}, not a whole number of 0 or more`);
}

export type Relation = "less than" | "at least";

export function relation(from: Arguments, name: string): Relation {
  const value = present(from, name);
  if (value === "less than" || value === "at least") return value;
  throw new ArgumentError(`"${name}" is ${shown(value)}, not "less than" or "at least"`);
}

function present(from: Arguments, name: string): unknown {
  const value = Object.hasOwn(from, name) ? from[name] : undefined;
  if (value === undefined || value === null) throw new ArgumentError(`"${name}" is missing`);
  return value;
}

function shown(value: unknown): string {
  const json = JSON.stringify(value);
  return json.length <= 60 ? json : `${json.slice(0, 57)}...`;
}
