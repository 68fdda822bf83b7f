/** A long case cut into stretches of equal length. */
import { colourValue, type View } from "./heat_value.ts";
import type { Token } from "./documents.ts";
import type { Heat } from "./read_case.ts";

/** The strongest token of each stretch: its position and colour value. */
export function strongestOfStretches(
  tokens: readonly Token[],
  heat: Heat,
  view: View,
  stretches: number,
): readonly { readonly position: number; readonly value: number }[] {
  return Array.from({ length: stretches }, (_, index) => {
    const from = Math.floor(index * tokens.length / stretches);
    const to = Math.floor((index + 1) * tokens.length / stretches);
    return tokens.slice(from, to).reduce((best, token) => {
      const value = colourValue(token, heat, view) ?? 0;
      return Math.abs(value) > Math.abs(best.value) ? { position: token.position, value } : best;
    }, { position: from, value: 0 });
  });
}
