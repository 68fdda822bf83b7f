/** A case is clean above this delta (docs/method.md, section 1). */
export const CLEAN_DELTA = 1;
