/** GraphQL operations of every field that there is, with arguments of the right type and odd values, or of none. */
import {
  getNamedType,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLNamedType,
  type GraphQLOutputType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  isUnionType,
} from "graphql";
import { schema } from "../schema/schema.ts";
import { EXAMPLE_QUERIES } from "../server/http/example_queries.ts";
import { type Json, oddValue, pick, spoiltText } from "./fuzz_text.ts";
import { type Random, seededRandom } from "./random.ts";

export interface MalformedOperation {
  /** The request's body. */
  readonly body: string;
  readonly contentType: string;
}

const QUERIES = [
  '{ failureCases(first: 5, filter: { benchmark: "x", delta: { min: 1.5 } }) { nodes { id key tokenPairs { delta } } } }',
  "query ($id: ID!) { node(id: $id) { __typename ... on Job { status } } }",
  'mutation { cancelJob(id: "Sm9iOjE=") { __typename } }',
  'mutation { attribute(input: { tokenPairIds: ["VG9rZW5QYWlyOjE="], rule: ATTNLRP }) { __typename } }',
  'mutation { importFailureCases(input: { path: "models/x.jsonl", from: MATH }) { __typename } }',
  '{ attributions(first: 2, after: "RFBDOk46MQ==", orderBy: { by: DELTA }) { nodes { relevance(layer: 1) } } }',
  ...EXAMPLE_QUERIES.split(/\n(?=# )/).slice(1),
];

/** Deepest selection of a made operation. */
const DEPTH = 3;

/** The operation of a seed. `ids` are global ids that may be changed by what is asked. */
export function malformedOperation(ids: readonly string[], seed: number): MalformedOperation {
  const random = seededRandom(seed);
  const kind = random.next();
  const query = kind < 0.3 ? spoiltText(random, QUERIES) : madeOperation(random, ids);
  const variables = { id: random.next() < 0.5 ? oddValue(random) : pick(random, ids) };
  const whole = JSON.stringify({
    query: kind >= 0.9 ? spoiltText(random, [query]) : query,
    ...(random.next() < 0.5 ? { variables: random.next() < 0.9 ? variables : oddValue(random) } : {}),
    ...(random.next() < 0.1 ? { operationName: oddValue(random), extensions: oddValue(random) } : {}),
  });
  const body = random.next() < 0.2 ? spoiltText(random, [whole]) : whole;
  const types = ["application/json; charset=utf-8", "application/graphql+json", "text/plain", "application/json;;"];
  return { body, contentType: random.next() < 0.95 ? "application/json" : pick(random, types) };
}

function madeOperation(random: Random, ids: readonly string[]): string {
  const mutates = random.next() < 0.5;
  const root = mutates ? schema.getMutationType()! : schema.getQueryType()!;
  const field = pick(random, Object.values(root.getFields()));
  return `${mutates ? "mutation" : "query"} { ${callOf(random, ids, field, DEPTH)} }`;
}

function callOf(
  random: Random,
  ids: readonly string[],
  field: GraphQLField<unknown, unknown>,
  depth: number,
): string {
  const given = field.args.flatMap((argument: GraphQLArgument) => {
    const needed = isNonNullType(argument.type) && argument.defaultValue === undefined;
    if (!needed && random.next() < 0.5) return [];
    return [`${argument.name}: ${literalOf(random, ids, argument.type)}`];
  });
  return `${field.name}${given.length > 0 ? `(${given.join(", ")})` : ""}${
    selectionOf(random, ids, field.type, depth)
  }`;
}

function selectionOf(random: Random, ids: readonly string[], type: GraphQLOutputType, depth: number): string {
  const named: GraphQLNamedType = getNamedType(type);
  if (isLeafType(named)) return "";
  if (isUnionType(named) || isInterfaceType(named)) {
    const one = pick(random, schema.getPossibleTypes(named));
    return ` { __typename ... on ${one.name}${selectionOf(random, ids, one, depth - 1)} }`;
  }
  if (!isObjectType(named) || depth <= 0) return " { __typename }";
  const fields = Object.values(named.getFields());
  const chosen = Array.from({ length: random.integer(1, 4) }, () => pick(random, fields));
  const selected = chosen.map((field, index) => `a${index}: ${callOf(random, ids, field, depth - 1)}`);
  return ` { __typename ${selected.join(" ")} }`;
}

/** A value in GraphQL's words: mostly of the type, sometimes at its edges, sometimes of no type. */
function literalOf(random: Random, ids: readonly string[], type: GraphQLInputType): string {
  if (random.next() < 0.05) return literal(oddValue(random));
  if (isNonNullType(type)) return literalOf(random, ids, type.ofType);
  if (random.next() < 0.05) return "null";
  if (isListType(type)) {
    const length = random.next() < 0.05 ? 300 : random.integer(0, 3);
    return `[${Array.from({ length }, () => literalOf(random, ids, type.ofType)).join(", ")}]`;
  }
  if (isEnumType(type)) return pick(random, type.getValues()).name;
  if (isInputObjectType(type)) {
    const fields = Object.values(type.getFields()).flatMap((field) => {
      const needed = isNonNullType(field.type) && field.defaultValue === undefined;
      return needed || random.next() < 0.5 ? [`${field.name}: ${literalOf(random, ids, field.type)}`] : [];
    });
    return `{ ${fields.join(", ")} }`;
  }
  return scalarOf(random, ids, type.name);
}

function scalarOf(random: Random, ids: readonly string[], name: string): string {
  const globalId = (text: string) => btoa(text);
  switch (name) {
    case "Int":
      return String(pick(random, [0, 1, 2, 5, -1, 200, 201, 1024, 2 ** 31 - 1, -(2 ** 31), 2 ** 31]));
    case "Float":
      return pick(random, ["0", "1.5", "-1", "1e308", "-1e-308", "1e999", "9007199254740993"]);
    case "Boolean":
      return pick(random, ["true", "false"]);
    case "ID":
      return JSON.stringify(pick(random, [
        ...ids,
        globalId("TokenPair:99999999999"),
        globalId("FailureCase:-1"),
        globalId("Job:1"),
        globalId("Job:00000000-0000-0000-0000-000000000000"),
        globalId("Nothing:1"),
        "",
        "x",
      ]));
    case "DateTime":
      return pick(random, ['"2026-01-01T00:00:00.000Z"', '"yesterday"', "0", '"+275760-09-13T00:00:00.000Z"']);
    default:
      return literal(pick(random, ["demo-1m", "demo-ifeval", "fuzzed", "DC:D:x", oddText(random)]));
  }
}

function oddText(random: Random): string {
  const value = oddValue(random);
  return typeof value === "string" ? value : "a".repeat(random.integer(0, 3000));
}

function literal(value: Json): string {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean" || value === null) {
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  const entries = Object.entries(value as Readonly<Record<string, Json>>);
  return `{ ${entries.map(([key, inner]) => `${key}: ${literal(inner)}`).join(", ")} }`;
}
