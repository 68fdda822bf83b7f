/** The database with all tables, as statements are written to it. */
import type { PostgresJsDatabase } from "drizzle-orm/postgres-js";
import type { relations } from "./relations.ts";

export type Database = PostgresJsDatabase<typeof relations>;
