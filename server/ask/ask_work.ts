/** AskWork: what a job of this room is given to work with. */
import type { LoadedModel, RunOptions, Tokenizer } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
/** What a job of this room is given to work with. */
export interface AskWork {
  readonly db: Database;
  readonly jobId: string;
  /** The model and its tokenizer, loaded when they are asked for. */
  readonly model: () => Promise<LoadedModel>;
  readonly tokenizer: () => Promise<Tokenizer>;
  readonly options: RunOptions;
  /** Aborted when its job has ended. */
  readonly ended: AbortController;
}
