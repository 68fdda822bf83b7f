/** Bad input, in the words of the engine's InputError: what is wrong, where, and how to mend it. */
export class BadInput extends Error {
  override readonly name = "BadInput";
  constructor(
    readonly what: string,
    readonly where: string,
    readonly mend: string,
  ) {
    super(`${where}: ${what}; ${mend}`);
  }
}
