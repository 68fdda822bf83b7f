/** @jsxImportSource preact */
/** A text box that tells its value after a pause, and takes the address's value when that changes elsewhere. */
import { useEffect, useState } from "preact/hooks";

/** Typing is answered after a pause. */
const PAUSE_MS = 300;

export function Typed(props: {
  readonly value: string;
  readonly label: string;
  readonly number?: boolean;
  readonly placeholder?: string;
  readonly onValue: (value: string) => void;
}) {
  const [text, setText] = useState(props.value);
  useEffect(() => setText(props.value), [props.value]);
  useEffect(() => {
    if (text === props.value) return;
    const timer = setTimeout(() => props.onValue(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <input
      type="text"
      {...(props.number === true ? { inputMode: "decimal" as const } : {})}
      placeholder={props.placeholder}
      aria-label={props.label}
      autocomplete="off"
      spellcheck={false}
      value={text}
      onInput={(event) => setText(event.currentTarget.value)}
    />
  );
}
