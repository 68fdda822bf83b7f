/** What is worked out from attributions: graphs, diagnoses, labels, masking experiments, studies and exports. */
import { sql } from "drizzle-orm";
import {
  boolean,
  bytea,
  doublePrecision,
  foreignKey,
  index,
  integer,
  jsonb,
  pgEnum,
  primaryKey,
  smallint,
  snakeCase,
  text,
  unique,
  uuid,
} from "drizzle-orm/pg-core";
import { adapterChecked, createdAt, engine, identity } from "./columns.ts";
import {
  attributions,
  failureCases,
  jobs,
  markOriginEnum,
  models,
  outcomeEnum,
  patternEnum,
  ruleEnum,
  tokenPairs,
} from "./tables.ts";
import { SERIES_KINDS } from "./analysis_values.ts";
import type {
  AskedObjective,
  DiagnosisEvidence,
  GraphOptions,
  GraphSummary,
  SentenceEffect,
  SeriesMember,
  StoredBranch,
  StoredCurve,
  StoredTerm,
} from "./analysis_values.ts";

/** The pruned attribution graph of one attribution under one set of options. */
export const attributionGraphs = snakeCase.table("attribution_graphs", {
  id: identity(),
  attributionId: integer().notNull(),
  options: jsonb().$type<GraphOptions>().notNull(),
  /** SHA-256 of the options, so that the same graph is stored once. */
  optionsHash: text().notNull(),
  nodes: integer().notNull(),
  edges: integer().notNull(),
  /** Transitions with what was kept and dropped, and the graph's metrics. */
  summary: jsonb().$type<GraphSummary>().notNull(),
  /** A graph file (server/graphs/graph_file.ts), gzip. */
  file: bytea().notNull(),
  adapter: text().notNull(),
  engine: engine(),
  adapterChecked: adapterChecked(),
  seconds: doublePrecision().notNull(),
  createdAt: createdAt(),
}, (table) => [
  unique("attribution_graphs_options").on(table.attributionId, table.optionsHash),
  foreignKey({
    name: "attribution_graphs_attribution",
    columns: [table.attributionId],
    foreignColumns: [attributions.id],
  })
    .onDelete("cascade"),
  index("attribution_graphs_created").on(table.createdAt, table.id),
]);

/** The classifier's verdict on one attribution, with its evidence. Outcome and pattern are copied to the attribution. */
export const diagnoses = snakeCase.table("diagnoses", {
  id: identity(),
  attributionId: integer().notNull().unique(),
  outcome: outcomeEnum().notNull(),
  /** null when no pattern is found. */
  pattern: patternEnum(),
  /** 0 to 1. */
  confidence: doublePrecision().notNull(),
  evidence: jsonb().$type<DiagnosisEvidence>().notNull(),
  /** Version of the classifier with its thresholds. */
  version: text().notNull(),
  /** The marks that it looked at; null where there were none. */
  marksOrigin: markOriginEnum(),
  marksVersion: text(),
  engine: engine(),
  adapterChecked: adapterChecked(),
  createdAt: createdAt(),
}, (table) => [
  foreignKey({ name: "diagnoses_attribution", columns: [table.attributionId], foreignColumns: [attributions.id] })
    .onDelete("cascade"),
]);

/** What hiding each sentence of the prompt does to the right and the wrong continuation of a pair (docs/marks.md). */
export const causalMarks = snakeCase.table("causal_marks", {
  id: identity(),
  tokenPairId: integer().notNull().unique(),
  /** Version of how sentences are chosen. */
  version: text().notNull(),
  sentences: jsonb().$type<readonly SentenceEffect[]>().notNull(),
  /** Tokens of each continuation that were scored. */
  rightTokens: integer().notNull(),
  wrongTokens: integer().notNull(),
  adapter: text().notNull(),
  engine: engine(),
  adapterChecked: adapterChecked(),
  createdAt: createdAt(),
}, (table) => [
  foreignKey({ name: "causal_marks_pair", columns: [table.tokenPairId], foreignColumns: [tokenPairs.id] }),
]);

