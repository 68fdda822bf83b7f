/** From relevance to what a token shows: its colour value and its number. */
import type { Token } from "./documents.ts";
import type { Heat } from "./read_case.ts";
import { normalise, signed } from "./relevance.ts";
import type { CaseRoute } from "../shell/route.ts";

/** How the numbers are to be shown. */
export type View = Pick<CaseRoute, "values" | "special">;

/** The |R| that has the full colour. */
export function colourRange(heat: Heat, view: View): number {
  return view.special ? heat.scaleWithSpecial : heat.scale;
}

/** Colour value from -1 to 1, or null for a token that takes no part in the colours. */
export function colourValue(token: Token, heat: Heat, view: View): number | null {
  if (token.special && !view.special) return null;
  return normalise(heat.relevance[token.position] ?? 0, colourRange(heat, view));
}

/** The number that the view shows for a raw relevance: itself, or its share of the layer's scale. */
export function shownNumber(raw: number, heat: Heat, view: View): string {
  return signed(view.values === "raw" ? raw : normalise(raw, heat.scale));
}
