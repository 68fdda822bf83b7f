/** What people ask a model: prompts typed just now, and what the model answered. */
import { foreignKey, integer, jsonb, pgEnum, snakeCase, text, uuid } from "drizzle-orm/pg-core";
import { createdAt } from "./columns.ts";
import { jobs, models } from "./tables.ts";
import type { Thought } from "./values.ts";

/** Why an answer ends: by itself, or at the limit of tokens. */
export const stopEnum = pgEnum("stop", ["eos", "length"]);

/** What a model could have said in place of a token of its answer. */
export interface GeneratedAlternative {
  /** Rank among all logits, 0 = the argmax. */
  readonly rank: number;
  readonly id: number;
  readonly text: string;
  readonly logit: number;
  /** 0 to 1; answers that were stored before 0.3 have none. */
  readonly probability?: number;
}

/** A token of an answer. While the answer is being written it has no numbers and no alternatives. */
export interface GeneratedToken {
  readonly id: number;
  readonly text: string;
  readonly logit: number | null;
  readonly probability?: number | null;
  readonly alternatives: readonly GeneratedAlternative[];
}

/** An answer of a model to a prompt, written by the job of the same id. */
export const generations = snakeCase.table("generations", {
  jobId: uuid().primaryKey(),
  modelId: integer().notNull(),
  /** The chat that the prompt was rendered from; null for a plain prompt. */
  messages: jsonb().$type<readonly { readonly role: string; readonly content: string }[]>(),
  /** The prompt as the model read it, and how the answer was told to begin. */
  prompt: text().notNull(),
  prefix: text().notNull(),
  /** Ids of the prompt, and of the beginning of the answer after it. */
  promptIds: integer().array().notNull(),
  prefixIds: integer().array().notNull(),
  /** What the model wrote so far, without the prefix. */
  text: text().notNull(),
  /** The thought that the text begins with, as far as it is written; null where the model was not asked to think. */
  thought: jsonb().$type<Thought>(),
  /** Null while it is being written. */
  stop: stopEnum(),
  tokens: jsonb().$type<readonly GeneratedToken[]>().notNull(),
  createdAt: createdAt(),
}, (table) => [
  foreignKey({ name: "generations_job", columns: [table.jobId], foreignColumns: [jobs.id] }).onDelete("cascade"),
  foreignKey({ name: "generations_model", columns: [table.modelId], foreignColumns: [models.id] }),
]);