/** What a person says of a token pair; never overwritten by the classifier. */
export const labels = snakeCase.table("labels", {
  id: identity(),
  tokenPairId: integer().notNull(),
  reader: text().notNull(),
  outcome: outcomeEnum().notNull(),
  pattern: patternEnum(),
  note: text(),
  createdAt: createdAt(),
}, (table) => [
  unique("labels_pair_reader").on(table.tokenPairId, table.reader),
  foreignKey({ name: "labels_pair", columns: [table.tokenPairId], foreignColumns: [tokenPairs.id] }),
]);

/** Tokens masked one after another until the prediction flips. */
export const maskingExperiments = snakeCase.table("masking_experiments", {
  id: identity(),
  tokenPairId: integer().notNull(),
  modelId: integer().notNull(),
  /** How a token is masked, for example `attention`. */
  replacement: text().notNull(),
  /** What orders the tokens: a rule, `random` or `lowest`. */
  ranking: text().notNull(),
  /** Whether tokens of the answer's prefix may be masked too. */
  answerToo: boolean().notNull(),
  /** Seed of a random ranking, 0 else. */
  seed: integer().notNull(),
  /** Tokens masked at most. */
  budget: integer().notNull(),
  /** Tokens masked until the target is not the argmax; null = not within the budget (censored). */
  flipAway: integer(),
  /** Tokens masked until the contrast is the argmax; null = not within the budget. */
  flipToContrast: integer(),
  /** Tokens masked until the rollout passes the checker; null = not within the budget, or not checkable. */
  flipToPass: integer(),
  /** In probability of the target (docs/masking.md). */
  comprehensiveness: doublePrecision(),
  sufficiency: doublePrecision(),
  curve: jsonb().$type<StoredCurve>().notNull(),
  adapter: text().notNull(),
  engine: engine(),
  adapterChecked: adapterChecked(),
  createdAt: createdAt(),
}, (table) => [
  unique("masking_experiments_settings").on(
    table.tokenPairId,
    table.modelId,
    table.replacement,
    table.ranking,
    table.answerToo,
    table.seed,
    table.budget,
  ),
  foreignKey({ name: "masking_experiments_pair", columns: [table.tokenPairId], foreignColumns: [tokenPairs.id] }),
  foreignKey({ name: "masking_experiments_model", columns: [table.modelId], foreignColumns: [models.id] }),
  index("masking_experiments_created").on(table.createdAt, table.id),
]);

/**
 * How many attributions have a key token: of all rules and of each, by the token alone and with one value of what else
 * is counted by (attribution_token_counts.ts). Kept by triggers on attributions; nobody else writes here.
 */
export const attributionTokenCounts = snakeCase.table("attribution_token_counts", {
  /** `all`, or a rule. */
  scope: text().notNull(),
  /** An attribution group, or `token` for none. */
  dimension: text().notNull(),
  /** The group's value as it is computed, not as it is shown; empty for none. */
  value: text().notNull(),
  token: text().notNull(),
  attributions: integer().notNull(),
}, (table) => [
  primaryKey({ columns: [table.scope, table.dimension, table.value, table.token] }),
  index("attribution_token_counts_largest").on(
    table.scope,
    table.dimension,
    table.attributions.desc().nullsFirst(),
    table.token,
    table.value,
  ),
  // Counts that a fold brought down to nothing, for it to delete.
  index("attribution_token_counts_none").on(table.attributions).where(sql`attributions = 0`),
]);

/** What changed since the counts above were last brought up to date: an attribution came (1) or went (-1). */
export const attributionTokenChanges = snakeCase.table("attribution_token_changes", {
  sign: smallint().notNull(),
  tokens: text().array().notNull(),
  rule: ruleEnum().notNull(),
  benchmark: text().notNull(),
  modelId: integer().notNull(),
  outcome: outcomeEnum(),
  pattern: patternEnum(),
  logitDifference: doublePrecision().notNull(),
  instructionSum: doublePrecision(),
  querySum: doublePrecision(),
  answerSum: doublePrecision(),
  specialSum: doublePrecision(),
});

export const seriesKindEnum = pgEnum("series_kind", SERIES_KINDS);

