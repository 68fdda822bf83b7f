/** MaskingCase: what a masking experiment is about. */

/** A failure case with its token pair. */
export interface MaskingCase {
  readonly key: string;
  /** Prompt and answer before the error, [tokens]. */
  readonly inputIds: readonly number[];
  /** Tokens of the prompt alone. */
  readonly promptTokens: number;
  /** [tokens]; the first position and chat-control tokens, which are never masked. */
  readonly special: readonly boolean[];
  readonly target: number;
  readonly contrast: number;
}
