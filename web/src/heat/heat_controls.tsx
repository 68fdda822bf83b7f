/** @jsxImportSource preact */
/** What the heatmap shows. */
import { Choice } from "../shell/choice.tsx";
import { layerName, RULE_NAMES, RULE_TERMS } from "../shell/names.ts";
import { Term } from "../shell/term.tsx";
import { type HeatState, type Rule, RULES } from "../shell/route.ts";
import { UNITS } from "../../../figures/units.ts";

/** What the text is made of, and how much of a long one is seen. */
export function TextControls({ route, onChange: change, long }: {
  readonly route: Pick<HeatState, "unit" | "text" | "open">;
  readonly onChange: (part: Partial<HeatState>) => void;
  /** Whether the text is so long that parts of it are folded. */
  readonly long: boolean;
}) {
  return (
    <>
      <Choice
        label="Unit"
        term="unit"
        value={route.unit}
        options={UNITS.map((value) => ({ value, label: value }))}
        onChange={(unit) => change({ unit })}
      />
      {long
        ? (
          <Choice
            label="Text"
            term="fold"
            value={route.text}
            options={[{ value: "folded", label: "folded" }, { value: "whole", label: "whole" }]}
            onChange={(text) => change({ text, open: [] })}
          />
        )
        : null}
      {long && route.text === "folded" && route.open.length > 0
        ? <button type="button" onClick={() => change({ open: [] })}>Fold again</button>
        : null}
    </>
  );
}

export function HeatControls(props: {
  readonly route: HeatState;
  readonly onChange: (part: Partial<HeatState>) => void;
  readonly layers: number;
  /** Rules whose relevance is there. */
  readonly computed: readonly Rule[];
  /** Whether the text is so long that parts of it are folded. */
  readonly long: boolean;
}) {
  const { route, onChange: change, layers, computed } = props;
  const layer = Math.min(route.layer, layers);
  return (
    <div class="controls">
      <Choice
        label="Rule"
        term="rule"
        value={route.rule}
        options={RULES.map((value) => ({
          value,
          label: RULE_NAMES[value],
          term: RULE_TERMS[value],
          ...(computed.includes(value) ? {} : { title: "Not computed for this case yet", faint: true }),
        }))}
        onChange={(rule) => change({ rule })}
      />
      <Choice
        label="Values"
        value={route.values}
        options={[
          { value: "raw", label: "raw", term: "raw" },
          { value: "normalised", label: "normalised", term: "normalised" },
        ]}
        onChange={(values) => change({ values })}
      />
      <Choice
        label="Special tokens"
        term="special"
        value={route.special ? "yes" : "no"}
        options={[
          { value: "no", label: "left out", title: "The first position and chat-control tokens have no colour" },
          { value: "yes", label: "coloured", title: "They take part in the colours and their scale" },
        ]}
        onChange={(special) => change({ special: special === "yes" })}
      />
      <TextControls route={route} onChange={change} long={props.long} />
      <label class="slider">
        <span class="label">
          <Term of="node-layer" />
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
