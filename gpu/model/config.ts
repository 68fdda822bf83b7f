/** The shape of a decoder as the engine needs it, read from a Hugging Face `config.json`. */
export interface ModelConfig {
  /** Block layout: qwen3 = pre-norm with q/k norm per head. */
  readonly architecture: "qwen3";
  readonly vocabulary: number;
  readonly hidden: number;
  readonly intermediate: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headDimension: number;
  readonly normEpsilon: number;
  readonly ropeTheta: number;
  readonly tiedEmbeddings: boolean;
  /** Context limit in tokens. */
  readonly maxPositions: number;
  /** Ids that end a generation; may be empty. */
  readonly eosIds: readonly number[];
}
