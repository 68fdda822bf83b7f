/**
 * The domain in SQL. Columns that lists filter and sort on are real, indexed columns; prompts, ids and vectors stand
 * beside them and are read in windows. Migrations in `migrations/` are generated from this file.
 */
import { type SQL, sql } from "drizzle-orm";
import {
  type AnyPgColumn,
  bigint,
  boolean,
  bytea,
  check,
  doublePrecision,
  foreignKey,
  index,
  integer,
  jsonb,
  pgEnum,
  primaryKey,
  snakeCase,
  text,
  unique,
  uuid,
} from "drizzle-orm/pg-core";
import { adapterChecked, createdAt, engine, identity, moment } from "./columns.ts";
import { RULES } from "./rules.ts";
import type {
  Candidate,
  ChatMessage,
  CheckItem,
  Exclusion,
  ImportPlace,
  ImportReport,
  JobInput,
  Thought,
  Verdict,
} from "./values.ts";

export const ruleEnum = pgEnum("rule", RULES);
/** Who found a token pair. */
export const pairSourceEnum = pgEnum("pair_source", ["imported", "search", "sibling", "annotation", "asked"]);
export const jobKindEnum = pgEnum("job_kind", [
  "attribute",
  "import",
  "collect",
  "find_pairs",
  "build_graph",
  "diagnose",
  "mask",
  "study",
  "export_preferences",
  "mark",
  "generate",
  "explain",
  "fetch_model",
  "explain_objective",
  "trace",
  "ablate",
]);
export const jobStatusEnum = pgEnum("job_status", ["queued", "running", "completed", "failed", "cancelled"]);

/** What became of a failure case: nothing yet, a token pair with delta > 1, or left out with its reason. */
export const caseStatusEnum = pgEnum("case_status", ["open", "clean", "excluded"]);
/** Where a response comes from: a file, a run of the model by `collect`, or a prompt that somebody typed. */
export const responseSourceEnum = pgEnum("response_source", ["imported", "collected", "asked"]);
export const benchmarkKindEnum = pgEnum("benchmark_kind", [
  "ifeval",
  "math",
  "humaneval",
  "gaia2",
  "gsm8k",
  "evalplus",
]);
export const decisionEnum = pgEnum("decision", ["pair", "exclude"]);

/** Where a failure shows (docs/method.md, section 6): in the input heatmap, only in the graph, or in neither. */
export const outcomeEnum = pgEnum("outcome", ["m_ia", "nc_ia_m_ag", "nc_ia_ag"]);
/** How it came about: relevant tokens underweighted, irrelevant ones overweighted, or both. */
export const patternEnum = pgEnum("pattern", ["urt", "oit", "urt_oit"]);

/** Who says which words of a prompt state what the answer has to keep to (docs/marks.md); the first counts. */
export const markOriginEnum = pgEnum("mark_origin", ["person", "file", "locator", "causal"]);

/** A Hugging Face style model directory that was added. */
export const models = snakeCase.table("models", {
  id: identity(),
  name: text().notNull().unique(),
  directory: text().notNull(),
  architecture: text().notNull(),
  /** Number of weights; large models pass 2^31. */
  parameters: bigint({ mode: "number" }).notNull(),
  layers: integer().notNull(),
  hidden: integer().notNull(),
  vocabulary: integer().notNull(),
  tokenizerHash: text().notNull(),
  /** Hash of configuration and weights. */
  hash: text().notNull(),
  /** Types of the weights as they are stored, `BF16` or `BF16, F32`; null in rows older than this column. */
  dtype: text(),
  createdAt: createdAt(),
}, (table) => [index("models_created").on(table.createdAt, table.id)]);

/** A benchmark file that `collect` can run a model over. */
export const benchmarks = snakeCase.table("benchmarks", {
  id: identity(),
  name: text().notNull().unique(),
  kind: benchmarkKindEnum().notNull(),
  path: text().notNull(),
  /** Number of items. */
  items: integer().notNull(),
  /** SHA-256 of the file. */
  hash: text().notNull(),
  createdAt: createdAt(),
});

