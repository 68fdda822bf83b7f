/** What a search of token pairs works with, and what it tells. */
import type { LoadedModel, RunOptions, Tokenizer } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import type { Exclusion } from "../../schema/tables/values.ts";
import type { Recovery } from "../cases/recovery.ts";
import type { Checkers } from "../checkers/check.ts";
import type { Transaction } from "../database/database.ts";
import type { SearchCounts } from "./criterion.ts";

/** A model as the database knows it, and on the device. */
export interface SearchedModel {
  readonly id: number;
  readonly name: string;
  readonly hash: string;
  readonly tokenizerHash: string;
  readonly loaded: LoadedModel;
}

/** A case that was decided, or whose annotators disagree. */
export interface DecidedCase {
  readonly key: string;
  readonly benchmark: string;
  /** Open only where annotators disagree: the note says how. */
  readonly status: "open" | "clean" | "excluded";
  readonly exclusion: Exclusion | null;
  readonly note: string | null;
  readonly pair: Recovery | undefined;
}

export interface PairSearchParts {
  readonly db: Database;
  readonly model: SearchedModel;
  readonly sibling: SearchedModel | undefined;
  readonly tokenizer: Tokenizer;
  readonly checkers: Checkers;
  readonly options: RunOptions;
  /** Called inside the transaction that stores a wave; what it throws undoes the wave and ends the search. */
  readonly onWave?: (tx: Transaction, progress: PairSearchProgress) => Promise<void>;
  readonly onDecided?: (cases: readonly DecidedCase[]) => Promise<void>;
}

export interface PairSearchProgress {
  readonly done: number;
  readonly total: number;
  readonly counts: SearchCounts;
}

export interface PairSearchTotals {
  readonly cases: number;
  readonly clean: number;
  readonly excluded: number;
  /** Cases whose annotators disagree: they wait for another vote. */
  readonly undecided: number;
  /** Of the search; what annotators chose is not counted. */
  readonly counts: SearchCounts;
}
