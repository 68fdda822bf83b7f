/**
 * Rows that sequences of a pass share. Where sequences begin alike, under the same changes, their rows are the same numbers
 * up to where they part: such rows are computed once. A hidden position's row is read by nobody, unless its own prediction
 * is wanted: it is left out. Attention alone needs every sequence whole (expanded_attention.ts).
 */
import { bordersOf } from "../model/rotary.ts";
import type { ModelConfig } from "../model/config.ts";
import { PANEL, panelsOf } from "../kernels/panels.ts";
import { HIDDEN } from "../kernels/softmax.ts";
import { isNothing } from "./ablation.ts";
import type { Intervened } from "./intervention.ts";
import { rotationsOf } from "./workspace.ts";

/** A sequence of a pass. */
export interface PassSequence {
  readonly ids: readonly number[];
  readonly intervened?: Intervened | undefined;
  /** Positions whose predictions are wanted. */
  readonly reads: readonly number[];
}

/** A row that is computed. */
export interface UniqueRow {
  readonly sequence: number;
  readonly position: number;
}

/** Where the positions of sequences are computed. */
export interface SharedRows {
  readonly unique: readonly UniqueRow[];
  /** The unique row of each position of each sequence; -1 where none is computed. */
  readonly rowOf: readonly Int32Array[];
  /** The first position of each sequence whose row is not another's. */
  readonly ownFrom: readonly number[];
}

/** Symbol of a hidden position whose row nobody reads. */
const LEFT_OUT = -1;

/** Sequences as numbers: where two of them are equal up to a position, so are their rows. */
export function symbolsOf(config: ModelConfig, sequences: readonly PassSequence[]): readonly Int32Array[] {
  const borders = bordersOf(rotationsOf(config));
  const embeddings = new Map<Float32Array, number>();
  const numbers = new Map<string, number>();
  const numberOf = (name: string): number => {
    let found = numbers.get(name);
    if (found === undefined) numbers.set(name, found = numbers.size);
    return found;
  };
  return sequences.map(({ ids, intervened, reads }) => {
    const wanted = new Set(reads);
    const side = borders.filter((border) => ids.length > border).length;
    return Int32Array.from(ids, (id, position) => {
      const bias = intervened?.bias.get(position) ?? 0;
      if (bias === HIDDEN && !wanted.has(position)) return LEFT_OUT;
      const embedding = intervened?.embeddings.get(position);
      let replaced: number | undefined;
      if (embedding) {
        replaced = embeddings.get(embedding) ?? embeddings.size;
        embeddings.set(embedding, replaced);
      }
      return numberOf(`${replaced === undefined ? id : `=${replaced}`}/${bias}/${side}`);
    });
  });
}

/** An order in which those that begin alike stand together, the shorter first. */
export function orderOf(symbols: readonly Int32Array[]): readonly number[] {
  return symbols.map((_, index) => index).sort((a, b) => {
    const [one, other] = [symbols[a] as Int32Array, symbols[b] as Int32Array];
    const at = commonLength(one, other);
    const differs = at < one.length && at < other.length;
    return (differs ? (one[at] as number) - (other[at] as number) : one.length - other.length) || a - b;
  });
}

/** Positions at which two sequences are the same from the first on. */
export function commonLength(one: Int32Array, other: Int32Array): number {
  const shortest = Math.min(one.length, other.length);
  let at = 0;
  while (at < shortest && one[at] === other[at]) at++;
  return at;
}

/** Rows of the sequences of a pass: those of all of them, in whole panels, and those that differ. */
export interface RowCount {
  readonly all: number;
  readonly unique: number;
}

export const NO_ROWS: RowCount = { all: 0, unique: 0 };

/** The rows with one sequence more, that begins as others do at `shared` positions. */
export const withSequence = ({ all, unique }: RowCount, symbols: Int32Array, shared: number): RowCount => ({
  all: all + panelsOf(symbols.length) * PANEL,
  unique: unique + symbols.subarray(shared).reduce((sum, symbol) => sum + Number(symbol !== LEFT_OUT), 0),
});

/** Whether it pays to compute the rows that differ alone, and to lay sequences out for attention. */
export const pays = ({ all, unique }: RowCount): boolean => 8 * unique <= 7 * all;

/** The rows of sequences that share some; undefined where too few are shared, or heads or neurons are ablated. */
export function shareRows(config: ModelConfig, sequences: readonly PassSequence[]): SharedRows | undefined {
  if (sequences.some(({ intervened }) => intervened && !isNothing(intervened.ablation))) return undefined;
  const symbols = symbolsOf(config, sequences);
  const unique: UniqueRow[] = [];
  const rowOf = symbols.map((own) => new Int32Array(own.length).fill(-1));
  const ownFrom = symbols.map(() => 0);
  let before: number | undefined;
  for (const sequence of orderOf(symbols)) {
    const own = symbols[sequence] as Int32Array;
    const shared = before === undefined ? 0 : commonLength(symbols[before] as Int32Array, own);
    const rows = rowOf[sequence] as Int32Array;
    if (before !== undefined) rows.set((rowOf[before] as Int32Array).subarray(0, shared));
    ownFrom[sequence] = shared;
    for (let position = shared; position < own.length; position++) {
      if (own[position] !== LEFT_OUT) rows[position] = unique.push({ sequence, position }) - 1;
    }
    before = sequence;
  }
  const all = sequences.reduce((sum, { ids }) => sum + panelsOf(ids.length) * PANEL, 0);
  return pays({ all, unique: unique.length }) ? { unique, rowOf, ownFrom } : undefined;
}
