import { parse, validate } from "graphql";
import { expect, test } from "vitest";
import { schema } from "../schema/schema.ts";
import { EXAMPLE_QUERIES } from "../server/http/example_queries.ts";

test("the example queries are valid against the schema", () => {
  const document = parse(EXAMPLE_QUERIES);
  expect(validate(schema, document).map(String)).toEqual([]);
  const names = document.definitions.map((definition) =>
    definition.kind === "OperationDefinition" ? definition.name?.value : undefined
  );
  expect(names).toEqual(["Failures", "ByPattern", "FlipsByMasking", "Mask", "PreferenceWeights", "PreferenceFiles"]);
});
