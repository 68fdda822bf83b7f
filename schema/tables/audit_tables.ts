/** Who changed what. */
import { index, integer, jsonb, snakeCase, text } from "drizzle-orm/pg-core";
import { createdAt, identity } from "./columns.ts";

/** One mutation that was asked for, done or refused. Rows are only ever added. */
export const auditEntries = snakeCase.table("audit_entries", {
  id: identity(),
  /** `local`, or the scope and the beginning of the hash of the token: `run:1f3870be`. */
  client: text().notNull(),
  /** The mutation's field. */
  field: text().notNull(),
  /** Its arguments; files by their names, long texts cut. */
  input: jsonb().$type<unknown>().notNull(),
  /** `done`, or the code of what was wrong: `BAD_INPUT`, `FORBIDDEN`. */
  outcome: text().notNull(),
  milliseconds: integer().notNull(),
  createdAt: createdAt(),
}, (table) => [
  index("audit_entries_created").on(table.createdAt, table.id),
]);
