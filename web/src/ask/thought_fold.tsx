/** @jsxImportSource preact */
/** What a model thought before it answered, folded away once the answer is there. */
import type { ComponentChildren } from "preact";
import type { AnswerThought } from "./documents.ts";

/** Whether it was thought to its end, in words. */
function describe({ budget, tokens, insertedTokens }: AnswerThought): string {
  const own = (tokens ?? 0) - (insertedTokens ?? 0);
  const count = `${own} token${own === 1 ? "" : "s"}`;
  return insertedTokens ? `${count}, then closed: its budget of ${budget} was used up` : count;
}

export function ThoughtFold(props: {
  readonly thought: AnswerThought | undefined;
  readonly open: boolean;
  readonly children: () => ComponentChildren;
}) {
  const { thought, open, children } = props;
  if (!thought?.tokens) return null;
  return (
    <details class="thought" open={open}>
      <summary>Thought, {describe(thought)}</summary>
      {children()}
    </details>
  );
}
