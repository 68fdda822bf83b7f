/** Traces: what a completion's steps rest on, and the error's relevance sent back through them (docs/traces.md). */
import { bytea, doublePrecision, foreignKey, integer, jsonb, snakeCase, text, unique } from "drizzle-orm/pg-core";
import { adapterChecked, createdAt, engine, identity } from "./columns.ts";
import { models, ruleEnum, tokenPairs } from "./tables.ts";
import type { StoredReach, StoredStep, StoredStretch, StoredTraceRow, TraceSettings } from "./trace_values.ts";

/** The steps of a token pair's prefix, and the pair as the error at their end. */
export const traces = snakeCase.table("traces", {
  id: identity(),
  tokenPairId: integer().notNull(),
  modelId: integer().notNull(),
  rule: ruleEnum().notNull(),
  settings: jsonb().$type<TraceSettings>().notNull(),
  /** SHA-256 of the settings, so that the same trace is stored once. */
  settingsHash: text().notNull(),
  /** Tokens before the first step, and in all. */
  promptTokens: integer().notNull(),
  tokenCount: integer().notNull(),
  sentences: jsonb().$type<readonly StoredStretch[]>().notNull(),
  steps: jsonb().$type<readonly StoredStep[]>().notNull(),
  error: jsonb().$type<StoredTraceRow>().notNull(),
  /** Little-endian f32 [tokens]: of the error's relevance, what reaches each token through the chain. */
  heat: bytea().notNull(),
  signedHeat: bytea().notNull(),
  /**
   * Raw signed relevance, little-endian f32 [rows, tokens] row-major: of the steps that have a row, in their order, then
   * of the error. Stored uncompressed out of line, so that a window is read without the rest.
   */
  relevance: bytea().notNull(),
  /** At the prompt's end and at each step's; null where nothing was tried. */
  reach: jsonb().$type<readonly StoredReach[]>(),
  adapter: text().notNull(),
  engine: engine(),
  adapterChecked: adapterChecked(),
  seconds: doublePrecision().notNull(),
  createdAt: createdAt(),
}, (table) => [
  unique("traces_pair").on(table.tokenPairId, table.modelId, table.rule, table.settingsHash),
  foreignKey({ name: "traces_token_pair", columns: [table.tokenPairId], foreignColumns: [tokenPairs.id] }),
  foreignKey({ name: "traces_model", columns: [table.modelId], foreignColumns: [models.id] }),
]);
