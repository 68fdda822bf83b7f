/** Recovery: a token pair as the strict recovery criterion or annotators find it. */
import type { TokenLogit } from "../../gpu/mod.ts";
import type { Candidate } from "../../schema/tables/values.ts";

/** A token pair that meets the criterion, but for delta, which may be 1 or less. */
export interface Recovery {
  readonly position: number;
  /** The failed response's tokens, the one that ended it included. */
  readonly response: readonly number[];
  readonly source: "search" | "sibling" | "annotation";
  /** Rank 0 of the model that failed. */
  readonly target: TokenLogit;
  readonly contrast: TokenLogit;
  /** Rank of the contrast among all logits of the model that failed. */
  readonly contrastRank: number;
  readonly delta: number;
  /** The target and the alternatives there, with ranks and logits of the model that failed; by rank. */
  readonly candidates: readonly Candidate[];
}
