/// <reference lib="dom" />
/** @jsxImportSource preact */
/** The parts of a trace below each other: sentences of the prompt, steps, the error. A click shows one part's chain alone. */
import { useMemo, useRef } from "preact/hooks";
import type { TraceRoute } from "../shell/route.ts";
import type { Trace } from "./documents.ts";
import { asPercent } from "./percent.ts";
import { TraceArcs } from "./trace_arcs.tsx";
import { type Flow, type Isolated, type Line, linesOf, type Part } from "./trace_flow.ts";

const KINDS: Readonly<Record<Part["kind"], string>> = {
  SENTENCE_OF_PROMPT: "",
  SENTENCE: "",
  LINE: "",
  THOUGHT: "thought",
  TOOL_CALL: "tool call",
  TOOL_OUTPUT: "tool output",
  CHOSEN: "",
  ERROR: "",
};

/** Characters that a text has to have to be folded. */
const LONG = 220;

interface LinesProps {
  readonly route: TraceRoute;
  readonly trace: Trace;
  readonly parts: readonly Part[];
  readonly flows: readonly Flow[];
  /** The chosen part's chain; undefined where none is chosen. */
  readonly isolated: Isolated | undefined;
  readonly onChange: (part: Partial<TraceRoute>) => void;
}

export function TraceLines(props: LinesProps) {
  const { route, parts, flows, isolated, onChange } = props;
  const list = useRef<HTMLOListElement>(null);
  const lines = useMemo(() => {
    const chain = (number: number) => isolated?.ancestors.has(number) || isolated?.descendants.has(number);
    const isShown = ({ number, kind, weight }: Part) =>
      kind === "ERROR" || number === route.part || chain(number) === true || 1000 * weight >= route.least;
    return linesOf(parts, isShown, route.open);
  }, [parts, isolated, route.part, route.least, route.open]);
  const toggled = (all: readonly number[], one: number) =>
    all.includes(one) ? all.filter((other) => other !== one) : [...all, one];
  const move = (event: KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (event.key === "Escape" && route.part !== null) return onChange({ part: null });
    if (step === 0) return;
    const all = [...list.current?.querySelectorAll<HTMLElement>("button.trace-part, button.trace-fold") ?? []];
    const next = all[all.indexOf(event.target as HTMLElement) + step];
    if (next === undefined) return;
    event.preventDefault();
    next.focus();
  };
  return (
    <div class="trace-lines">
      <TraceArcs
        list={list}
        parts={parts}
        flows={isolated?.flows ?? flows}
        layout={`${lines.length} ${route.whole.join(".")} ${route.part}`}
        signed={route.signed}
      />
      <ol ref={list} onKeyDown={move} aria-label="Prompt, steps and error">
        {lines.map((line) => (
          <LineItem
            key={line.part?.number ?? `from ${line.folded?.[0]?.number}`}
            {...props}
            line={line}
            onToggle={{
              open: (number) => onChange({ open: toggled(route.open, number) }),
              whole: (number) => onChange({ whole: toggled(route.whole, number) }),
            }}
          />
        ))}
      </ol>
    </div>
  );
}

interface ItemProps extends LinesProps {
  readonly line: Line;
  readonly onToggle: { readonly open: (number: number) => void; readonly whole: (number: number) => void };
}

function LineItem(props: ItemProps) {
  const { line: { part, folded }, onToggle } = props;
  if (folded === undefined) return <PartItem {...props} part={part} />;
  const [first, last] = [folded[0]!, folded.at(-1)!];
  const sum = folded.reduce((all, { weight }) => all + weight, 0);
  const what = first.kind === "SENTENCE_OF_PROMPT" ? "sentence of the prompt" : "step";
  const count = folded.length === 1 ? `1 ${what}` : `${folded.length} ${what.replace(/^(sentence|step)/, "$1s")}`;
  return (
    <li data-parts={`${first.number}-${last.number}`} class="trace-folded">
      <button
        type="button"
        class="trace-fold link small"
        aria-expanded={false}
        onClick={() => onToggle.open(first.number)}
      >
        {/* Steps lie behind each other: their shares are no parts of a whole. */}
        {count}
        {first.kind === "SENTENCE_OF_PROMPT" ? `, together ${asPercent(sum)}` : ""}
      </button>
    </li>
  );
}

