/** What lists share: directions and ranges. */
import { type Column, gte, lte, type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { builder } from "./builder.ts";

/** Bounds of a list of an enum's values: one at least. */
export const CHOICES = z.array(z.unknown()).min(1).max(10);

export const Direction = builder.enumType("Direction", {
  description: "Which way a list is ordered.",
  values: {
    ASC: { value: "asc", description: "Smallest or oldest first." },
    DESC: { value: "desc", description: "Largest or newest first." },
  } as const,
});

/** The direction asked for; descending when nothing is said. */
export function direction(asked: "asc" | "desc" | null | undefined): "asc" | "desc" {
  return asked ?? "desc";
}

export const Range = builder.inputType("Range", {
  description: "A range of numbers, both ends included; an end that is not given is open.",
  fields: (t) => ({
    min: t.float({ description: "Smallest number." }),
    max: t.float({ description: "Largest number." }),
  }),
});

/** The conditions that hold a column inside a range. */
export function withinRange(column: Column, range: typeof Range.$inferInput | null | undefined): (SQL | undefined)[] {
  return [
    range?.min != null ? gte(column, range.min) : undefined,
    range?.max != null ? lte(column, range.max) : undefined,
  ];
}

const IDS_ALONE = { columns: { id: true }, with: {}, extras: {} } as const;

/**
 * The page with its rows picked by a query of their ids alone, which `find` makes. For filtered lists: PostgreSQL joins
 * the relations of every row that matches before it sorts them, unless the page is cut first.
 */
export function cutFirst<Page extends object>(page: Page, find: (page: Page & typeof IDS_ALONE) => { getSQL(): SQL }) {
  const ids = find({ ...page, ...IDS_ALONE });
  return { ...page, where: { RAW: (table: { readonly id: Column }) => sql`${table.id} in (${ids.getSQL()})` } };
}
