/** Ablation experiments: heads or neurons set to zero until the prediction flips (docs/masking.md). */
import { foreignKey, index, integer, jsonb, snakeCase, text, unique } from "drizzle-orm/pg-core";
import type { AblationOptions, StoredAblation } from "./ablation_values.ts";
import { adapterChecked, createdAt, engine, identity } from "./columns.ts";
import { models, tokenPairs } from "./tables.ts";

/** One order of one token pair's heads or neurons. */
export const ablationExperiments = snakeCase.table("ablation_experiments", {
  id: identity(),
  tokenPairId: integer().notNull(),
  modelId: integer().notNull(),
  /** What is ablated. */
  unit: text().$type<AblationOptions["units"][number]>().notNull(),
  /** What orders them: a rule, `random` or `lowest`. */
  ranking: text().$type<AblationOptions["rankings"][number]>().notNull(),
  /** Seed of a random ranking, 0 else. */
  seed: integer().notNull(),
  /** How many are ablated at each step that was asked for, with commas between them. */
  counts: text().notNull(),
  /** Fewest ablated until the target is not the argmax; null = not within the counts. */
  flipAway: integer(),
  /** Fewest ablated until the contrast is the argmax; null = not within the counts. */
  flipToContrast: integer(),
  curve: jsonb().$type<StoredAblation>().notNull(),
  adapter: text().notNull(),
  engine: engine(),
  adapterChecked: adapterChecked(),
  createdAt: createdAt(),
}, (table) => [
  unique("ablation_experiments_settings").on(
    table.tokenPairId,
    table.modelId,
    table.unit,
    table.ranking,
    table.seed,
    table.counts,
  ),
  foreignKey({ name: "ablation_experiments_pair", columns: [table.tokenPairId], foreignColumns: [tokenPairs.id] }),
  foreignKey({ name: "ablation_experiments_model", columns: [table.modelId], foreignColumns: [models.id] }),
  index("ablation_experiments_unit").on(table.unit, table.counts),
]);
