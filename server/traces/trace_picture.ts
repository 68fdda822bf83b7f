/** A trace as a picture. */
import { svgFile } from "../../figures/markup.tsx";
import { type TraceFigure, traceFigure } from "../../figures/trace.tsx";
import { passedOn } from "../../figures/trace_arc.tsx";
import type { StoredTraceRow } from "../../schema/tables/trace_values.ts";
import type { TraceDocument } from "./trace_json.ts";

/** An SVG file of the light theme. */
export function traceSvg(trace: TraceDocument): string {
  const { target, contrast } = trace.error;
  const what = target && contrast
    ? `${JSON.stringify(target.text)} against ${JSON.stringify(contrast.text)}`
    : "the last step";
  return svgFile(traceFigure({ name: "trace", rule: trace.rule, what, trace: figureOf(trace) }));
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
const flowsOf = (resting: StoredTraceRow, row: number | null) =>
  passedOn(resting).filter(({ share }) => share > 0).map(({ to, share, signed }) => ({
    row,
    column: to,
    share: resting.weight * share,
    signed: resting.signedWeight * signed,
  }));
