/** @jsxImportSource preact */
/** What the colours and numbers of the heatmap mean, in words. */
import { layerName, RULE_NAMES } from "../shell/names.ts";
import type { AttributionSummary } from "./documents.ts";
import type { Heat } from "./read_case.ts";
import { absorbedOf, signed } from "./relevance.ts";
import type { HeatState, Rule } from "../shell/route.ts";

const SUM: Readonly<Record<Rule, (sum: string, delta: string) => string>> = {
  ATTNLRP: (sum, delta) =>
    `Under AttnLRP raw contributions need not sum to delta, since relevance leaks at each softmax on the way down: here they sum to ${sum}, delta is ${delta}.`,
  CPLRP: (sum, delta) =>
    `Under CP-LRP raw contributions sum to delta at every node layer, up to rounding and what biases absorb: here they sum to ${sum}, delta is ${delta}.`,
  GRADIENT: (sum, delta) =>
    `Gradient times input is a baseline whose raw contributions need not sum to delta: here they sum to ${sum}, delta is ${delta}.`,
};

export function HeatCaption(props: {
  readonly route: HeatState;
  readonly attribution: AttributionSummary;
  readonly heat: Heat;
  /** Whether the case has instruction tokens. */
  readonly instructed: boolean;
}) {
  const { route, attribution, heat } = props;
  const sum = heat.relevance.reduce((total, raw) => total + raw, 0);
  const absorbed = attribution.rule === "CPLRP" ? absorbedOf(heat.relevance, attribution.logitDifference) : null;
  return (
    <figcaption>
      <p>
        Relevance of each token at node layer {heat.layer} ({layerName(heat.layer, attribution.layers)}) under{" "}
        {RULE_NAMES[attribution.rule]}. Red tokens support the wrong token, blue ones the right token. {route.values ===
            "raw"
          ? "Numbers are raw contributions in logit units."
          : `Numbers are raw contributions divided by the largest |R| over non-special tokens, ${
            signed(heat.scale).slice(1)
          } logit.`} {SUM[attribution.rule](signed(sum), signed(attribution.logitDifference))}
        {absorbed === null ? "" : ` Biases absorbed ${signed(absorbed)}.`}
      </p>
      <p class="quiet">
        {props.instructed ? "Underlined tokens belong to the instructions that were marked. " : ""}
        {route.special
          ? "Special tokens take part in the colours and their scale. "
          : "The first position and chat-control tokens have no colour and do not count in the scale. "}
        Models of the Qwen3 kind gather much relevance on the first token, an attention sink. AttnLRP and CP-LRP can
        disagree, so look at both.
      </p>
    </figcaption>
  );
}