/** What is said of a part beside its text: of the error's relevance, or of the chosen part's, or how it rests on that. */
function amountOf(part: Part, { route, isolated, parts }: LinesProps): { readonly share: number; readonly of: string } {
  const { number, weight, signedWeight } = part;
  if (isolated === undefined || route.part === null) {
    return { share: route.signed ? signedWeight : weight, of: "Share of the error's relevance that reaches it" };
  }
  const chosen = parts[route.part]?.label;
  return number > route.part
    ? { share: isolated.resting[number] ?? 0, of: `Share of it that rests on ${chosen}` }
    : { share: isolated.reached[number] ?? 0, of: `Share of ${chosen} that reaches it` };
}

function PartItem(props: ItemProps & { readonly part: Part }) {
  const { part, route, trace, isolated, onChange, onToggle } = props;
  const { number, kind, label, text } = part;
  const chosen = route.part === number;
  const apart = isolated !== undefined && !chosen && !isolated.ancestors.has(number) &&
    !isolated.descendants.has(number);
  const { share, of } = amountOf(part, props);
  // Shares of a part that is shown alone have no sign.
  const isSigned = route.signed && isolated === undefined;
  const isLong = text.length > LONG;
  const isWhole = route.whole.includes(number);
  const classes = ["trace-line", kind === "SENTENCE_OF_PROMPT" ? "of-prompt" : kind === "ERROR" ? "of-error" : ""];
  if (apart) classes.push("apart");
  const opened = route.open.includes(number);
  return (
    <li data-parts={`${number}-${number}`} data-part={number} class={classes.join(" ")}>
      <button
        type="button"
        class="trace-part"
        aria-pressed={chosen}
        title={chosen ? "Show all parts again" : "Show only what this rests on, and what rests on it"}
        onClick={() => onChange({ part: chosen ? null : number })}
      >
        <span class="trace-label small">
          {label}
          {KINDS[kind] === "" ? null : <span class="quiet">{KINDS[kind]}</span>}
        </span>
        <span class={`trace-text${isLong && !isWhole ? " cut" : ""}`}>
          {isLong && !isWhole
            ? `${text.slice(0, LONG).trimEnd()}…`
            : text.trim() === ""
            ? "(white space)"
            : text.trim()}
        </span>
        <span class="trace-amount" title={of}>
          <span
            class={`trace-bar ${!isSigned ? "" : share < 0 ? "blue" : "red"}`}
            style={{ width: `${Math.min(100, 100 * Math.abs(share))}%` }}
          />
          <span class="number small">{kind === "ERROR" && isolated === undefined ? "all" : asPercent(share)}</span>
        </span>
      </button>
      <div class="trace-marks small">
        {isLong
          ? (
            <button type="button" class="link" aria-expanded={isWhole} onClick={() => onToggle.whole(number)}>
              {isWhole ? "less" : "whole text"}
            </button>
          )
          : null}
        {opened
          ? <button type="button" class="link" aria-expanded onClick={() => onToggle.open(number)}>fold again</button>
          : null}
        <ReachMark trace={trace} step={number - trace.sentences.length} kind={kind} />
      </div>
    </li>
  );
}

/** What continuations from a step's end came to. */
function ReachMark({ trace, step, kind }: {
  readonly trace: Trace;
  readonly step: number;
  readonly kind: Part["kind"];
}) {
  if (kind === "ERROR" || trace.reach == null || step < 0) return null;
  const here = trace.reach.find((reach) => reach.step === step);
  if (here === undefined) return null;
  const passed = here.rollouts.filter((rollout) => rollout.passed).length;
  return (
    <>
      <span class="quiet">
        {passed} of {here.rollouts.length} continuations from here are right
      </span>
      {trace.lostAt === step ? <strong class="red">the right answer is out of reach from here on</strong> : null}
    </>
  );
}
