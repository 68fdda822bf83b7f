/** What the computation of one task on a token pair is given, and what it gives. */
import type { LoadedModel, RunOptions, Tokenizer } from "../../gpu/mod.ts";
import type { Checkers } from "../checkers/check.ts";
import type { Connection, Transaction } from "../database/database.ts";
import type { PairRows } from "./pair_task.ts";
import type { PairTask } from "./queue.ts";

/** What a computation may use. */
export interface Analysis {
  readonly connection: Connection;
  readonly task: PairTask;
  readonly rows: PairRows;
  /** The model and its tokenizer, loaded when they are asked for. */
  readonly model: () => Promise<LoadedModel>;
  readonly tokenizer: () => Promise<Tokenizer>;
  readonly checkers: Checkers;
  readonly options: RunOptions;
}

/** Writes a result; gives the attribution that the task made or used, if any. */
export type StoreResult = (tx: Transaction) => Promise<number | null>;
