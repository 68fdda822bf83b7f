/** Words and sentences shown as if they were tokens: found by `figures/units.ts`, with the sums of their heat. */
import { scaleOf } from "../../../figures/strongest.ts";
import { promptUnitsOf, type Span, type Unit, unitSpans, unitSums } from "../../../figures/units.ts";
import type { Token } from "./documents.ts";
import type { Heat } from "./read_case.ts";

/** Tokens as units: each as if it were a token, its place among the units, and the tokens that it is made of. */
export interface Units {
  readonly unit: Unit;
  readonly units: readonly Token[];
  /** Tokens of each unit. */
  readonly spans: readonly Span[];
  /** Units of the prompt. */
  readonly promptUnits: number;
}

export function unitsOf(tokens: readonly Token[], promptTokens: number, unit: Unit): Units {
  const spans = unitSpans(tokens, promptTokens, unit);
  if (unit === "tokens") return { unit, units: tokens, spans, promptUnits: promptTokens };
  const units = spans.map(({ from, to }, position): Token => {
    const own = tokens.slice(from, to);
    const first = own[0] as Token;
    return {
      position,
      id: first.id,
      text: own.map(({ text }) => text).join(""),
      special: first.special,
      segment: own.find(({ segment }) => segment === "INSTRUCTION")?.segment ?? first.segment,
    };
  });
  return { unit, units, spans, promptUnits: promptUnitsOf(spans, promptTokens) };
}

/** The heat of units: sums over their tokens, with scales of their own. */
export function heatOfUnits(heat: Heat, { unit, units, spans }: Units): Heat {
  if (unit === "tokens") return heat;
  const relevance = unitSums(heat.relevance, spans);
  return {
    ...heat,
    relevance,
    scale: scaleOf(relevance, (position) => units[position]?.special !== true),
    scaleWithSpecial: scaleOf(relevance),
  };
}

/** The unit that holds a token. */
export function unitAt({ spans }: Units, position: number): number {
  return spans.findIndex(({ from, to }) => from <= position && position < to);
}
