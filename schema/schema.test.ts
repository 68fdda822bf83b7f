import { readFileSync } from "node:fs";
import { type GraphQLNamedType, isEnumType, isInputObjectType, isInterfaceType, isObjectType } from "graphql";
import { expect, test } from "vitest";
import { RULES as ENGINE_RULES } from "../gpu/engine.ts";
import { printedIntrospection, printedSchema } from "./print.ts";
import { schema } from "./schema.ts";
import { RULES } from "./tables/rules.ts";

test("schema.graphql is what the types print", () => {
  const stored = readFileSync(new URL("schema.graphql", import.meta.url), "utf8");
  expect(stored, "run: deno run -A schema/print.ts").toBe(printedSchema());
});

test("introspection.d.ts, by which the page's documents are typed, is what the types print", () => {
  const stored = readFileSync(new URL("introspection.d.ts", import.meta.url), "utf8");
  expect(stored === printedIntrospection(), "run: deno run -A schema/print.ts").toBe(true);
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

test("rules are the engine's, though neither room imports the other", () => {
  expect(RULES).toEqual(ENGINE_RULES);
});

/** What people type in scripts: fields with the arguments that they take, fields of filters, kinds of jobs. */
const PROMISED: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  Query: {
    node: ["id"],
    failureCases: ["filter", "orderBy", "first", "after"],
    attributions: ["filter", "orderBy", "first", "after"],
    job: ["id"],
  },
  Mutation: {
    addModel: ["input"],
    importFailureCases: ["input"],
    collectFailures: ["input"],
    findTokenPairs: ["input"],
    attribute: ["input"],
    buildGraph: ["input"],
    diagnose: ["input"],
    explainObjective: ["input"],
    runMaskingExperiment: ["input"],
    runStudy: ["input"],
    exportPreferences: ["input"],
    generate: ["input"],
    explain: ["input"],
    cancelJob: ["id"],
  },
  Subscription: { jobProgress: ["id", "after"] },
  AttributionFilter: { pattern: [], outcome: [], benchmark: [], model: [], delta: [], segment: [], token: [] },
  InputError: { message: [], what: [], where: [], mend: [] },
  GenerateInput: { model: [], chat: [], prompt: [], prefix: [], maxTokens: [], alternatives: [] },
  ExplainInput: { model: [], chat: [], prompt: [], prefix: [], target: [], contrast: [], rule: [] },
  Generation: { prompt: [], text: [], stop: [], tokens: [] },
  GeneratedToken: { position: [], id: [], text: [], logit: [], alternatives: [] },
  GeneratedAlternative: { rank: [], id: [], text: [], logit: [] },
  Explanation: { failureCase: [], job: [] },
  Attribution: { strongest: ["count", "sign"] },
  StrongToken: { position: [], text: [], relevance: [], segment: [] },
  FailureCaseFilter: { search: [] },
  AttributeInput: { filter: [] },
  BuildGraphInput: { filter: [] },
  DiagnoseInput: { filter: [] },
  RunMaskingExperimentInput: { filter: [] },
  ExportPreferencesInput: { filter: [] },
  Job: { generation: [], attributions: [], status: [], done: [], total: [], sequence: [] },
};

test.each(Object.entries(PROMISED))("names that users type stay as they are: %s", (name, promised) => {
  const type = schema.getType(name);
  if (!isObjectType(type) && !isInputObjectType(type)) throw new Error(`there is no type ${name}`);
  const fields = type.getFields();
  for (const [field, args] of Object.entries(promised)) {
    expect(Object.keys(fields), name).toContain(field);
    const found = fields[field]!;
    const taken = "args" in found ? found.args.map((arg) => arg.name) : [];
    expect(taken, `${name}.${field}`).toEqual(expect.arrayContaining([...args]));
  }
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
