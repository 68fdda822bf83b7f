/** The options of programs that compute a study: texts, flags, and counts and numbers by the settings that they set. */
import { parseArgs } from "node:util";
import { InputError } from "../../gpu/mod.ts";
import { type Note, VerbFailure } from "./verbs.ts";

export interface StudyOptions {
  readonly text: (name: string) => string | undefined;
  readonly flag: (name: string) => boolean;
  /** Throws InputError for what is no whole number from 0 on. */
  readonly count: (name: string) => number | undefined;
  /** Values of the options that were given, by their setting's name. Throws InputError for what is no count. */
  readonly counts: <Setting extends string>(
    names: Readonly<Record<string, Setting>>,
  ) => Partial<Record<Setting, number>>;
  /** The same for numbers above 0. */
  readonly numbers: <Setting extends string>(
    names: Readonly<Record<string, Setting>>,
  ) => Partial<Record<Setting, number>>;
}

/** Writes to standard error. */
export const note: Note = (words) => void Deno.stderr.writeSync(new TextEncoder().encode(words));

/**
 * Runs a program to its exit code; what people can mend is a line on standard error, and exit code 2. What one of its
 * verbs said when it failed is passed on with the verb's exit code.
 */
export async function exitWith(main: () => Promise<number>): Promise<never> {
  try {
    Deno.exit(await main());
  } catch (error) {
    if (!(error instanceof InputError || error instanceof VerbFailure)) throw error;
    note(`${error.message}\n`);
    Deno.exit(error instanceof VerbFailure ? error.code : 2);
  }
}

/** Reads the command line; `--help` is always known. Throws InputError for options that are not. */
export function openOptions(texts: readonly string[], flags: readonly string[]): StudyOptions {
  const options = Object.fromEntries([
    ...texts.map((name) => [name, { type: "string" } as const] as const),
    ...[...flags, "help"].map((name) => [name, { type: "boolean" } as const] as const),
  ]);
  const given = read(options);
  const text = (name: string) => {
    const value = given[name];
    return typeof value === "string" ? value : undefined;
  };
  const valued = <Setting extends string>(
    names: Readonly<Record<string, Setting>>,
    pattern: RegExp,
    [what, mend]: readonly [string, string],
  ) => {
    const pairs = Object.entries(names).flatMap(([name, setting]) => {
      const value = text(name);
      if (value === undefined) return [];
      if (pattern.test(value) && (what === "count" || Number(value) > 0)) return [[setting, Number(value)] as const];
      throw new InputError(`${JSON.stringify(value)} is no ${what}`, `--${name}`, mend);
    });
    return Object.fromEntries(pairs) as Partial<Record<Setting, number>>;
  };
  const counts: StudyOptions["counts"] = (names) => valued(names, /^\d{1,9}$/, ["count", "give a whole number"]);
  return {
    text,
    flag: (name) => given[name] === true,
    count: (name) => counts({ [name]: "one" }).one,
    counts,
    numbers: (names) => valued(names, /^\d*\.?\d+(e-?\d+)?$/i, ["number above 0", "give one as 0.5 or 1e-4"]),
  };
}

function read(
  options: Readonly<Record<string, { readonly type: "string" | "boolean" }>>,
): Readonly<Record<string, unknown>> {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    const text = (error as Error).message.replaceAll(/\s+/g, " ").replace(/\. .*$/, "").replace(/\.$/, "");
    throw new InputError(text, "options", "--help shows them");
  }
}
