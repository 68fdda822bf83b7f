/** What stands where a token was masked. docs/masking.md says what each asks of the model. */
import type { ScoreRequest } from "../../gpu/mod.ts";

/** The token is left out; another token's or the mean embedding stands for it; or nobody attends to it. */
export const REPLACEMENTS = ["remove", "neutral", "mean", "attention"] as const;
export type Replacement = (typeof REPLACEMENTS)[number];

/** An input of the engine in which some tokens are masked. */
export type MaskedInput = Pick<ScoreRequest, "inputIds" | "replace" | "hidden">;

/** The input with `positions` masked; `neutral` is the id of the token that stands for others. */
export function maskedInput(
  inputIds: readonly number[],
  positions: readonly number[],
  replacement: Replacement,
  neutral: number,
): MaskedInput {
  if (positions.length === 0) return { inputIds };
  switch (replacement) {
    case "remove": {
      const gone = new Set(positions);
      return { inputIds: inputIds.filter((_, position) => !gone.has(position)) };
    }
    case "neutral": {
      const ids = [...inputIds];
      for (const position of positions) ids[position] = neutral;
      return { inputIds: ids };
    }
    case "mean":
      return { inputIds, replace: positions.map((position) => ({ position, mean: "vocabulary" })) };
    case "attention":
      return { inputIds, hidden: positions };
  }
}
