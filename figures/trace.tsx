/** @jsxImportSource preact */
/** A trace: the prompt's sentences, the steps and the error below each other, with arcs to what each rests on. */
import { fixed } from "./number_text.ts";
import { type Drawing, px, usePaint } from "./picture.tsx";
import { cut, textWidth } from "./text_width.ts";
import { TraceArc } from "./trace_arc.tsx";

interface Place {
  readonly text: string;
  /** Of the error's relevance, what reaches it, as absolute share and in the signed form. */
  readonly weight: number;
  readonly signedWeight: number;
}

export interface TraceFigure {
  readonly sentences: readonly Place[];
  /** `kind`: what it is, in a word or two. */
  readonly steps: readonly (Place & { readonly kind: string; readonly lost: number })[];
  readonly error: { readonly text: string; readonly lost: number };
  /** Of what reaches a row, what it passes on to a column, as share of the error's relevance. */
  readonly flows: readonly {
    /** A step's index; null for the error. */
    readonly row: number | null;
    /** A sentence's index, or the number of sentences and a step's index. */
    readonly column: number;
    readonly share: number;
    readonly signed: number;
  }[];
}

const NOTE =
  "Arcs lead from what is explained to what it rests on; their width is the share of the error's relevance " +
  "that goes that way. Red speaks for the error, blue against it. Numbers are percent.";

const ROW = 22;
const ARCS = 150;
const WIDTH = 760;
const FONT = 12;
const TOP = 34;
/** Sentences, steps and arcs that are drawn: those of largest share. */
const MOST = { sentences: 24, steps: 60, flows: 120 } as const;
/** An arc of less is not seen. */
const LEAST_FLOW = 0.004;

interface Line extends Place {
  /** Its column; null for the error. */
  readonly column: number | null;
  readonly label: string;
  readonly kind?: string;
  readonly lost: number | null;
}

/** Indices of the largest values, ascending. */
function largest(values: readonly number[], most: number): readonly number[] {
  return [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b).slice(0, most).sort((a, b) => a - b);
}

function linesOf({ sentences, steps, error }: TraceFigure): readonly Line[] {
  const weights = (places: readonly Place[]) => places.map(({ weight }) => weight);
  return [
    ...largest(weights(sentences), MOST.sentences).map((index): Line => ({
      ...sentences[index]!,
      column: index,
      label: `prompt ${index}`,
      lost: null,
    })),
    ...largest(weights(steps), MOST.steps).map((index): Line => ({
      ...steps[index]!,
      column: sentences.length + index,
      label: `step ${index}`,
      kind: steps[index]!.kind,
    })),
    { ...error, weight: 1, signedWeight: 1, column: null, label: "error" },
  ];
}

function Mark({ line, x, y }: { readonly line: Line; readonly x: number; readonly y: number }) {
  const { weight, signedWeight, label, kind, lost } = line;
  const sign = weight > 0 ? Math.max(-1, Math.min(1, signedWeight / weight)) : 0;
  const more = lost === null ? "" : `, ${fixed(100 * lost, 1)} % lost here`;
  return (
    <circle
      class="outline"
      cx={x}
      cy={y}
      r={px(2 + 6 * Math.sqrt(weight))}
      style={`fill:${usePaint()(sign).background}`}
    >
      <title>
        {`${label}${kind === undefined ? "" : ` (${kind})`}: ${fixed(100 * weight, 1)} % of the error's relevance, ${
          fixed(100 * signedWeight, 1)
        } % signed${more}`}
      </title>
    </circle>
  );
}

/** `rule`, and `what` is explained: a pair of tokens, or the last step. */
export function traceFigure(
  { name, rule, what, trace }: {
    readonly name: string;
    readonly rule: string;
    readonly what: string;
    readonly trace: TraceFigure;
  },
): Drawing {
  const lines = linesOf(trace);
  const y = (index: number) => TOP + ROW * index;
  const at = new Map(lines.map(({ column }, index) => [column, index]));
  const flows = trace.flows.filter(({ share }) => share >= LEAST_FLOW).toSorted((a, b) => b.share - a.share)
    .flatMap((flow) => {
      const from = at.get(flow.row === null ? null : trace.sentences.length + flow.row);
      const to = at.get(flow.column);
      return from === undefined || to === undefined ? [] : [{ ...flow, from, to }];
    }).slice(0, MOST.flows);
  const label = Math.max(...lines.map((line) => textWidth(line.label, FONT))) + 12;
  const left = ARCS + 16;
  const hidden = trace.sentences.length + trace.steps.length + 1 - lines.length;
  const height = TOP + ROW * lines.length;
  return {
    name,
    title: "What the error rests on, through the steps of the completion",
    note: `${rule}: ${what}. ${NOTE}` +
      (hidden === 0 ? "" : ` ${hidden} sentences and steps of the smallest shares are left out.`),
    width: WIDTH,
    height,
    content: (
      <>
        <text class="quiet" x={left + label} y={16}>share of the error's relevance that arrives, and what it says</text>
        {flows.map(({ from, to, share, signed }, index) => (
          <TraceArc
            key={index}
            x={ARCS}
            y={[y(from), y(to)]}
            share={share}
            largest={flows[0]!.share}
            signed={signed}
            said={`${lines[from]!.label} rests on ${lines[to]!.label}: ${
              fixed(100 * share, 1)
            } % of the error's relevance, ${fixed(100 * signed, 1)} % signed`}
          />
        ))}
        {lines.map((line, index) => (
          <g key={index}>
            <Mark line={line} x={ARCS} y={y(index)} />
            <text class="quiet" x={left} y={y(index) + 4}>{line.label}</text>
            <text x={left + label} y={y(index) + 4}>{fixed(100 * line.weight, 1)}</text>
            <text x={left + label + 40} y={y(index) + 4}>
              {cut(line.text.replaceAll(/\s+/g, " "), FONT, WIDTH - left - label - 52)}
              <title>{line.text}</title>
            </text>
          </g>
        ))}
      </>
    ),
    table: {
      columns: ["part", "text", "share", "signed share", "lost"],
      rows: lines.map(({ label, text, weight, signedWeight, lost }) => [label, text, weight, signedWeight, lost]),
    },
  };
}
