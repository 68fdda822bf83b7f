/** What collecting answers and searching token pairs are asked for, as stored with their jobs. */

/** A run of a model over a benchmark. */
export interface CollectInput {
  readonly kind: "collect";
  readonly modelId: number;
  readonly benchmarkId: number;
  /** Only the first items; null: all. */
  readonly limit: number | null;
  /** The items are taken in the order that this seed gives, so that the first ones are a sample; in the file's where nothing is said. */
  readonly seed?: number;
  /** Tokens of an answer at most. */
  readonly maxTokens: number;
  /** Answers that are decoded together. */
  readonly batch: number;
  /** How problems are asked; as their kind is asked where nothing is said. */
  readonly promptTemplate?: string;
  /** Lets the model think first, in so many tokens at most; not at all where nothing is said. */
  readonly thinkingTokens?: number;
}

/** A search of token pairs for the open failure cases of a model. */
export interface PairSearchInput {
  readonly kind: "find_pairs";
  readonly modelId: number;
  /** A larger model of the family whose alternatives are tried where none of the model's own recovers; or null. */
  readonly siblingId: number | null;
  /** Only cases of these benchmarks; null: of all. */
  readonly benchmarks: readonly string[] | null;
  /** Only these cases, by their row ids; all open ones where nothing is said. */
  readonly caseIds?: readonly number[];
  /** Alternatives tried at a position. */
  readonly alternatives: number;
  /** Positions visited at most; null: all. */
  readonly positions: number | null;
  /** Whether the earliest position that recovers decides, or the earliest whose delta is above 1. */
  readonly positionRule: "recovering" | "clean";
  /** Rollouts that are decoded together. */
  readonly batch: number;
  /** Only what annotators say of this case, by its row id: nothing is searched. */
  readonly failureCaseId?: number;
}
