/** Columns that most tables have. */
import { sql } from "drizzle-orm";
import { boolean, integer, text, timestamp } from "drizzle-orm/pg-core";

/** Milliseconds, since cursors carry JavaScript dates: microseconds would make pages skip rows. */
export const moment = () => timestamp({ withTimezone: true, precision: 3, mode: "date" });
export const createdAt = () => moment().notNull().default(sql`now()`);
export const identity = () => integer().primaryKey().generatedAlwaysAsIdentity();
/** Version of the engine that computed it and hash of its kernels, `0.1.0+3f9a…`; null in rows older than this column. */
export const engine = () => text();
/** Whether the adapter had computed golden models right before it computed this; null in rows older than this column. */
export const adapterChecked = () => boolean();
