/** @jsxImportSource preact */
/** One of a few: a group of radio buttons that looks like a switch. */
import { useId } from "preact/hooks";

export interface Option<Value extends string> {
  readonly value: Value;
  readonly label: string;
  readonly title?: string;
  /** Shown quieter: choosing it shows nothing yet. */
  readonly faint?: boolean;
}

export function Choice<Value extends string>(props: {
  readonly label: string;
  readonly options: readonly Option<Value>[];
  /** Undefined before one is chosen. */
  readonly value: Value | undefined;
  readonly onChange: (value: Value) => void;
  /** Looks like the tabs of what follows, without a label. */
  readonly tabs?: boolean;
}) {
  const name = useId();
  return (
    <fieldset class={props.tabs === true ? "choice tabs" : "choice"}>
      <legend>{props.label}</legend>
      <div class="options">
        {props.options.map(({ value, label, title, faint }) => (
          <label key={value} title={title} class={faint === true ? "faint" : ""}>
            <input
              type="radio"
              name={name}
              value={value}
              checked={value === props.value}
              onChange={() =>
                props.onChange(value)}
            />
            {label}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