/** What a model wrote for an item of a benchmark, passed or failed. */
export const responses = snakeCase.table("responses", {
  id: identity(),
  modelId: integer().notNull(),
  benchmark: text().notNull(),
  task: text().notNull(),
  /** Made of benchmark, task, document, prompt and filter; see server/cases/store_responses.ts. */
  key: text().notNull(),
  /** The harness's name for how responses were cut out of raw output; "none" for the raw output. */
  filter: text().notNull(),
  /** SHA-256 of the benchmark's item. */
  docHash: text().notNull(),
  /** SHA-256 of the prompt as the log gives it. */
  promptHash: text().notNull(),
  /** The prompt as the model read it. */
  prompt: text().notNull(),
  promptIds: integer().array().notNull(),
  completion: text().notNull(),
  completionIds: integer().array().notNull(),
  /** The thought that the completion begins with; null where the model was not asked to think. */
  thought: jsonb().$type<Thought>(),
  /** Null when nobody could decide. */
  passed: boolean(),
  verdict: jsonb().$type<Verdict>(),
  item: jsonb().$type<CheckItem>(),
  /** Whether log and checker both decided, and otherwise from each other. */
  disagrees: boolean().notNull().default(false),
  /** Which template the question was asked with, where we asked it (server/benchmarks/prompt_templates.ts). */
  promptTemplate: text(),
  source: responseSourceEnum().notNull(),
  /** SHA-256 of prompt and completion, so that the same response twice changes nothing. */
  contentHash: text().notNull(),
  createdAt: createdAt(),
}, (table) => [
  unique("responses_model_key").on(table.modelId, table.key),
  foreignKey({ name: "responses_model", columns: [table.modelId], foreignColumns: [models.id] }),
  index("responses_key").on(table.key, table.id),
  index("responses_model").on(table.modelId, table.createdAt, table.id),
  index("responses_created").on(table.createdAt, table.id),
  index("responses_benchmark").on(table.benchmark, table.createdAt, table.id),
  index("responses_verdict").on(table.benchmark, table.passed, table.createdAt, table.id),
  index("responses_task").on(table.benchmark, table.task, table.id),
  index("responses_disagreement").on(table.createdAt, table.id).where(sql`${table.disagrees}`),
]);

/**
 * A prompt plus the part of the model's completion before its first wrong token. A case is open while that token is
 * not known: then the prefix is empty, the tokens are the prompt's, and `completionIds` hold the whole answer.
 */
