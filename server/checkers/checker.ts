/**
 * What every checker of a benchmark is: an item and a response in, a verdict out. The types stand in the schema, since
 * items and verdicts are stored.
 */
export type { CheckItem, Detail, Verdict } from "../../schema/tables/values.ts";

/**
 * Whether every response that begins so fails, none of which ends a thought later on: what stands before `</think>` is not
 * judged. False where that cannot be known yet.
 */
export type Decided = (begun: string) => boolean;
