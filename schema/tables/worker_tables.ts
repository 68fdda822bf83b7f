/** The workers that run, so that tasks find one that can do them. */
import { bigint, index, integer, snakeCase, text, uuid } from "drizzle-orm/pg-core";
import { createdAt, moment } from "./columns.ts";

/** A GPU worker, written by itself every few seconds. Rows of workers that died stay until somebody tidies up. */
export const workers = snakeCase.table("workers", {
  id: uuid().primaryKey(),
  /** Name of its machine. */
  host: text().notNull(),
  pid: integer().notNull(),
  /** In its driver's words. */
  adapter: text().notNull(),
  /** Device memory that it may use for all, in bytes; null where nobody tells. */
  memoryBytes: bigint({ mode: "number" }),
  /** Hashes of the models whose files it holds. */
  models: text().array().notNull(),
  createdAt: createdAt(),
  seenAt: moment().notNull(),
}, (table) => [index("workers_seen").on(table.seenAt)]);
