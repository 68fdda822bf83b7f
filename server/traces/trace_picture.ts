/** A trace as a picture. */
import { svgFile } from "../../figures/markup.tsx";
import { type TraceFigure, traceFigure } from "../../figures/trace.tsx";
import type { StoredTraceRow } from "../../schema/tables/trace_values.ts";
import type { TraceDocument } from "./trace_json.ts";

/** An SVG file of the light theme. */
export function traceSvg(trace: TraceDocument): string {
  const { target, contrast } = trace.error;
  const pair = target && contrast
    ? `${JSON.stringify(target.text)} against ${JSON.stringify(contrast.text)}`
    : "the last step";
  const note =
    `${trace.rule}: ${pair}. Arcs lead from what is explained to what it rests on; their width is the share of ` +
    "the error's relevance that goes that way. Red speaks for the error, blue against it. Numbers are percent.";
  return svgFile(traceFigure({ name: "trace", note, trace: figureOf(trace) }));
}

function figureOf(trace: TraceDocument): TraceFigure {
  const { sentences, error, heat, signedHeat } = trace;
  // Where the last step is what is explained, it is the error.
  const steps = error.target === null ? trace.steps.slice(0, -1) : trace.steps;
  const within = (values: readonly number[], { start, end }: { readonly start: number; readonly end: number }) =>
    values.slice(start, end).reduce((sum, value) => sum + value, 0);
  const text = error.target === null
    ? trace.steps.at(-1)!.text
    : `${error.target.text} instead of ${error.contrast!.text}`;
  return {
    sentences: sentences.map((one) => ({
      text: one.text,
      weight: within(heat, one),
      signedWeight: within(signedHeat, one),
    })),
    steps: steps.map(({ text, kind, weight, signedWeight, row }) => ({
      text,
      kind: kind.replace("_", " "),
      weight,
      signedWeight,
      lost: row?.lost ?? 0,
    })),
    error: { text, lost: error.lost },
    flows: [
      ...steps.flatMap(({ row }, index) => row ? flowsOf(row, index) : []),
      ...flowsOf(error, null),
    ],
  };
}

/** What a row passes on to each column. */
function flowsOf({ weight, signedWeight, shares, signed, absolute, own }: StoredTraceRow, row: number | null) {
  if (absolute === 0 || own >= 1) return [];
  return shares.map((share, column) => ({
    row,
    column,
    share: weight * share / (1 - own),
    signed: signedWeight * signed[column]! / (absolute * (1 - own)),
  })).filter(({ share }) => share > 0);
}
