/** A heatmap as figures take it, as it is shown now. */
import type { HeatData, HeatToken } from "../../../figures/heat_picture.tsx";
import { quoteToken } from "../../../figures/token_text.ts";
import { layerName, RULE_NAMES } from "../shell/names.ts";
import type { Rule } from "../shell/route.ts";
import type { Case, Pair, Token } from "./documents.ts";
import { colourRange, colourValue, type View } from "./heat_value.ts";
import type { Heat } from "./read_case.ts";
import { signed } from "./relevance.ts";

export function heatData(of: {
  readonly failureCase: Case;
  readonly pair: Pair;
  readonly tokens: readonly Token[];
  readonly heat: Heat;
  readonly view: View;
  readonly rule: Rule;
}): HeatData {
  const { failureCase: { key, model }, pair: { target, contrast, delta }, tokens, heat, view, rule } = of;
  return {
    name: `heatmap-${key}-${rule.toLowerCase()}-layer-${heat.layer}`,
    title: `Relevance of ${tokens.length} tokens, ${RULE_NAMES[rule]}`,
    note: `${key} of ${model.name}: wrong ${quoteToken(target.text)}, right ${quoteToken(contrast.text)}, delta ` +
      `${signed(delta)}. Relevance by ${RULE_NAMES[rule]} at node layer ${heat.layer} (` +
      `${layerName(heat.layer, model.layers)}); full colour is ${
        signed(colourRange(heat, view)).slice(1)
      } logit, red ` +
      "supports the wrong token, blue the right one; instruction tokens are underlined.",
    tokens: tokens.map((token): HeatToken => ({
      text: token.text,
      segment: token.segment.toLowerCase() as Lowercase<Token["segment"]>,
      raw: heat.relevance[token.position] ?? 0,
      value: colourValue(token, heat, view),
    })),
    target: target.text,
    contrast: contrast.text,
  };
}
