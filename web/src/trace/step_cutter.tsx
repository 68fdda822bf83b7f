/** @jsxImportSource preact */
/** Where steps begin, changed by hand: two steps are joined, or one is cut before a token. */
import { useState } from "preact/hooks";
import type { Token } from "../heat/documents.ts";
import { TokenGlyphs } from "../heat/token_glyphs.tsx";
import { WorkBox } from "../jobs/work_box.tsx";
import type { Trace } from "./documents.ts";

/** Tokens of a step that are offered as places at most. */
const MOST_TOKENS = 600;

export function StepCutter(props: {
  readonly trace: Trace;
  readonly tokens: readonly Token[];
  /** Where steps begin, ascending, as it is now. */
  readonly cut: readonly number[];
  readonly onCut: (cut: readonly number[]) => void;
  /** Asks for the trace of these steps; gives the job's id. */
  readonly start: () => Promise<string>;
}) {
  const { trace, tokens, cut, onCut, start } = props;
  const [split, setSplit] = useState<number>();
  const own = trace.steps.map((step) => step.start);
  const isOther = cut.length !== own.length || cut.some((begin, index) => begin !== own[index]);
  return (
    <section class="step-cutter" aria-label="Cut the steps otherwise">
      <p class="quiet small">
        A step is explained as a whole. Join two, or choose the token before which one is cut; then trace again.
      </p>
      <ol>
        {cut.map((begin, index) => {
          const inside = tokens.slice(begin, cut[index + 1] ?? trace.tokenCount);
          const text = inside.map(({ text }) => text).join("").trim();
          return (
            <li key={begin}>
              <span class="quiet small">step {index + 1}</span> {split === begin
                ? (
                  <span class="cut-places">
                    {inside.slice(0, MOST_TOKENS).map(({ position, text }) => (
                      <button
                        key={position}
                        type="button"
                        class="cut-place"
                        disabled={position === begin}
                        title="A step begins here"
                        onClick={() => {
                          setSplit(undefined);
                          onCut([...cut, position].sort((a, b) => a - b));
                        }}
                      >
                        <TokenGlyphs text={text} />
                      </button>
                    ))}
                  </span>
                )
                : <span class="cut-text">{text.length > 160 ? `${text.slice(0, 160)}…` : text}</span>}{" "}
              <button type="button" class="link small" onClick={() => setSplit(split === begin ? undefined : begin)}>
                {split === begin ? "leave it whole" : "cut"}
              </button>{" "}
              {index === 0 ? null : (
                <button
                  type="button"
                  class="link small"
                  onClick={() => onCut(cut.filter((other) => other !== begin))}
                >
                  join with step {index}
                </button>
              )}
            </li>
          );
        })}
      </ol>
      {isOther
        ? (
          <WorkBox
            key={cut.join(".")}
            what="the trace of these steps"
            standing={`${cut.length} steps are cut otherwise than above.`}
            verb="Trace these steps"
            aside
            start={start}
          />
        )
        : null}
      <p>
        <button type="button" onClick={() => onCut([])}>Leave the steps as they are</button>
      </p>
    </section>
  );
}
