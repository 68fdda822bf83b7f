/** How far the search of token pairs is: what makes it go on where it was, and the evidence of every position visited. */
import { foreignKey, integer, jsonb, snakeCase, text } from "drizzle-orm/pg-core";
import { moment } from "./columns.ts";
import { failureCases } from "./tables.ts";

/** The search of one failure case. */
export const pairSearches = snakeCase.table("pair_searches", {
  failureCaseId: integer().primaryKey(),
  /** SHA-256 of what the search was asked for: with other settings it begins anew. */
  settingsHash: text().notNull(),
  /** Hash of the sibling model; null while none was given. */
  siblingHash: text(),
  /** The next position, and the positions visited with every alternative that was tried (server/search/search.ts). */
  state: jsonb().$type<Readonly<Record<string, unknown>>>().notNull(),
  updatedAt: moment().notNull(),
}, (table) => [
  foreignKey({ name: "pair_searches_case", columns: [table.failureCaseId], foreignColumns: [failureCases.id] })
    .onDelete("cascade"),
]);
