/**
 * What every checker of a benchmark is: an item and a response in, a verdict out. The types stand in the schema, since
 * items and verdicts are stored.
 */
export type { CheckItem, Detail, Verdict } from "../../schema/tables/values.ts";