export const failureCases = snakeCase.table("failure_cases", {
  id: identity(),
  modelId: integer().notNull(),
  key: text().notNull(),
  benchmark: text().notNull(),
  task: text().notNull(),
  messages: jsonb().$type<readonly ChatMessage[]>().notNull(),
  prompt: text().notNull(),
  prefix: text().notNull(),
  completion: text().notNull(),
  completionIds: integer().array().notNull(),
  instructionPhrases: text().array().notNull(),
  /** For each phrase the place of its instruction in the item; null where that is not known. */
  phraseInstructions: integer().array(),
  /** Where the phrases come from, never a person: that is seen by `editedSegments`. Null where nobody marked any. */
  marksOrigin: markOriginEnum(),
  /** Version of what found them; null for a file's. */
  marksVersion: text(),
  metadata: jsonb().$type<Readonly<Record<string, unknown>>>().notNull(),
  /** Ids of prompt and prefix, [tokens]. */
  inputIds: integer().array().notNull(),
  /** Text of each input token, [tokens]. */
  tokenTexts: text().array().notNull(),
  /** One letter a token, [tokens]: S special, I instruction, Q query, A answer. */
  segments: text().notNull(),
  /** What a person made of `segments`, of the same length; null while nobody did. */
  editedSegments: text(),
  tokenCount: integer().notNull(),
  promptTokens: integer().notNull(),
  /** The largest delta of the case's token pairs, so that lists sort by it; null while there is none. */
  delta: doublePrecision(),
  /**
   * What lists sort by, largest or smallest first: delta, and of a case without one a number beyond all, so that it comes
   * last either way and a page can go on after it.
   */
  deltaDown: doublePrecision().notNull().generatedAlwaysAs(sql`coalesce(delta, -1e300)`),
  deltaUp: doublePrecision().notNull().generatedAlwaysAs(sql`coalesce(delta, 1e300)`),
  /** Texts of the targets and contrasts of its pairs, one a line, so that a search finds them; kept by a trigger. */
  pairTokens: text().notNull().default(""),
  status: caseStatusEnum().notNull(),
  /** Why the case is left out (Exclusion of values.ts); null unless it is. */
  exclusion: text().$type<Exclusion>(),
  exclusionNote: text(),
  /** Who decided, where a person did. */
  reviewer: text(),
  source: responseSourceEnum().notNull(),
  /** What checks another answer to the same task; null when nothing can. */
  item: jsonb().$type<CheckItem>(),
  verdict: jsonb().$type<Verdict>(),
  filter: text(),
  responseId: integer(),
  /** SHA-256 of what an importer gave, so that the same line twice changes nothing. */
  contentHash: text().notNull(),
  createdAt: createdAt(),
}, (table) => [
  unique("failure_cases_model_key").on(table.modelId, table.key),
  foreignKey({ name: "failure_cases_model", columns: [table.modelId], foreignColumns: [models.id] }),
  index("failure_cases_created").on(table.createdAt, table.id),
  index("failure_cases_key").on(table.key, table.id),
  index("failure_cases_delta").on(table.delta, table.id),
  index("failure_cases_delta_down").on(table.deltaDown, table.id),
  index("failure_cases_delta_up").on(table.deltaUp, table.id),
  index("failure_cases_tokens").on(table.tokenCount, table.id),
  index("failure_cases_benchmark").on(table.benchmark, table.createdAt, table.id),
  index("failure_cases_task").on(table.benchmark, table.task, table.id),
  index("failure_cases_model").on(table.modelId, table.createdAt, table.id),
  index("failure_cases_response").on(table.responseId),
  index("failure_cases_status").on(table.status, table.createdAt, table.id),
  index("failure_cases_exclusion").on(table.exclusion, table.createdAt, table.id),
  index("failure_cases_source").on(table.source, table.createdAt, table.id),
  // Substrings of three characters and more are found by their trigrams.
  index("failure_cases_text").using("gin", sql`(${searchText(table)}) gin_trgm_ops`),
  index("failure_cases_counts").on(table.benchmark, table.status, table.exclusion),
  foreignKey({ name: "failure_cases_answer", columns: [table.responseId], foreignColumns: [responses.id] }),
  check("failure_cases_exclusion", sql`(${table.status} = 'excluded') = (${table.exclusion} is not null)`),
  check("failure_cases_prompt_tokens", sql`${table.promptTokens} between 1 and ${table.tokenCount}`),
]);

/** What a search of failure cases looks at. */
export function searchText(
  table: Readonly<Record<"key" | "prompt" | "completion" | "pairTokens", AnyPgColumn>>,
): SQL {
  const { key, prompt, completion, pairTokens } = table;
  return sql`(${key} || chr(10) || ${prompt} || chr(10) || ${completion} || chr(10) || ${pairTokens})`;
}

/** The line of `pairTokens` that is a pair's. */
export function pairLine({ targetText, contrastText }: { readonly targetText: string; readonly contrastText: string }) {
  return `${targetText}\n${contrastText}`;
}

/** The wrong token that the model produced and the right alternative. */
export const tokenPairs = snakeCase.table("token_pairs", {
  id: identity(),
  failureCaseId: integer().notNull(),
  /** Where the target stands, counted from the first prompt token: the number of tokens before it. */
  position: integer().notNull(),
  targetId: integer().notNull(),
  targetText: text().notNull(),
  targetLogit: doublePrecision().notNull(),
  contrastId: integer().notNull(),
  contrastText: text().notNull(),
  contrastLogit: doublePrecision().notNull(),
  /** Rank of the contrast among all logits, 0 = the argmax. */
  contrastRank: integer().notNull(),
  /** targetLogit - contrastLogit */
  delta: doublePrecision().notNull(),
  source: pairSourceEnum().notNull(),
  candidates: jsonb().$type<readonly Candidate[]>().notNull(),
  contentHash: text().notNull(),
  createdAt: createdAt(),
}, (table) => [
  // From a pair to its case, read alone: counts by diagnosis.
  index("token_pairs_case").on(table.id, table.failureCaseId),
  unique("token_pairs_case_tokens").on(table.failureCaseId, table.targetId, table.contrastId),
  foreignKey({ name: "token_pairs_case", columns: [table.failureCaseId], foreignColumns: [failureCases.id] }),
  index("token_pairs_delta").on(table.delta, table.id),
  check("token_pairs_differ", sql`${table.targetId} <> ${table.contrastId}`),
]);

