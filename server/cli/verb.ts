/**
 * What every verb of the command line is: data for its help, and one function.
 * A verb's file is loaded for `culprit --help` too: let it import what is heavy (engine, database) inside `run`.
 */
import { type Engine, InputError } from "../../gpu/mod.ts";

/** An option of a verb, given as `--name VALUE`, or as `--name` alone when it is boolean. */
export interface VerbOption {
  readonly type: "string" | "boolean";
  /** What stands for the value in the help, for example "MODEL". Left out for booleans. */
  readonly value?: string;
  /** One line for the help. */
  readonly help: string;
  /** May be given several times; the value is then a list. */
  readonly multiple?: boolean;
  readonly default?: string | boolean;
}

/** Parsed values by option name; an option that was not given and has no default is absent. */
export type VerbValues = Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;

/** What a running verb may touch; tests pass their own. */
export interface VerbContext {
  /** The verb's own options, and `json`. */
  readonly values: VerbValues;
  /** What stands beside the options, in order. */
  readonly positionals: readonly string[];
  /** `--json` was given: standard output may hold JSON only. */
  readonly json: boolean;
  readonly verbose: boolean;
  /** Bytes of standard input. */
  readonly stdin: ReadableStream<Uint8Array>;
  /** Writes text to standard output as it is; end lines yourself. */
  readonly out: (text: string) => Promise<void>;
  /** Writes text to standard error as it is: all that is not the result. */
  readonly note: (text: string) => void;
  /** Standard output is a terminal that shows colours. */
  readonly colour: boolean;
  /** Standard error is a terminal: progress bars may be drawn. */
  readonly progress: boolean;
  /** Standard input and standard error are terminals: a person can be asked. */
  readonly interactive: boolean;
  /** Aborted when the person interrupts (Ctrl-C, SIGTERM). */
  readonly signal: AbortSignal;
  /** Opens the engine, which the verb closes. */
  readonly openEngine: () => Promise<Engine>;
}

/**
 * One verb. `run` resolves when the work is done (exit code 0), throws InputError for bad input (exit code 2, its one
 * line is printed), and any other error when the work failed (exit code 1).
 */
export interface Verb {
  /** As typed: "inspect", or two words: "model add". */
  readonly name: string;
  /** One line for the list of verbs. */
  readonly summary: string;
  /** What follows `culprit`, for example "inspect MODEL|FILE.safetensors". */
  readonly usage: string;
  /** A command that can be copied, for example "npx culprit inspect models/demo-1m". */
  readonly example: string;
  /** Besides `--help`, `--json` and `--verbose`, which every verb has. */
  readonly options: Readonly<Record<string, VerbOption>>;
  readonly run: (context: VerbContext) => Promise<void>;
}

/** The value of a string option, or undefined when it was not given. */
export function optionText(context: VerbContext, name: string): string | undefined {
  const value = context.values[name];
  return typeof value === "string" ? value : undefined;
}

/** The value of a string option that must be given. Throws InputError naming it. */
export function requiredText(context: VerbContext, verb: Verb, name: string): string {
  const value = optionText(context, name);
  if (value !== undefined) return value;
  const option = verb.options[name];
  throw new InputError(
    `is missing (${option?.help ?? name})`,
    `--${name}`,
    `give --${name} ${option?.value ?? "VALUE"}`,
  );
}

/** Tells what was decided for the user while a model was read. */
export function tellNotes(context: Pick<VerbContext, "note">, { notes }: { readonly notes: readonly string[] }): void {
  for (const note of notes) context.note(`note: ${note}\n`);
}
