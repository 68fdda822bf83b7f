/** The steps of a stored case, by the texts that are stored with it: without its model's tokenizer. */
import { cutCompletion, type Step } from "./cut_steps.ts";

export interface StoredTexts {
  /** Text of each token, [tokens]. */
  readonly tokenTexts: readonly string[];
  /** One letter a token, [tokens]: S special. */
  readonly segments: string;
  readonly promptTokens: number;
}

/** As a trace cuts them, but for characters that are spread over tokens. */
export function stepsOfRow({ tokenTexts, segments, promptTokens }: StoredTexts): readonly Step[] {
  // Tokens are named by their places.
  const words = {
    token: (at: number) => tokenTexts[at]!,
    decode: (places: readonly number[]) => places.map((at) => tokenTexts[at]!).join(""),
    isSpecial: (at: number) => at > 0 && segments[at] === "S",
  };
  return cutCompletion(words, [...tokenTexts.keys()], promptTokens, null).steps;
}
