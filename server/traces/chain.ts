/**
 * The error's relevance sent back through the steps of a completion (docs/traces.md). Rows are the explained steps and
 * the error; each passes on what reaches it by its own relevance, until nothing is left but tokens that nobody explained.
 * After "context attribution via graph explanations" (arXiv 2512.15663) for the absolute form, and section 13 of
 * docs/method.md for the signed one.
 */
import type { StoredStretch, StoredTraceRow } from "../../schema/tables/trace_values.ts";

type Range = Pick<StoredStretch, "start" | "end">;

/** What one row explains, and its relevance. */
export interface ChainRow {
  /** The step's tokens; null for an error behind all of them. */
  readonly own: Range | null;
  /** What is explained, in logits, and the tokens of it. */
  readonly value: number;
  readonly tokens: number;
  /** Signed, at the embeddings, in logits, [tokens]. */
  readonly relevance: Float32Array;
}

export interface ChainParts {
  /** Columns in the order of their tokens: the prompt's sentences, then the steps. */
  readonly columns: readonly Range[];
  /** Whether a token belongs to no column wherever it stands, [tokens]. */
  readonly special: readonly boolean[];
  /** The steps that are explained in their order; the last is the error, which may be a step behind all columns. */
  readonly rows: readonly ChainRow[];
}

export interface Chain {
  /** In the order of the rows. */
  readonly rows: readonly StoredTraceRow[];
  /** Weights of the columns, absolute and signed. */
  readonly weights: readonly number[];
  readonly signedWeights: readonly number[];
  /** Of the error's relevance, what reaches each token, [tokens], absolute and signed. */
  readonly heat: Float64Array;
  readonly signedHeat: Float64Array;
}

/** Below this share nothing is left to pass on. */
const NOTHING = 1e-12;

/**
 * P[r][c] = shares[c] / (1 - own), Q[r][c] = signed[c] / (absolute (1 - own)): a row passes on all that reaches it, and what
 * falls on its own tokens goes round until it leaves. What falls on tokens without a column is lost there. Weights follow
 * from the error's 1, the last rows first, since a row rests on what stands before it only.
 */
export function chainOf({ columns, special, rows }: ChainParts): Chain {
  const tokens = special.length;
  const columnOf = new Int32Array(tokens).fill(-1);
  columns.forEach(({ start, end }, column) => {
    for (let token = start; token < end; token++) if (!special[token]) columnOf[token] = column;
  });
  const heat = new Float64Array(tokens);
  const signedHeat = new Float64Array(tokens);
  const reaching = (values: Float64Array, { start, end }: Range) => {
    let sum = 0;
    for (let token = start; token < end; token++) if (columnOf[token]! >= 0) sum += values[token]!;
    return sum;
  };
  const done: StoredTraceRow[] = [];
  for (const row of rows.toReversed()) {
    const shares = sharesOf(row, { columns, special, columnOf });
    const isError = row === rows.at(-1);
    const { absolute, own, special: none } = shares;
    const weight = isError ? 1 : reaching(heat, row.own!);
    const signedWeight = isError ? 1 : reaching(signedHeat, row.own!);
    const out = absolute * (1 - own);
    let signedLost = 0;
    if (1 - own > NOTHING && absolute > 0) {
      row.relevance.forEach((value, token) => {
        if (value === 0 || isOwn(row, token, special)) return;
        heat[token]! += weight * Math.abs(value) / out;
        signedHeat[token]! += signedWeight * value / out;
        if (columnOf[token]! < 0) signedLost += signedWeight * value / out;
      });
    }
    const lost = 1 - own > NOTHING ? weight * none / (1 - own) : weight;
    done.unshift({ value: row.value, tokens: row.tokens, ...shares, weight, signedWeight, lost, signedLost });
  }
  return {
    rows: done,
    weights: columns.map((column) => reaching(heat, column)),
    signedWeights: columns.map((column) => reaching(signedHeat, column)),
    heat,
    signedHeat,
  };
}

const isOwn = ({ own }: ChainRow, token: number, special: readonly boolean[]): boolean =>
  own !== null && token >= own.start && token < own.end && !special[token];

/** Of a row without relevance nothing is left: all of it counts as lost. */
function sharesOf(
  row: ChainRow,
  { columns, special, columnOf }: Pick<ChainParts, "columns" | "special"> & { readonly columnOf: Int32Array },
): Pick<StoredTraceRow, "absolute" | "own" | "special" | "signed" | "shares"> {
  const before = row.own === null ? columns.length : columns.filter(({ end }) => end <= row.own!.start).length;
  const signed = new Array<number>(before).fill(0);
  const sums = new Array<number>(before).fill(0);
  let [absolute, own, none] = [0, 0, 0];
  row.relevance.forEach((value, token) => {
    // Behind the row there is nothing.
    if (value === 0) return;
    const size = Math.abs(value);
    absolute += size;
    const column = columnOf[token]!;
    if (isOwn(row, token, special)) own += size;
    else if (column < 0) none += size;
    else {
      signed[column]! += value;
      sums[column]! += size;
    }
  });
  const share = (sum: number) => absolute > 0 ? sum / absolute : 0;
  return {
    absolute,
    own: share(own),
    special: absolute > 0 ? share(none) : 1,
    signed,
    shares: sums.map(share),
  };
}
