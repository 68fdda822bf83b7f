/** Arguments that a library or the database refuses, not we. */
import { GraphQLError } from "graphql";

/** PostgreSQL's codes for arguments that are no numbers, too large ones, or texts with NUL. */
const OUT_OF_RANGE: ReadonlySet<string> = new Set(["22003", "22P02", "22021"]);

/** Whether the database found an argument out of range. */
export function isOutOfRange(error: Error | undefined): boolean {
  const code = (error?.cause as { readonly code?: unknown } | undefined)?.code;
  return typeof code === "string" && OUT_OF_RANGE.has(code);
}

/** What failed, of an error that GraphQL wrapped. */
export function originalOf(error: unknown): Error | undefined {
  if (error instanceof GraphQLError) return error.originalError ? originalOf(error.originalError) : error;
  return error instanceof Error ? error : undefined;
}

/** Whether people caused it, and not the server: an id of no kind, a number that no column holds. */
export function isRefusedArgument(error: unknown): boolean {
  const original = originalOf(error);
  // Libraries refuse arguments (cursors, global ids) with errors of GraphQL's own.
  return isOutOfRange(original) || original instanceof GraphQLError && original.extensions["code"] === undefined;
}
