/** Controls (a terminal's commands begin with one), signs that turn the direction of text, and no characters at all. */
// deno-lint-ignore no-control-regex
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

/**
 * Words of somebody else's, an exception's or a file's, as one line that terminals, logs and databases take as text: line
 * breaks become a space, what cannot be seen its number (`\u{1b}`). At most `longest` characters of it.
 */
export function oneLine(text: string, longest = 2000): string {
  // The cut comes first: a pattern over a million letters is work that nobody needs.
  return text.slice(0, longest).replaceAll(/\s*[\n\r\u2028\u2029]\s*/g, " ").trim().toWellFormed()
    .replaceAll(UNSEEN, (one) => `\\u{${one.charCodeAt(0).toString(16)}}`);
}

/** Most that is said of what is wrong, in characters: it may quote what a stranger wrote. */
const LONGEST_WHAT = 2000;

function lineOf(where: string, what: string, mend: string): string {
  // The mend comes last, and is what people need most.
  const said = what.length > LONGEST_WHAT ? `${what.slice(0, LONGEST_WHAT)}…` : what;
  return oneLine(`${where}: ${said}; ${mend}`, 4 * LONGEST_WHAT);
}

/**
 * Bad input: one clear line that says what is wrong, where, and how to mend it.
 * The command line prints it and exits with 2; GraphQL shows it as a result, never as a masked error.
 */
export class InputError extends Error {
  override readonly name = "InputError";
  constructor(
    /** What is wrong, and with which value. */
    readonly what: string,
    /** Where: a file (with `:line` where lines matter), an argument or a field. */
    readonly where: string,
    /** How to mend it, an imperative. */
    readonly mend: string,
  ) {
    super(lineOf(where, what, mend));
  }
}

/** A run that the memory which is free cannot take. */
export class MemoryError extends InputError {
  constructor(
    what: string,
    where: string,
    mend: string,
    /** Device memory that the run and its model's weights take alone, in bytes. */
    readonly bytes: number,
  ) {
    super(what, where, mend);
  }
}

/** What failed for no fault of the input: a hub that is away or asks to wait, a full disk. One clear line, as InputError. */
export class UnavailableError extends Error {
  override readonly name = "UnavailableError";
  constructor(readonly what: string, readonly where: string, readonly mend: string) {
    super(lineOf(where, what, mend));
  }
}

/** Infinity or NaN where a number was computed: a driver's fault, or a model's whose weights are broken. */
export class NonFiniteError extends Error {
  override readonly name = "NonFiniteError";
}
