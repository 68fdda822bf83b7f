/** A heatmap as figures take it, as it is shown now. */
import type { HeatData, HeatToken } from "../../../figures/heat_picture.tsx";
import { quoteToken } from "../../../figures/token_text.ts";
import { layerName, RULE_NAMES } from "../shell/names.ts";
import type { Rule } from "../shell/route.ts";
import type { Pair, Token } from "./documents.ts";
import { colourRange, colourValue, type View } from "./heat_value.ts";
import type { Heat } from "./read_case.ts";
import { signed } from "./relevance.ts";
import { UNIT_NAMES } from "../../../figures/units.ts";
import type { Units } from "./units.ts";

/** Positions of the first and the last token of a unit. */
function spanOf({ spans }: Units, { position }: Token): readonly [first: number, last: number] {
  const { from, to } = spans[position] ?? { from: position, to: position + 1 };
  return [from, to - 1];
}

export function heatData(of: {
  /** The case's key. */
  readonly name: string;
  /** The model that was attributed, and its logit difference. */
  readonly model: string;
  readonly delta: number;
  /** Blocks of the model. */
  readonly layers: number;
  readonly pair: Pair;
  readonly tokens: readonly Token[];
  /** Words or sentences as tokens; tokens where it is left out. */
  readonly units?: Units;
  readonly heat: Heat;
  readonly view: View;
  readonly rule: Rule;
}): HeatData {
  const { name, model, delta, layers, pair: { target, contrast }, tokens, heat, view, rule, units } = of;
  const unit = units?.unit ?? "tokens";
  const [one, many] = UNIT_NAMES[unit];
  return {
    name: `heatmap-${name}-${rule.toLowerCase()}-layer-${heat.layer}${unit === "tokens" ? "" : `-${unit}`}`,
    title: `Relevance of ${tokens.length} ${tokens.length === 1 ? one : many}, ${RULE_NAMES[rule]}`,
    note: `${name}, ${model}: wrong ${quoteToken(target.text)}, right ${quoteToken(contrast.text)}, delta ` +
      `${signed(delta)}. Relevance by ${RULE_NAMES[rule]} at node layer ${heat.layer} (` +
      `${layerName(heat.layer, layers)}); full colour is ${signed(colourRange(heat, view)).slice(1)} logit, red ` +
      "supports the wrong token, blue the right one; instruction tokens are underlined." +
      (unit === "tokens" ? "" : ` A colour is the sum over the tokens of a ${one}.`),
    unit: one,
    tokens: tokens.map((token): HeatToken => ({
      text: token.text,
      segment: token.segment.toLowerCase() as Lowercase<Token["segment"]>,
      raw: heat.relevance[token.position] ?? 0,
      value: colourValue(token, heat, view),
      ...(units === undefined ? {} : { span: spanOf(units, token) }),
    })),
    target: target.text,
    contrast: contrast.text,
  };
}
