/** @jsxImportSource preact */
/** Prompt and completion on the colours of what reaches each token: through the whole chain, at once, or of one step. */
import { useMemo } from "preact/hooks";
import { quoteToken } from "../../../figures/token_text.ts";
import type { Token } from "../heat/documents.ts";
import { TokenFlow } from "../heat/token_flow.tsx";
import { Choice } from "../shell/choice.tsx";
import { Trouble, Waiting } from "../shell/notice.tsx";
import type { TraceRoute } from "../shell/route.ts";
import { useLoad } from "../shell/use_load.ts";
import type { Trace, TracedPair } from "./documents.ts";
import { readTraceHeat, type WantedHeat } from "./read_trace.ts";
import type { Part } from "./trace_flow.ts";

/** What is asked for: the chosen step's own relevance only where one is chosen that has any. */
function wantedOf({ heat, signed, part }: TraceRoute, trace: Trace, parts: readonly Part[]): WantedHeat {
  const chosen = part === null ? undefined : parts[part];
  if (heat === "step" && chosen?.row && chosen.kind !== "ERROR") {
    return { step: chosen.number - trace.sentences.length };
  }
  return heat === "chain" ? { signed } : { step: null };
}

function meaningOf(wanted: WantedHeat, pair: TracedPair): string {
  if (!("signed" in wanted)) {
    return wanted.step === null
      ? "Raw relevance of the error on each token at once, in logits: red speaks for the wrong token."
      : `Raw relevance of step ${
        wanted.step + 1
      } as a whole on each token before it, in logits: red speaks for what it says.`;
  }
  return wanted.signed
    ? `What reaches each token through the steps, signed: red speaks for ${
      quoteToken(pair.target.text)
    }, blue against it.`
    : "How much of the error's relevance reaches each token through the steps, as share: special tokens have what is lost.";
}

export function TraceHeat(props: {
  readonly route: TraceRoute;
  readonly pair: TracedPair;
  readonly trace: Trace;
  readonly parts: readonly Part[];
  readonly tokens: readonly Token[];
  readonly onChange: (part: Partial<TraceRoute>) => void;
}) {
  const { route, pair, trace, parts, tokens, onChange } = props;
  const wanted = wantedOf(route, trace, parts);
  const reading = useLoad(
    `${trace.id} ${JSON.stringify(wanted)}`,
    (signal) => readTraceHeat(trace, wanted, tokens, signal),
  );
  const view = useMemo(() => ({ values: "raw", special: false }) as const, []);
  const chosen = route.part === null ? undefined : parts[route.part];
  const hasOwn = chosen?.row != null && chosen.kind !== "ERROR";
  const isOfStep = hasOwn && route.heat === "step";
  // The text goes to a step whose relevance is asked for; a part that is shown alone stays in sight.
  const asked = useMemo(
    () => isOfStep ? { position: chosen.start } : undefined,
    [isOfStep, chosen?.number, trace.id],
  );
  return (
    <section class="trace-heat" aria-label="Relevance over the text" aria-busy={reading.loading}>
      <h2>Where it comes from in the text</h2>
      <Choice
        label="Relevance"
        value={"step" in wanted && wanted.step !== null ? "step" : route.heat === "chain" ? "chain" : "direct"}
        options={[
          { value: "chain", label: "through the steps", title: "The error's, sent back through the whole chain" },
          { value: "direct", label: "at once", title: "The error's, as the heatmap of the case has it" },
          {
            value: "step",
            label: hasOwn ? `of ${chosen.label}` : "of a step",
            title: "That of the step that is chosen above",
            faint: !hasOwn,
          },
        ]}
        onChange={(heat) => onChange({ heat })}
      />
      {reading.error === undefined ? null : <Trouble error={reading.error} onRetry={reading.reload} />}
      <p class="quiet small">{meaningOf(wanted, pair)}</p>
      <div class="flow">
        <TokenFlow
          tokens={tokens}
          promptTokens={pair.failureCase.promptTokens}
          heat={reading.data}
          view={view}
          asked={asked}
          end={null}
        />
      </div>
      {reading.data === undefined && reading.error === undefined ? <Waiting what="relevance" /> : null}
    </section>
  );
}
