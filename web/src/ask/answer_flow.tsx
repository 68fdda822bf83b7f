/** @jsxImportSource preact */
/** An answer, or a part of it, whose tokens can be chosen, with the keys of a list. */
import { useRef } from "preact/hooks";
import { TokenGlyphs } from "../heat/token_glyphs.tsx";
import { quoteToken } from "../../../figures/token_text.ts";
import type { AnswerToken } from "./documents.ts";

export function AnswerFlow(props: {
  readonly label: string;
  readonly tokens: readonly AnswerToken[];
  /** Tokens from here on are other than in the answer beside this one. */
  readonly differsFrom?: number | undefined;
  readonly chosen: number | null;
  /** Undefined while the answer is being written. */
  readonly onChoose: ((position: number) => void) | undefined;
}) {
  const { label, tokens, differsFrom = Infinity, chosen, onChoose } = props;
  const list = useRef<HTMLDivElement>(null);
  const first = tokens[0]?.position ?? 0;
  const entry = chosen !== null && tokens.some(({ position }) => position === chosen) ? chosen : first;
  const move = (event: KeyboardEvent, position: number) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    list.current?.querySelectorAll<HTMLElement>(".answer-token")[position - first + step]?.focus();
  };
  return (
    <div class="answer-flow" role="group" aria-label={label} ref={list}>
      {tokens.map(({ position, text }) => (
        <button
          key={position}
          type="button"
          class={`answer-token ${position >= differsFrom ? "differs" : ""}`}
          aria-pressed={position === chosen}
          aria-label={`Token ${position}: ${quoteToken(text)}`}
          disabled={onChoose === undefined}
          // One stop for the Tab key; arrows go from token to token.
          tabIndex={position === entry ? 0 : -1}
          onClick={() => onChoose?.(position)}
          onKeyDown={(event) => move(event, position)}
        >
          <TokenGlyphs text={text} />
        </button>
      ))}
    </div>
  );
}