/** Sizes or checkpoints of one family, in order. */
export const modelSeries = snakeCase.table("model_series", {
  id: identity(),
  name: text().notNull().unique(),
  kind: seriesKindEnum().notNull(),
  members: jsonb().$type<readonly SeriesMember[]>().notNull(),
  createdAt: createdAt(),
});

/** The same token pairs attributed on every member of a series. The numbers are the members' attributions. */
export const studies = snakeCase.table("studies", {
  id: identity(),
  seriesId: integer().notNull(),
  rule: ruleEnum().notNull(),
  name: text().notNull().unique(),
  /** The job that attributed its pairs, the last one when it was run again. */
  jobId: uuid(),
  createdAt: createdAt(),
}, (table) => [
  foreignKey({ name: "studies_series", columns: [table.seriesId], foreignColumns: [modelSeries.id] }),
  foreignKey({ name: "studies_job", columns: [table.jobId], foreignColumns: [jobs.id] }),
]);

/** A pair of a study. */
export const studyPairs = snakeCase.table("study_pairs", {
  id: identity(),
  studyId: integer().notNull(),
  tokenPairId: integer().notNull(),
}, (table) => [
  unique("study_pairs_pair").on(table.studyId, table.tokenPairId),
  foreignKey({ name: "study_pairs_study", columns: [table.studyId], foreignColumns: [studies.id] }).onDelete("cascade"),
  foreignKey({ name: "study_pairs_token_pair", columns: [table.tokenPairId], foreignColumns: [tokenPairs.id] }),
]);

/** Relevance of another objective than the token pair's own, at the pair's place. */
export const objectiveAttributions = snakeCase.table("objective_attributions", {
  id: identity(),
  tokenPairId: integer().notNull(),
  modelId: integer().notNull(),
  rule: ruleEnum().notNull(),
  objective: jsonb().$type<AskedObjective>().notNull(),
  /** SHA-256 of the objective, so that the same one is stored once. */
  objectiveHash: text().notNull(),
  /** What is explained: the sum of the terms, in logits. */
  value: doublePrecision().notNull(),
  terms: jsonb().$type<readonly StoredTerm[]>().notNull(),
  /** The prompt, and what both of two sequences begin with. */
  inputIds: integer().array().notNull(),
  tokenTexts: text().array().notNull(),
  /** Of each of these tokens, at the embeddings, in logits. */
  relevance: doublePrecision().array().notNull(),
  branches: jsonb().$type<readonly StoredBranch[]>().notNull(),
  adapter: text().notNull(),
  engine: engine(),
  adapterChecked: adapterChecked(),
  seconds: doublePrecision().notNull(),
  createdAt: createdAt(),
}, (table) => [
  unique("objective_attributions_pair").on(table.tokenPairId, table.modelId, table.rule, table.objectiveHash),
  foreignKey({
    name: "objective_attributions_token_pair",
    columns: [table.tokenPairId],
    foreignColumns: [tokenPairs.id],
  }),
  foreignKey({ name: "objective_attributions_model", columns: [table.modelId], foreignColumns: [models.id] }),
]);

/** Token-level weights of one case for preference training (docs/method.md, section 9). */
export const preferences = snakeCase.table("preferences", {
  id: identity(),
  tokenPairId: integer().notNull(),
  failureCaseId: integer().notNull(),
  formula: text().notNull(),
  /** Completion tokens of the contrast and its passing rollout, and of the target and the original continuation. */
  chosenIds: integer().array().notNull(),
  rejectedIds: integer().array().notNull(),
  chosenWeights: doublePrecision().array().notNull(),
  rejectedWeights: doublePrecision().array().notNull(),
  /** The marks that the weights go by; null where there were none. */
  marksOrigin: markOriginEnum(),
  marksVersion: text(),
  adapter: text().notNull(),
  engine: engine(),
  adapterChecked: adapterChecked(),
  createdAt: createdAt(),
}, (table) => [
  unique("preferences_pair_formula").on(table.tokenPairId, table.formula),
  foreignKey({ name: "preferences_pair", columns: [table.tokenPairId], foreignColumns: [tokenPairs.id] }),
  foreignKey({ name: "preferences_case", columns: [table.failureCaseId], foreignColumns: [failureCases.id] }),
]);
