/** `deno run -A schema/print.ts` writes `schema.graphql`; a test checks that it is up to date. */
import { writeFileSync } from "node:fs";
import { lexicographicSortSchema, printSchema } from "graphql";
import { schema } from "./schema.ts";

/** The schema as text, sorted by name so that diffs show meaning. */
export function printedSchema(): string {
  return printSchema(lexicographicSortSchema(schema)) + "\n";
}

if (import.meta.main) writeFileSync(new URL("schema.graphql", import.meta.url), printedSchema());
