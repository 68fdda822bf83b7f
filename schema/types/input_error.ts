/**
 * Bad input: what is wrong, where, and how to mend it. The engine, which knows nothing of GraphQL, throws an InputError
 * of its own; both are one kind of error, told by its name.
 */
export class InputError extends Error {
  override readonly name = "InputError";
  constructor(
    readonly what: string,
    readonly where: string,
    readonly mend: string,
  ) {
    super(`${where}: ${what}; ${mend}`);
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Error && value.name === "InputError";
  }
}
