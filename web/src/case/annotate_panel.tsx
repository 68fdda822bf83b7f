/// <reference lib="dom" />
/** @jsxImportSource preact */
/** Marking by hand: click the first wrong token of the answer, say which token should have come, or leave the case out. */
import { useEffect, useState } from "preact/hooks";
import { ofType } from "../shell/graphql.ts";
import { request } from "../shell/client.ts";
import { Trouble, Waiting } from "../shell/notice.tsx";
import { ANNOTATE, type Case, type Pair, READ_ANNOTATION_PROMPT, type Token } from "../heat/documents.ts";
import { readCandidates, readCompletion } from "../heat/read_case.ts";
import { TokenBox, TokenGlyphs } from "../heat/token_glyphs.tsx";
import { useLoad } from "../shell/use_load.ts";

/** Who annotates is remembered for the next case. */
const NAME_KEY = "culprit.annotator";

/** The alternatives that are known at a position of the completion. */
function useKnown(failureCase: Case, pair: Pair | undefined, position: number | undefined) {
  const pairAt = failureCase.tokenCount - failureCase.promptTokens;
  const asked = pair !== undefined && position === pairAt;
  const { data } = useLoad(asked ? `known ${pair.id}` : null, (signal) => readCandidates(pair?.id ?? "", signal));
  return (asked ? data ?? [] : []).filter(({ rank }) => rank > 0);
}

function CompletionTokens(props: {
  readonly tokens: readonly Token[];
  readonly chosen: number | undefined;
  readonly onChoose: (position: number) => void;
}) {
  return (
    <div class="completion-tokens" role="group" aria-label="Tokens of the answer: choose the first wrong one">
      {props.tokens.map(({ position, text }) => (
        <button
          key={position}
          type="button"
          class={`completion-token${position === props.chosen ? " chosen" : ""}`}
          aria-pressed={position === props.chosen}
          title={`Token ${position} of the answer`}
          onClick={() => props.onChoose(position)}
        >
          <TokenGlyphs text={text} running={false} />
        </button>
      ))}
    </div>
  );
}

export function AnnotatePanel(props: {
  readonly failureCase: Case;
  readonly pair: Pair | undefined;
  readonly onDone: () => void;
}) {
  const { failureCase, pair, onDone } = props;
  const { id, completionTokenCount } = failureCase;
  const tokens = useLoad(`completion ${id}`, (signal) => readCompletion(id, completionTokenCount, signal));
  const [annotator, setAnnotator] = useState(() => localStorage.getItem(NAME_KEY) ?? "");
  const [position, setPosition] = useState<number>();
  const [contrast, setContrast] = useState("");
  const [reason, setReason] = useState("");
  const [said, setSaid] = useState<{ readonly text: string; readonly bad: boolean }>();
  const known = useKnown(failureCase, pair, position);
  useEffect(() => localStorage.setItem(NAME_KEY, annotator), [annotator]);

  const send = async (decision: "PAIR" | "EXCLUDE") => {
    const target = tokens.data?.find((token) => token.position === position);
    const chosen = decision === "EXCLUDE" || target === undefined
      ? {}
      : { position: target.position, targetId: target.id, contrastText: contrast };
    try {
      const { annotateCase } = await request(ANNOTATE, {
        input: { failureCaseId: id, annotator, decision, reason, ...chosen },
      });
      const problem = annotateCase.__typename === "InputError" ? annotateCase.problem : undefined;
      setSaid({ text: problem ?? "Stored. A search job computes the pair's logits.", bad: problem !== undefined });
      if (problem === undefined) onDone();
    } catch (error) {
      setSaid({ text: (error as Error).message, bad: true });
    }
  };
  const copyPrompt = async () => {
    const { node } = await request(READ_ANNOTATION_PROMPT, { id });
    await navigator.clipboard.writeText(ofType(node, "FailureCase")?.annotationPrompt ?? "");
    setSaid({ text: "Copied. Import the answers with --from annotations.", bad: false });
  };

  if (tokens.error !== undefined) return <Trouble error={tokens.error} onRetry={tokens.reload} />;
  if (tokens.data === undefined) return <Waiting what="the answer's tokens" />;
  const nameless = annotator.trim() === "";
  return (
    <div class="annotate">
      <p class="quiet small">The answer as the model wrote it. Click its first wrong token.</p>
      <CompletionTokens tokens={tokens.data} chosen={position} onChoose={setPosition} />
      <form class="filter" onSubmit={(event) => event.preventDefault()}>
        <label class="field">
          Right token, with its leading space
          <input
            type="text"
            value={contrast}
            spellcheck={false}
            autocomplete="off"
            onInput={({ currentTarget }) => setContrast(currentTarget.value)}
          />
        </label>
        <label class="field">
          Your name
          <input
            type="text"
            value={annotator}
            autocomplete="off"
            onInput={({ currentTarget }) => setAnnotator(currentTarget.value)}
          />
        </label>
        <label class="field wide">
          Why
          <input type="text" value={reason} onInput={({ currentTarget }) => setReason(currentTarget.value)} />
        </label>
      </form>
      {known.length === 0 ? null : (
        <p class="small">
          Known alternatives here: {known.map((candidate) => (
            <button
              key={candidate.id}
              type="button"
              class="link"
              title={candidate.passed === true ? "Its completion passes" : "Use it"}
              onClick={() => setContrast(candidate.text)}
            >
              <TokenBox text={candidate.text} side={candidate.passed === true ? "blue" : undefined} />
            </button>
          ))}
        </p>
      )}
      <p class="annotate-buttons">
        <button
          type="button"
          class="strong"
          disabled={nameless || position === undefined || contrast === ""}
          onClick={() => send("PAIR")}
        >
          Store this pair
        </button>
        <button type="button" disabled={nameless || reason === ""} onClick={() => send("EXCLUDE")}>
          Leave the case out
        </button>
        <button
          type="button"
          class="link small"
          onClick={() => copyPrompt().catch((error: Error) => setSaid({ text: error.message, bad: true }))}
        >
          Copy a prompt for an outside annotator
        </button>
      </p>
      <p role={said?.bad === true ? "alert" : "status"} class="small">{said?.text ?? ""}</p>
    </div>
  );
}
