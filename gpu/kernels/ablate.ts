/** Columns of some rows set to zero: heads and neurons that are ablated. Source: ablate.wgsl. */
import { type Device, MAX_WORKGROUPS } from "../device/device.ts";
import { columns4 } from "./panels.ts";

/** Columns of the rows of one sequence. */
export interface Span {
  readonly firstRow: number;
  readonly rows: number;
  readonly firstColumn: number;
  readonly columns: number;
  /** Only rows that were sent to this expert; 0 where there are none. */
  readonly expert: number;
}

/** Words of a span. */
const SPAN_WORDS = 5;

/** Spans as the kernel reads them. */
export function spanWords(spans: readonly Span[]): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(spans.length * SPAN_WORDS);
  spans.forEach(({ firstRow, rows, firstColumn, columns, expert }, index) =>
    words.set([firstRow, rows, firstColumn, columns, expert], index * SPAN_WORDS)
  );
  return words;
}

export interface Ablated {
  /** Of `spanWords`, those from `start` on. */
  readonly spans: GPUBuffer;
  readonly start: number;
  readonly count: number;
  /** u32 [rows]: 1 where spans hold. */
  readonly marked: GPUBuffer;
  /** [rows * rowsPerToken, columns] */
  readonly x: GPUBuffer;
  readonly columns: number;
  /** Experts of rows of x, u32 [rows * rowsPerToken]. */
  readonly chosen?: { readonly experts: GPUBuffer; readonly rowsPerToken: number } | undefined;
}

/** Records x = 0 in all spans. */
export function ablate(device: Device, { spans, start, count, marked, x, columns, chosen }: Ablated): void {
  if (count === 0) return;
  const across = Math.min(count, MAX_WORKGROUPS);
  device.run({
    kernel: "ablate",
    constants: { EXPERTS: chosen ? "yes" : "no" },
    bindings: chosen ? [spans, marked, x, chosen.experts] : [spans, marked, x],
    params: [columns4(columns), start, count, across, chosen?.rowsPerToken ?? 1],
    workgroups: [across, Math.ceil(count / across), 1],
  });
}

/** Reference: the row-major [rows * rowsPerToken, columns] matrix after it. */
export function ablateReference(
  x: ArrayLike<number>,
  columns: number,
  spans: readonly Span[],
  marked: ArrayLike<number>,
  chosen?: { readonly experts: ArrayLike<number>; readonly rowsPerToken: number },
): number[] {
  const perToken = chosen?.rowsPerToken ?? 1;
  const isZero = (row: number, column: number) => {
    const token = Math.floor(row / perToken);
    return marked[token] === 1 && spans.some((span) =>
      token >= span.firstRow && token < span.firstRow + span.rows &&
      column >= span.firstColumn && column < span.firstColumn + span.columns &&
      (!chosen || chosen.experts[row] === span.expert)
    );
  };
  return Array.from(x, (value, at) => isZero(Math.floor(at / columns), at % columns) ? 0 : value);
}
