/** @jsxImportSource preact */
/** What the colours and numbers of the heatmap mean, in words. */
import { layerName, RULE_TERMS } from "../shell/names.ts";
import type { UnitNames } from "../../../figures/units.ts";
import { Term } from "../shell/term.tsx";
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
  /** What is shown: a token, or what sums over tokens. */
  readonly names: UnitNames;
  /** The largest |R| that is shown. */
  readonly scale: number;
  /** Whether the case has instruction tokens. */
  readonly instructed: boolean;
}) {
  const { route, attribution, heat } = props;
  const sum = heat.relevance.reduce((total, raw) => total + raw, 0);
  const absorbed = attribution.rule === "CPLRP" ? absorbedOf(heat.relevance, attribution.logitDifference) : null;
  return (
    <figcaption>
      <p>
        <Term of="relevance" /> of each {props.names[0]}
        {props.names[0] === "token" ? "" : ", the sum over its tokens,"} at <Term of="node-layer">node layer</Term>{" "}
        {heat.layer} ({layerName(heat.layer, attribution.layers)}) under <Term of={RULE_TERMS[attribution.rule]} />. Red
        {" "}
        {props.names[1]} support the wrong token, blue ones the right token. {route.values ===
            "raw"
          ? "Numbers are raw contributions in logit units."
          : `Numbers are raw contributions divided by the largest |R| over non-special ${props.names[1]}, ${
            signed(props.scale).slice(1)
          } logit.`} {SUM[attribution.rule](signed(sum), signed(attribution.logitDifference))}
        {absorbed === null ? "" : (
          <>
            {" "}
            <Term of="absorbed">Biases absorbed</Term> {signed(absorbed)}.
          </>
        )}
      </p>
      <p class="quiet">
        {props.instructed
          ? (
            <>
              Underlined tokens belong to the <Term of="instruction">instructions</Term> that were marked.{" "}
            </>
          )
          : ""}
        {route.special
          ? "Special tokens take part in the colours and their scale. "
          : "The first position and chat-control tokens have no colour and do not count in the scale. "}
        Models of the Qwen3 kind gather much relevance on the first token, an{" "}
        <Term of="attention-sink">attention sink</Term>. AttnLRP and CP-LRP can disagree, so look at both.
      </p>
    </figcaption>
  );
}
