/** @jsxImportSource preact */
/** One of a few: a group of radio buttons that looks like a switch. */
import { useId } from "preact/hooks";
import { Term, type TermName, termOf } from "./term.tsx";

export interface Option<Value extends string> {
  readonly value: Value;
  readonly label: string;
  readonly title?: string;
  /** What it is in the glossary; stands for the title. */
  readonly term?: TermName;
  /** Shown quieter: choosing it shows nothing yet. */
  readonly faint?: boolean;
}

export function Choice<Value extends string>(props: {
  readonly label: string;
  /** What the label is in the glossary. */
  readonly term?: TermName;
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
      <legend>{props.term === undefined ? props.label : <Term of={props.term}>{props.label}</Term>}</legend>
      <div class="options">
        {props.options.map(({ value, label, title, term, faint }) => (
          <label key={value} title={title} data-term={term} class={faint === true ? "faint" : ""}>
            <input
              aria-description={termOf(term)["aria-description"]}
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
