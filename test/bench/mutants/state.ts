/** Which store of which kernel is wrong now, and which kernels were used: what runner and set-up file share. */
export interface MutantState {
  mutant: { readonly kernel: string; readonly store: number } | undefined;
  readonly used: Set<string>;
}

const KEY = Symbol.for("culprit.mutant");

/** One for the process: runner and tests may have modules of their own. */
export function mutantState(): MutantState {
  const shared = globalThis as unknown as Record<symbol, MutantState | undefined>;
  return shared[KEY] ??= { mutant: undefined, used: new Set() };
}