/** What an annotator, a person or a model, says of a failure case. */
export const annotations = snakeCase.table("annotations", {
  id: identity(),
  failureCaseId: integer().notNull(),
  annotator: text().notNull(),
  decision: decisionEnum().notNull(),
  /** Where the wrong token stands, counted from the completion's first token; null for "exclude". */
  position: integer(),
  targetId: integer(),
  contrastId: integer(),
  reason: text().notNull(),
  createdAt: createdAt(),
}, (table) => [
  unique("annotations_case_annotator").on(table.failureCaseId, table.annotator),
  foreignKey({ name: "annotations_case", columns: [table.failureCaseId], foreignColumns: [failureCases.id] }),
  check(
    "annotations_decision",
    sql`(${table.decision} = 'pair') = (${table.position} is not null and ${table.targetId} is not null
      and ${table.contrastId} is not null)`,
  ),
]);

/** Relevance of every token at every node layer for one token pair under one rule. */
export const attributions = snakeCase.table("attributions", {
  id: identity(),
  tokenPairId: integer().notNull(),
  rule: ruleEnum().notNull(),
  /** The model that computed it: the case's own, or another member of a series. */
  modelId: integer().notNull(),
  /** Copied from the failure case so that lists filter by one index. */
  benchmark: text().notNull(),
  targetLogit: doublePrecision().notNull(),
  contrastLogit: doublePrecision().notNull(),
  /** targetLogit - contrastLogit as the engine computed them. */
  logitDifference: doublePrecision().notNull(),
  layers: integer().notNull(),
  tokenCount: integer().notNull(),
  /**
   * Raw signed relevance, little-endian f32 [layers + 1, tokens] row-major. Stored uncompressed out of line, so that
   * a window is read without reading the rest.
   */
  relevance: bytea().notNull(),
  /** max |R| over non-special tokens, [layers + 1]; 1 where that is below 1e-9. */
  scales: doublePrecision().array().notNull(),
  /** max |R| over all tokens, [layers + 1]; 1 where that is below 1e-9. */
  scalesWithSpecial: doublePrecision().array().notNull(),
  /** Trimmed texts of target, contrast and the most relevant input tokens: what the token filter looks at. */
  keyTokens: text().array().notNull(),
  /** Sums of normalised relevance at the embeddings by segment; null in rows older than these columns. */
  instructionSum: doublePrecision(),
  querySum: doublePrecision(),
  answerSum: doublePrecision(),
  specialSum: doublePrecision(),
  /** Where the marks come from that the sums go by; null where there are none. */
  marksOrigin: markOriginEnum(),
  /** The classifier's verdict, copied from its diagnosis so that lists filter by an index; null before there is one. */
  outcome: outcomeEnum(),
  pattern: patternEnum(),
  adapter: text().notNull(),
  engine: engine(),
  adapterChecked: adapterChecked(),
  seconds: doublePrecision().notNull(),
  createdAt: createdAt(),
}, (table) => [
  unique("attributions_pair_rule").on(table.tokenPairId, table.rule, table.modelId),
  foreignKey({ name: "attributions_pair", columns: [table.tokenPairId], foreignColumns: [tokenPairs.id] }),
  foreignKey({ name: "attributions_model", columns: [table.modelId], foreignColumns: [models.id] }),
  index("attributions_created").on(table.createdAt, table.id),
  index("attributions_delta").on(table.logitDifference, table.id),
  index("attributions_tokens").on(table.tokenCount, table.id),
  index("attributions_rule").on(table.rule, table.createdAt, table.id),
  index("attributions_benchmark").on(table.benchmark, table.createdAt, table.id),
  index("attributions_model").on(table.modelId, table.createdAt, table.id),
  index("attributions_outcome").on(table.outcome, table.createdAt, table.id),
  index("attributions_pattern").on(table.pattern, table.createdAt, table.id),
  index("attributions_instruction").on(table.instructionSum, table.id),
  index("attributions_query").on(table.querySum, table.id),
  index("attributions_answer").on(table.answerSum, table.id),
  index("attributions_special").on(table.specialSum, table.id),
  // All that attributionCounts groups by, but for tokens: counting reads this index alone.
  index("attributions_counts").on(
    table.rule,
    table.benchmark,
    table.modelId,
    table.outcome,
    table.pattern,
    table.logitDifference,
    table.instructionSum,
    table.querySum,
    table.answerSum,
    table.specialSum,
  ),
  // What diagnosisCounts reads, alone.
  index("attributions_diagnosed").on(table.tokenPairId, table.outcome, table.pattern),
  index("attributions_key_tokens").using("gin", table.keyTokens),
]);

