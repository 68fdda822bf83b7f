/** @jsxImportSource preact */
/** What the heatmap shows. */
import { Choice } from "../shell/choice.tsx";
import { layerName, RULE_NAMES } from "../shell/names.ts";
import { type HeatState, type Rule, RULES } from "../shell/route.ts";

export function HeatControls(props: {
  readonly route: HeatState;
  readonly onChange: (part: Partial<HeatState>) => void;
  readonly layers: number;
  /** Rules whose relevance is there. */
  readonly computed: readonly Rule[];
}) {
  const { route, onChange: change, layers, computed } = props;
  const layer = Math.min(route.layer, layers);
  return (
    <div class="controls">
      <Choice
        label="Rule"
        value={route.rule}
        options={RULES.map((value) => ({
          value,
          label: RULE_NAMES[value],
          ...(computed.includes(value) ? {} : { title: "Not computed for this case yet", faint: true }),
        }))}
        onChange={(rule) => change({ rule })}
      />
      <Choice
        label="Values"
        value={route.values}
        options={[
          { value: "raw", label: "raw", title: "Logit units" },
          { value: "normalised", label: "normalised", title: "Divided by the largest |R| over non-special tokens" },
        ]}
        onChange={(values) => change({ values })}
      />
      <Choice
        label="Special tokens"
        value={route.special ? "yes" : "no"}
        options={[
          { value: "no", label: "left out", title: "The first position and chat-control tokens have no colour" },
          { value: "yes", label: "coloured", title: "They take part in the colours and their scale" },
        ]}
        onChange={(special) => change({ special: special === "yes" })}
      />
      <label class="slider">
        <span class="label">
          Node layer
          <span class="now">{layer}: {layerName(layer, layers)}</span>
        </span>
        <input
          type="range"
          aria-label="Node layer"
          min={0}
          max={layers}
          step={1}
          value={layer}
          aria-valuetext={`${layer}, ${layerName(layer, layers)}`}
          onInput={({ currentTarget }) => change({ layer: Number(currentTarget.value) })}
        />
      </label>
    </div>
  );
}
