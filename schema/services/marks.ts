/** What marks are asked for. */

export interface MarkRequest {
  /** Row ids; "missing" = pairs of every case without marks, "clean" = those of them with delta > 1. */
  readonly tokenPairIds: readonly number[] | "missing" | "clean";
  readonly idempotencyKey: string | undefined;
}
