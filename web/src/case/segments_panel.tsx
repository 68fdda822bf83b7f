/** @jsxImportSource preact */
/** Which tokens of the prompt state the constraint: found from marked phrases, changed by clicking, and undone. */
import { useState } from "preact/hooks";
import { request } from "../shell/client.ts";
import { type Case, type SegmentRange, SET_SEGMENTS, type Token } from "../heat/documents.ts";
import { rangesOf } from "./segment_ranges.ts";
import { quoteToken } from "../../../figures/token_text.ts";
import { TokenGlyphs } from "../heat/token_glyphs.tsx";

/** Tokens shown at most; longer prompts are edited through the API. */
const SHOWN = 3000;

export function SegmentsPanel(props: {
  readonly failureCase: Case;
  readonly tokens: readonly Token[];
  readonly onDone: () => void;
}) {
  const { failureCase: { id, promptTokens, segmentsEdited }, tokens, onDone } = props;
  const [changed, setChanged] = useState<ReadonlyMap<number, boolean>>(new Map());
  const [said, setSaid] = useState<{ readonly text: string; readonly bad: boolean }>();
  const shown = tokens.slice(0, Math.min(promptTokens, SHOWN));
  const instruction = (token: Token) => changed.get(token.position) ?? token.segment === "INSTRUCTION";
  const toggle = (token: Token) => {
    const next = new Map(changed);
    const now = !instruction(token);
    if (now === (token.segment === "INSTRUCTION")) next.delete(token.position);
    else next.set(token.position, now);
    setChanged(next);
  };
  const send = async (ranges: readonly SegmentRange[]) => {
    try {
      const { setSegments } = await request(SET_SEGMENTS, { id, ranges });
      const problem = setSegments.__typename === "InputError" ? setSegments.problem : undefined;
      setSaid({ text: problem ?? "Stored. Attributions computed from now on use it.", bad: problem !== undefined });
      if (problem !== undefined) return;
      setChanged(new Map());
      onDone();
    } catch (error) {
      setSaid({ text: (error as Error).message, bad: true });
    }
  };
  return (
    <div class="annotate">
      <p class="quiet small">
        Underlined tokens state the constraint. Click a token to change that.
        {segmentsEdited ? " A person changed these before." : ""}
        {promptTokens > SHOWN ? ` The first ${SHOWN} tokens are shown.` : ""}
      </p>
      <div class="completion-tokens" role="group" aria-label="Tokens of the prompt: choose those of the instruction">
        {shown.map((token) => (
          <button
            key={token.position}
            type="button"
            class={`completion-token${instruction(token) ? " instruction" : ""}`}
            disabled={token.special}
            aria-pressed={instruction(token)}
            aria-label={`${quoteToken(token.text)}, token ${token.position}`}
            onClick={() => toggle(token)}
          >
            <TokenGlyphs text={token.text} running={false} />
          </button>
        ))}
      </div>
      <p class="annotate-buttons">
        <button type="button" class="strong" disabled={changed.size === 0} onClick={() => send(rangesOf(changed))}>
          Store the segments
        </button>
        {segmentsEdited ? <button type="button" onClick={() => send([])}>As they were found</button> : null}
      </p>
      <p role={said?.bad === true ? "alert" : "status"} class="small">{said?.text ?? ""}</p>
    </div>
  );
}
