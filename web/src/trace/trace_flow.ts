/**
 * What flows between the parts of a trace (docs/traces.md). Parts are the prompt's sentences, then the steps, then the
 * error; each row passes what reaches it on to the parts before it, as shares that leave its own tokens out.
 */
import { passedOn } from "../../../figures/trace_arc.tsx";
import type { StepKind, Trace, TraceRow } from "./documents.ts";

export interface Part {
  /** Its number: its column where it has one. */
  readonly number: number;
  readonly kind: "SENTENCE_OF_PROMPT" | StepKind | "ERROR";
  /** As readers call it: "prompt 3", "step 2", "error". Counted from 1. */
  readonly label: string;
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** Of the error's relevance, what reaches it: absolute share, and the signed form. */
  readonly weight: number;
  readonly signedWeight: number;
  /** What it rests on; null for what no model wrote. */
  readonly row: TraceRow | null;
}

/** Of what reaches a row, what it passes on to a part: `share` of the absolute chain, `signed` of the signed one. */
export interface Flow {
  readonly from: number;
  readonly to: number;
  readonly share: number;
  readonly signed: number;
}

export function partsOf({ sentences, steps, error, tokenCount }: Trace, wrong: string): readonly Part[] {
  const rows = [...steps.flatMap(({ row }, index) => row ? [{ row, index }] : []), { row: error, index: steps.length }];
  const ofSentence = (number: number) => {
    let [weight, signedWeight] = [0, 0];
    for (const { row } of rows) {
      const flow = passedOn(row)[number];
      weight += row.weight * (flow?.share ?? 0);
      signedWeight += row.signedWeight * (flow?.signed ?? 0);
    }
    return { weight, signedWeight };
  };
  const count = sentences.length;
  return [
    ...sentences.map(({ start, end, text }, number): Part => ({
      number,
      kind: "SENTENCE_OF_PROMPT",
      label: `prompt ${number + 1}`,
      text,
      start,
      end,
      ...ofSentence(number),
      row: null,
    })),
    ...steps.map(({ index, kind, text, start, end, weight, signedWeight, row }): Part => ({
      number: count + index,
      kind,
      label: `step ${index + 1}`,
      text,
      start,
      end,
      weight,
      signedWeight,
      row,
    })),
    {
      number: count + steps.length,
      kind: "ERROR",
      label: "error",
      text: wrong,
      start: tokenCount,
      end: tokenCount,
      weight: 1,
      signedWeight: 1,
      row: error,
    },
  ];
}

/** All flows of the error's relevance, largest first. */
export function flowsOf(parts: readonly Part[]): readonly Flow[] {
  return parts.flatMap(({ number, row }) =>
    row === null ? [] : passedOn(row).map(({ to, share, signed }) => ({
      from: number,
      to,
      share: row.weight * share,
      signed: row.signedWeight * signed,
    }))
  ).sort((a, b) => b.share - a.share || b.from - a.from || b.to - a.to);
}

/** A part by itself: what it rests on, and what rests on it. */
export interface Isolated {
  /** Of 1 that reaches the part, what reaches each part before it, [parts]; of parts behind it nothing. */
  readonly reached: readonly number[];
  /** Of 1 that reaches a part behind it, what of that reaches the part, [parts]; of parts before it nothing. */
  readonly resting: readonly number[];
  /** Parts before it that at least LEAST of it reaches, and parts behind it of which at least LEAST reaches it. */
  readonly ancestors: ReadonlySet<number>;
  readonly descendants: ReadonlySet<number>;
  /** Flows of at least LEAST on the way, largest first: from it, and to it of what reaches the row where they begin. */
  readonly flows: readonly Flow[];
}

/** The least share that makes a part an ancestor or a descendant. */
export const LEAST = 0.02;

export function isolate(parts: readonly Part[], chosen: number): Isolated {
  const reached = new Array<number>(parts.length).fill(0);
  const resting = [...reached];
  reached[chosen] = resting[chosen] = 1;
  const flows: Flow[] = [];
  const note = (flow: Flow) => {
    if (flow.share >= LEAST) flows.push(flow);
  };
  for (let number = chosen; number >= 0; number--) {
    const row = parts[number]?.row;
    const here = reached[number]!;
    if (!row || here === 0) continue;
    for (const { to, share, signed } of passedOn(row)) {
      reached[to]! += here * share;
      note({ from: number, to, share: here * share, signed: here * signed });
    }
  }
  for (const { number, row } of parts.slice(chosen + 1)) {
    if (row === null) continue;
    for (const { to, share, signed } of passedOn(row)) {
      const there = to < chosen ? 0 : resting[to]!;
      resting[number]! += share * there;
      note({ from: number, to, share: share * there, signed: signed * there });
    }
  }
  const atLeast = (shares: readonly number[], is: (number: number) => boolean) =>
    new Set(parts.flatMap(({ number }) => is(number) && shares[number]! >= LEAST ? [number] : []));
  return {
    reached,
    resting,
    ancestors: atLeast(reached, (number) => number < chosen),
    descendants: atLeast(resting, (number) => number > chosen),
    flows: flows.sort((a, b) => b.share - a.share),
  };
}

/** What stands below each other: a part, or a run of parts that is folded. */
export type Line =
  | { readonly part: Part; readonly folded?: undefined }
  | { readonly part?: undefined; readonly folded: readonly Part[] };

/** Folds runs of parts that `isShown` leaves out, unless they are opened by their first part. */
export function linesOf(
  parts: readonly Part[],
  isShown: (part: Part) => boolean,
  opened: readonly number[],
): readonly Line[] {
  const lines: Line[] = [];
  let run: Part[] = [];
  const close = () => {
    if (run.length > 0) {
      if (opened.includes(run[0]!.number)) lines.push(...run.map((part) => ({ part })));
      else lines.push({ folded: run });
    }
    run = [];
  };
  for (const part of parts) {
    // Sentences of the prompt and steps are no run together.
    if (run.length > 0 && (run[0]!.kind === "SENTENCE_OF_PROMPT") !== (part.kind === "SENTENCE_OF_PROMPT")) close();
    if (isShown(part)) {
      close();
      lines.push({ part });
    } else run.push(part);
  }
  close();
  return lines;
}
