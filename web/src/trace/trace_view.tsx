/** @jsxImportSource preact */
/** One trace: its parts with arcs, the text on the colours of the chain, the steps cut otherwise, and its files. */
import { useMemo } from "preact/hooks";
import { quoteToken } from "../../../figures/token_text.ts";
import { traceFigure } from "../../../figures/trace.tsx";
import type { Token } from "../heat/documents.ts";
import { DownloadLink } from "../shell/download_link.tsx";
import { SaveFigure } from "../shell/figure_frame.tsx";
import { Fold } from "../shell/fold.tsx";
import { fileName } from "../shell/picture_files.tsx";
import type { TraceRoute } from "../shell/route.ts";
import type { Trace, TracedPair } from "./documents.ts";
import { asPercent } from "./percent.ts";
import { startTrace } from "./read_trace.ts";
import { StepCutter } from "./step_cutter.tsx";
import { type Flow, flowsOf, isolate, type Part, partsOf } from "./trace_flow.ts";
import { TraceHeat } from "./trace_heat.tsx";
import { TraceLines } from "./trace_lines.tsx";

export function TraceView(props: {
  readonly route: TraceRoute;
  readonly pair: TracedPair;
  readonly trace: Trace;
  readonly tokens: readonly Token[];
  readonly onChange: (part: Partial<TraceRoute>) => void;
}) {
  const { route, pair, trace, tokens, onChange } = props;
  const parts = useMemo(
    () => partsOf(trace, `${quoteToken(pair.target.text)} instead of ${quoteToken(pair.contrast.text)}`),
    [trace, pair],
  );
  const flows = useMemo(() => flowsOf(parts), [parts]);
  const chosen = route.part !== null && route.part < parts.length ? route.part : null;
  const isolated = useMemo(() => chosen === null ? undefined : isolate(parts, chosen), [parts, chosen]);
  const cut = route.cut.filter((begin) => begin < trace.tokenCount);
  return (
    <>
      <p class="quiet small" role="status">{sayChain(parts, chosen, trace)}</p>
      <TraceLines
        route={route}
        trace={trace}
        parts={parts}
        flows={flows}
        isolated={isolated}
        onChange={onChange}
      />
      <p class="exports small">
        Save all numbers of this trace as{" "}
        <DownloadLink path={trace.json} name={`${fileName(pair.failureCase.key)}-trace.json`}>JSON</DownloadLink>
      </p>
      <SaveFigure what="this trace" draw={() => figureOf(trace, pair, parts, flows)} />
      <TraceHeat route={route} pair={pair} trace={trace} parts={parts} tokens={tokens} onChange={onChange} />
      <Fold title="The parts as a table">{() => <PartTable parts={parts} />}</Fold>
      {cut.length > 0
        ? (
          <StepCutter
            trace={trace}
            tokens={tokens}
            cut={cut}
            onCut={(cut) => onChange({ cut })}
            start={() => startTrace(pair.id, route.rule, { boundaries: cut, rollouts: 0 })}
          />
        )
        : (
          <p>
            <button type="button" onClick={() => onChange({ cut: trace.steps.map(({ start }) => start) })}>
              Cut the steps otherwise
            </button>
          </p>
        )}
      <p class="quiet small">Computed on {trace.adapter} in {trace.seconds.toFixed(2)} s.</p>
    </>
  );
}

/** The figure that the server's file of this trace has. */
function figureOf(trace: Trace, pair: TracedPair, parts: readonly Part[], flows: readonly Flow[]) {
  const { target, contrast, failureCase } = pair;
  const count = trace.sentences.length;
  const place = ({ text, weight, signedWeight }: Part) => ({ text, weight, signedWeight });
  return traceFigure({
    name: `${fileName(failureCase.key)}-trace`,
    rule: trace.rule.toLowerCase(),
    what: `${JSON.stringify(target.text)} against ${JSON.stringify(contrast.text)}`,
    trace: {
      sentences: parts.slice(0, count).map(place),
      steps: parts.slice(count, -1).map((part) => ({
        ...place(part),
        kind: part.kind.toLowerCase().replace("_", " "),
        lost: part.row?.lost ?? 0,
      })),
      error: { text: `${target.text} instead of ${contrast.text}`, lost: trace.error.lost },
      flows: flows.map(({ from, to, share, signed }) => ({
        row: from === parts.length - 1 ? null : from - count,
        column: to,
        share,
        signed,
      })),
    },
  });
}

/** What is lost on the way, and which part is shown alone. */
function sayChain(parts: readonly Part[], chosen: number | null, trace: Trace): string {
  const total = (amount: (part: Part) => number) => parts.reduce((sum, part) => sum + amount(part), 0);
  const ofKind = (kind: Part["kind"]) => total((part) => part.kind === kind ? part.weight : 0);
  const lost = total(({ row }) => row?.lost ?? 0);
  const outputs = ofKind("TOOL_OUTPUT");
  const part = chosen === null
    ? "Choose a part to see it alone with what it rests on and what rests on it; Escape shows all again."
    : `Shown alone: ${parts[chosen]!.label}, what it rests on with shares of it, and what rests on it.`;
  return `Of the error's relevance ${asPercent(ofKind("SENTENCE_OF_PROMPT"))} comes from the prompt${
    outputs === 0 ? "" : `, ${asPercent(outputs)} from what tools gave back`
  }; ${asPercent(lost)} ends on special tokens on the way.${sayReach(trace)} ${part}`;
}

/** From where on the right answer is out of reach, where continuations were tried. */
function sayReach({ reach, lostAt }: Trace): string {
  if (reach == null) return "";
  if (lostAt !== null) return ` From the end of step ${lostAt + 1} on the right answer is out of reach.`;
  return reach.some(({ completion }) => completion !== null)
    ? " The right answer is within reach to the last step."
    : " No continuation that was tried is right, from the prompt's end on.";
}

function PartTable({ parts }: { readonly parts: readonly Part[] }) {
  return (
    <div class="scroll">
      <table class="trace-table">
        <thead>
          <tr>
            <th>part</th>
            <th>tokens</th>
            <th>share</th>
            <th>signed share</th>
            <th>lost</th>
            <th>text</th>
          </tr>
        </thead>
        <tbody>
          {parts.map(({ number, label, start, end, weight, signedWeight, row, text }) => (
            <tr key={number}>
              <th scope="row">{label}</th>
              <td class="number">{start === end ? start : `${start} to ${end - 1}`}</td>
              <td class="number">{asPercent(weight)}</td>
              <td class="number">{asPercent(signedWeight)}</td>
              <td class="number">{row === null ? "" : asPercent(row.lost)}</td>
              <td>{text.trim().slice(0, 120)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
