/** What tasks of the queue work with. */
import type { PgBoss } from "pg-boss";
import type { Connection } from "../database/database.ts";
import type { HeldModels } from "../models/held_models.ts";
import type { ModelCache } from "../models/model_cache.ts";
import type { TokenizerCache } from "../models/tokenizer_cache.ts";

export interface TaskParts {
  readonly connection: Connection;
  readonly boss: PgBoss;
  readonly cache: ModelCache;
  /** Tokenizers that were loaded before; each task loads its own when left out. */
  readonly tokenizers?: TokenizerCache;
  /** Where models lie on this machine; where the database says when left out. */
  readonly held?: Pick<HeldModels, "locate" | "locateFile">;
}
