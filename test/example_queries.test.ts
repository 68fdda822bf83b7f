/** The examples of GraphiQL: valid, and cheap enough to be tried by whoever is curious. */
import { complexityFromQuery } from "@pothos/plugin-complexity";
import { Kind, type OperationDefinitionNode, OperationTypeNode, parse, print, validate } from "graphql";
import { beforeAll, expect, test } from "vitest";
import type { RunMaskingRequest } from "../schema/services/masking.ts";
import { schema } from "../schema/schema.ts";
import { EXAMPLE_LIMITS, EXAMPLE_QUERIES } from "../server/http/example_queries.ts";
import { decodingPasses, maskingPasses, ROLLOUTS } from "../server/masking/passes.ts";
import { storeModel, storePair, testDatabase } from "./database.ts";
import { globalId, graphqlClient } from "./graphql_client.ts";

const document = parse(EXAMPLE_QUERIES);
const operations = document.definitions.filter((one): one is OperationDefinitionNode =>
  one.kind === Kind.OPERATION_DEFINITION
);
const mutations = operations.filter(({ operation }) => operation === OperationTypeNode.MUTATION);

test("the example queries are valid against the schema", () => {
  expect(validate(schema, document).map(String)).toEqual([]);
  expect(operations.map(({ name }) => name?.value)).toEqual([
    ...["Failures", "ByPattern", "FlipsByMasking", "PlanMask", "Mask", "PreferenceWeights", "PreferenceFiles"],
  ]);
});

test.each(operations.map((one) => [one.name!.value, one] as const))("%s costs few fields", (_name, operation) => {
  const variables = { pair: "", job: "" };
  const { complexity } = complexityFromQuery(parse(print(operation)), { schema, variables, ctx: {} });
  expect(complexity).toBeLessThanOrEqual(EXAMPLE_LIMITS.cost);
});

const database = testDatabase();
const pairs: number[] = [];
beforeAll(async () => {
  const modelId = await storeModel(database);
  for (let index = 0; index < 3; index++) pairs.push(await storePair(database, modelId, `case ${index}`));
});

test.each(mutations.map((one) => [one.name!.value, print(one)] as const))(
  "%s asks for work on one pair of all that there are, within the plan that is stated",
  async (_name, mutation) => {
    const asked: { tokenPairIds: unknown; settings?: RunMaskingRequest["settings"] }[] = [];
    const keep = (request: (typeof asked)[number]) => {
      asked.push(request);
      return Promise.reject(new Error("Nothing is run here"));
    };
    const ask = graphqlClient(database, { runMasking: keep, exportPreferences: keep });
    await ask(mutation, { pair: globalId("TokenPair", pairs[1]!) });
    expect(asked.map(({ tokenPairIds }) => tokenPairIds)).toEqual([[pairs[1]]]);
    expect(EXAMPLE_LIMITS.pairs).toBe(1);
    const { settings } = asked[0]!;
    if (settings === undefined) return;
    const passes = maskingPasses(settings) + ROLLOUTS * decodingPasses(settings);
    expect(passes).toBeLessThanOrEqual(EXAMPLE_LIMITS.passes * EXAMPLE_LIMITS.pairs);
  },
);
