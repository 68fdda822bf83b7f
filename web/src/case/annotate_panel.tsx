/// <reference lib="dom" />
/** @jsxImportSource preact */
/** Marking by hand: click the first wrong token of the response, say which token should have come, or leave the case out. */
import { useState } from "preact/hooks";
import { ofType, type VariablesOf } from "../shell/graphql.ts";
import { request } from "../shell/client.ts";
import { Trouble, Waiting } from "../shell/notice.tsx";
import { ANNOTATE, type Case, type Pair, READ_ANNOTATION_PROMPT, type Token } from "../heat/documents.ts";
import { readCandidates, readCompletion } from "../heat/read_case.ts";
import { useReaderName } from "./reader_name.ts";
import { TokenBox, TokenGlyphs } from "../heat/token_glyphs.tsx";
import { useLoad } from "../shell/use_load.ts";

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
    <div class="completion-tokens" role="group" aria-label="Tokens of the response: choose the first wrong one">
      {props.tokens.map(({ position, text }) => (
        <button
          key={position}
          type="button"
          class={`completion-token${position === props.chosen ? " chosen" : ""}`}
          aria-pressed={position === props.chosen}
          title={`Token ${position} of the response`}
          onClick={() => props.onChoose(position)}
        >
          <TokenGlyphs text={text} running={false} />
        </button>
      ))}
    </div>
  );
}

/** What was answered to the last thing that was asked for. */
interface Said {
  readonly text: string;
  readonly bad: boolean;
}

async function storeAnnotation(input: VariablesOf<typeof ANNOTATE>["input"]): Promise<Said> {
  try {
    const { annotateCase } = await request(ANNOTATE, { input });
    return annotateCase.__typename === "InputError"
      ? { text: annotateCase.problem, bad: true }
      : { text: "Stored. A search job computes the pair's logits.", bad: false };
  } catch (error) {
    return { text: (error as Error).message, bad: true };
  }
}

async function copyPrompt(id: string): Promise<Said> {
  try {
    const { node } = await request(READ_ANNOTATION_PROMPT, { id });
    await navigator.clipboard.writeText(ofType(node, "FailureCase")?.annotationPrompt ?? "");
    return { text: "Copied. Import the answers with --from annotations.", bad: false };
  } catch (error) {
    return { text: (error as Error).message, bad: true };
  }
}

function TextField(props: {
  readonly name: string;
  readonly value: string;
  readonly wide?: boolean;
  readonly onChange: (value: string) => void;
}) {
  return (
    <label class={props.wide === true ? "field wide" : "field"}>
      {props.name}
      <input
        type="text"
        value={props.value}
        spellcheck={props.wide === true ? undefined : false}
        autocomplete={props.wide === true ? undefined : "off"}
        onInput={({ currentTarget }) => props.onChange(currentTarget.value)}
      />
    </label>
  );
}

function KnownAlternatives({ known, onUse }: {
  readonly known: ReturnType<typeof useKnown>;
  readonly onUse: (text: string) => void;
}) {
  if (known.length === 0) return null;
  return (
    <p class="small">
      Known alternatives here: {known.map(({ id, text, passed }) => (
        <button
          key={id}
          type="button"
          class="link"
          title={passed === true ? "Its completion passes" : "Use it"}
          onClick={() => onUse(text)}
        >
          <TokenBox text={text} side={passed === true ? "blue" : undefined} />
        </button>
      ))}
    </p>
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
  const [annotator, setAnnotator] = useReaderName();
  const [position, setPosition] = useState<number>();
  const [contrast, setContrast] = useState("");
  const [reason, setReason] = useState("");
  const [said, setSaid] = useState<Said>();
  const known = useKnown(failureCase, pair, position);

  const send = async (decision: "PAIR" | "EXCLUDE") => {
    const target = tokens.data?.find((token) => token.position === position);
    const chosen = decision === "EXCLUDE" || target === undefined
      ? {}
      : { position: target.position, targetId: target.id, contrastText: contrast };
    const stored = await storeAnnotation({ failureCaseId: id, annotator, decision, reason, ...chosen });
    setSaid(stored);
    if (!stored.bad) onDone();
  };

  if (tokens.error !== undefined) return <Trouble error={tokens.error} onRetry={tokens.reload} />;
  if (tokens.data === undefined) return <Waiting what="the response's tokens" />;
  const nameless = annotator.trim() === "";
  return (
    <div class="annotate">
      <p class="quiet small">The response as the model wrote it. Click its first wrong token.</p>
      <CompletionTokens tokens={tokens.data} chosen={position} onChoose={setPosition} />
      <form class="filter" onSubmit={(event) => event.preventDefault()}>
        <TextField name="Right token, with its leading space" value={contrast} onChange={setContrast} />
        <TextField name="Your name" value={annotator} onChange={setAnnotator} />
        <TextField name="Why" value={reason} wide onChange={setReason} />
      </form>
      <KnownAlternatives known={known} onUse={setContrast} />
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
        <button type="button" class="link small" onClick={async () => setSaid(await copyPrompt(id))}>
          Copy a prompt for an outside annotator
        </button>
      </p>
      <p role={said?.bad === true ? "alert" : "status"} class="small">{said?.text ?? ""}</p>
    </div>
  );
}