/** Long work that was asked for. Every change raises `sequence`, which is what watchers resume from. */
export const jobs = snakeCase.table("jobs", {
  id: uuid().primaryKey().default(sql`gen_random_uuid()`),
  kind: jobKindEnum().notNull(),
  status: jobStatusEnum().notNull().default("queued"),
  idempotencyKey: text().unique(),
  /** Who asked for it: `local`, or scope and beginning of the token's hash. Workers take turns between owners. */
  owner: text().notNull().default("local"),
  input: jsonb().$type<JobInput>().notNull(),
  done: integer().notNull().default(0),
  total: integer().notNull().default(0),
  message: text(),
  errorCode: text(),
  errorMessage: text(),
  sequence: integer().notNull().default(1),
  report: jsonb().$type<ImportReport>(),
  /** Where the present attempt at an import is; the next one begins with care where it was never heard of again. */
  place: jsonb().$type<ImportPlace>(),
  /** W3C trace context of the request that asked for it; null when nothing was traced. */
  trace: text(),
  createdAt: createdAt(),
  startedAt: moment(),
  finishedAt: moment(),
}, (table) => [
  index("jobs_created").on(table.createdAt, table.id),
  index("jobs_status").on(table.status, table.createdAt, table.id),
  index("jobs_kind").on(table.kind, table.createdAt, table.id),
]);

/** How an unfinished import counted its responses, a row for each batch: after an interruption one that comes again is known. */
export const importCounts = snakeCase.table("import_counts", {
  id: identity(),
  jobId: uuid().notNull(),
  responseIds: integer().array().notNull(),
  /** One for each response, as server/import/report.ts counts it. */
  verdicts: integer().array().notNull(),
}, (table) => [
  foreignKey({ name: "import_counts_job", columns: [table.jobId], foreignColumns: [jobs.id] }).onDelete("cascade"),
  index("import_counts_job").on(table.jobId, table.id),
]);

/** What a job does with one token pair on one model: done when `done` is set, failed when `error` is. */
export const jobTasks = snakeCase.table("job_tasks", {
  jobId: uuid().notNull(),
  tokenPairId: integer().notNull(),
  modelId: integer().notNull(),
  done: boolean().notNull().default(false),
  /** The attribution that the task made or used. */
  attributionId: integer(),
  error: text(),
}, (table) => [
  primaryKey({ name: "job_tasks_key", columns: [table.jobId, table.tokenPairId, table.modelId] }),
  foreignKey({ name: "job_tasks_model", columns: [table.modelId], foreignColumns: [models.id] }),
  foreignKey({ name: "job_tasks_job", columns: [table.jobId], foreignColumns: [jobs.id] }).onDelete("cascade"),
  foreignKey({ name: "job_tasks_pair", columns: [table.tokenPairId], foreignColumns: [tokenPairs.id] }),
  foreignKey({ name: "job_tasks_attribution", columns: [table.attributionId], foreignColumns: [attributions.id] }),
  index("job_tasks_by_attribution").on(table.attributionId),
]);
