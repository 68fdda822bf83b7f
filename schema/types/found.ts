/** How many rows a filter finds, counted no further than anybody reads. */
import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import type { Database } from "../tables/database.ts";
import { builder } from "./builder.ts";

export interface FoundCount {
  readonly count: number;
  readonly isAll: boolean;
}

export const Found = builder.objectRef<FoundCount>("Found").implement({
  description: "How many there are, counted up to a bound.",
  fields: (t) => ({
    count: t.exposeInt("count", { description: "How many were counted." }),
    isAll: t.exposeBoolean("isAll", { description: "Whether these are all: false where there are more." }),
  }),
});

/** What the fields that count say of their bound. */
export const AT_MOST = {
  description:
    "Counts so many at most. A text that most cases have is in no index: all of them would be read to count them.",
  validate: z.int().min(1),
} as const;

/**
 * Counts the rows of `table` that match. With a bound PostgreSQL walks the table and stops there where most of it
 * matches, and takes the index where little does.
 */
export async function countFound(
  db: Database,
  table: SQL,
  condition: SQL,
  atMost: number | null | undefined,
): Promise<FoundCount> {
  const bound = atMost == null ? sql`` : sql`limit ${atMost + 1}`;
  const [row] = await db.execute<{ readonly count: number }>(
    sql`select count(*)::int as count from (select from ${table} where ${condition} ${bound}) as matching`,
  );
  const { count } = row!;
  return atMost != null && count > atMost ? { count: atMost, isAll: false } : { count, isAll: true };
}
