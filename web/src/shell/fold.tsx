/** @jsxImportSource preact */
/** What is only made when somebody opens it: a long case has thousands of tokens. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

export function Fold(props: {
  readonly title: string;
  /** Whether it is open at first. */
  readonly open?: boolean;
  readonly children: () => ComponentChildren;
}) {
  const [opened, setOpened] = useState(props.open === true);
  return (
    <details
      class="annotate-box"
      open={props.open === true}
      onToggle={({ currentTarget }) => {
        if (currentTarget.open) setOpened(true);
      }}
    >
      <summary>{props.title}</summary>
      {opened ? props.children() : null}
    </details>
  );
}
