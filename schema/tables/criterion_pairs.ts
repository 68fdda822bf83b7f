/** Which token pairs count where nobody names them: those that meet a criterion, not what somebody asked about a case. */
import { type SQL, sql } from "drizzle-orm";
import { failureCases, tokenPairs } from "./tables.ts";

/** A pair that was found, imported or marked; all pairs of cases that somebody typed. */
export const criterionPairs: SQL = sql`(${tokenPairs.source} <> 'asked' or ${failureCases.source} = 'asked')`;
