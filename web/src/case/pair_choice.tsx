/** @jsxImportSource preact */
/** Which of the case's token pairs is shown: a switch for a few, a list for many. */
import { Choice } from "../shell/choice.tsx";
import type { Pair } from "../heat/documents.ts";
import { quoteToken } from "../../../figures/token_text.ts";

const FEW = 3;

export function PairChoice(props: {
  readonly pairs: readonly Pair[];
  readonly value: string;
  readonly onChange: (id: string) => void;
}) {
  const options = props.pairs.map(({ id, target, contrast }) => ({
    value: id,
    label: `${quoteToken(target.text)} for ${quoteToken(contrast.text)}`,
  }));
  if (options.length <= FEW) {
    return <Choice label="Token pair" value={props.value} options={options} onChange={props.onChange} />;
  }
  return (
    <label class="field pairs">
      Token pair
      <select value={props.value} onChange={({ currentTarget }) => props.onChange(currentTarget.value)}>
        {options.map(({ value, label }) => <option key={value} value={value}>{label}</option>)}
      </select>
    </label>
  );
}
