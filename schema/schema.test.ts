import { readFileSync } from "node:fs";
import { type GraphQLNamedType, isEnumType, isInputObjectType, isInterfaceType, isObjectType } from "graphql";
import { expect, test } from "vitest";
import { printedSchema } from "./print.ts";
import { schema } from "./schema.ts";

test("schema.graphql is what the types print", () => {
  const stored = readFileSync(new URL("schema.graphql", import.meta.url), "utf8");
  expect(stored, "run: deno run -A schema/print.ts").toBe(printedSchema());
});

test("every type, field, argument and enum value has a description", () => {
  const missing: string[] = [];
  for (const type of Object.values(schema.getTypeMap())) {
    if (type.name.startsWith("__")) continue;
    if (!type.description) missing.push(type.name);
    for (const [name, description] of parts(type)) if (!description) missing.push(name);
  }
  expect(missing).toEqual([]);
});

test("names that users type stay as they are", () => {
  const names = (type: string) => Object.keys((schema.getType(type) as { getFields(): object }).getFields());
  expect(names("Query")).toEqual(expect.arrayContaining(["node", "failureCases", "attributions", "job", "jobs"]));
  expect(names("Mutation")).toEqual(
    expect.arrayContaining(["addModel", "importFailureCases", "attribute", "cancelJob"]),
  );
  expect(names("Subscription")).toEqual(["jobProgress"]);
});

function* parts(type: GraphQLNamedType): Generator<[string, string | null | undefined]> {
  if (isEnumType(type)) {
    for (const value of type.getValues()) yield [`${type.name}.${value.name}`, value.description];
  } else if (isInputObjectType(type)) {
    for (const field of Object.values(type.getFields())) yield [`${type.name}.${field.name}`, field.description];
  } else if (isObjectType(type) || isInterfaceType(type)) {
    for (const field of Object.values(type.getFields())) {
      yield [`${type.name}.${field.name}`, field.description];
      for (const arg of field.args) yield [`${type.name}.${field.name}(${arg.name}:)`, arg.description];
    }
  }
}
