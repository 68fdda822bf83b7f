/** Controls: pairs drawn by chance of responses that passed, which no list of failures should begin with. */
const SUFFIX = "-passed";

/** The benchmark that holds the controls of another. */
export const controlName = (benchmark: string): string => `${benchmark}${SUFFIX}`;
export const isControl = (benchmark: string): boolean => benchmark.endsWith(SUFFIX);
