/**
 * `deno run -A schema/print.ts` writes `schema.graphql`, and `introspection.d.ts`, by which the page's documents are
 * typed (gql.tada). A test checks that both are up to date.
 */
import { writeFileSync } from "node:fs";
import { minifyIntrospection, outputIntrospectionFile } from "gql.tada/internal";
import { introspectionFromSchema, lexicographicSortSchema, printSchema } from "graphql";
import { schema } from "./schema.ts";

/** The schema as text, sorted by name so that diffs show meaning. */
export function printedSchema(): string {
  return printSchema(lexicographicSortSchema(schema)) + "\n";
}

/** The schema as a type. */
export function printedIntrospection(): string {
  const introspection = introspectionFromSchema(lexicographicSortSchema(schema), { descriptions: false });
  return outputIntrospectionFile(minifyIntrospection(introspection), { fileType: ".d.ts", shouldPreprocess: true });
}

if (import.meta.main) {
  writeFileSync(new URL("schema.graphql", import.meta.url), printedSchema());
  writeFileSync(new URL("introspection.d.ts", import.meta.url), printedIntrospection());
}
