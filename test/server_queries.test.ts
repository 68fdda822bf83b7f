/** The queries that people write first: what they find, and that an index answers each in one statement. */
import { beforeAll, describe, expect, test } from "vitest";
import { fillAttributions, GENERATED } from "./attribution_rows.ts";
import { testDatabase } from "./database.ts";
import { graphqlClient } from "./graphql_client.ts";

const COUNT = 6000;

interface Stored {
  readonly id: number;
  readonly pattern: string | null;
  readonly outcome: string;
  readonly benchmark: string;
  readonly model: string;
  readonly delta: number;
  readonly instruction: number;
  readonly tokens: readonly string[];
}

const database = testDatabase();
const ask = graphqlClient(database);
let stored: readonly Stored[] = [];
beforeAll(async () => {
  await fillAttributions(database.connection, COUNT);
  stored = await database.connection.sql<Stored[]>`select a.id, pattern, outcome, benchmark, m.name as model,
      logit_difference as delta, instruction_sum as instruction, key_tokens as tokens
    from attributions a join models m on m.id = a.model_id order by a.created_at desc, a.id desc`;
});

const upper = (text: string | null) => text === null ? null : text.toUpperCase();

/** What a filter asks for, which rows it means, and the index that must answer it where few rows match. */
const FILTERS: readonly (readonly [string, (row: Stored) => boolean, string])[] = [
  ["pattern: OIT", ({ pattern }) => pattern === "oit", "attributions_pattern"],
  ["outcome: NC_IA_AG", ({ outcome }) => outcome === "nc_ia_ag", "attributions_outcome"],
  ['benchmark: "math"', ({ benchmark }) => benchmark === "math", "attributions_"],
  ['model: "middle"', ({ model }) => model === "middle", "attributions_"],
  ["delta: { min: 7.35 }", ({ delta }) => delta >= 7.35, "attributions_delta"],
  [
    "segment: { segment: INSTRUCTION, max: -3.3 }",
    ({ instruction }) => instruction <= -3.3,
    "attributions_instruction",
  ],
  ['token: "word4321"', ({ tokens }) => tokens.includes("word4321"), "attributions_key_tokens"],
  [
    'pattern: URT, benchmark: "gaia2", delta: { min: 2, max: 3 }, segment: { segment: INSTRUCTION, min: 0 }',
    ({ pattern, benchmark, delta, instruction }) =>
      pattern === "urt" && benchmark === "gaia2" && delta >= 2 && delta <= 3 && instruction >= 0,
    "attributions_",
  ],
];

test.each(FILTERS)(
  "attributions with %s: the first page by one statement with an index",
  async (filter, fits, index) => {
    const expected = stored.filter(fits);
    expect(expected.length).toBeGreaterThan(0);
    expect(expected.length).toBeLessThan(COUNT);
    database.countStatements();
    const { data, errors } = await ask(`{ attributions(first: 20, filter: { ${filter} }) {
    nodes { id pattern outcome logitDifference model { name } tokenPair { delta failureCase { benchmark } } }
    pageInfo { hasNextPage endCursor } } }`);
    expect(errors).toBeUndefined();
    const [statement, ...others] = database.countStatements();
    expect(others).toEqual([]);
    const { nodes, pageInfo } = data.attributions;
    expect(nodes.map(({ id }: { id: string }) => Number(atob(id).split(":")[1]))).toEqual(
      expected.slice(0, 20).map(({ id }) => id),
    );
    expect(pageInfo.hasNextPage).toBe(expected.length > 20);
    const plan = JSON.stringify(
      await database.connection.sql.unsafe(`explain ${statement!.text}`, statement!.parameters as never[]),
    );
    expect(plan).toContain(index);
    expect(plan).not.toContain("Seq Scan on attributions");
  },
);

test("totalCount counts what the filter means", async () => {
  for (const [filter, fits] of FILTERS) {
    const { data } = await ask(`{ attributions(first: 1, filter: { ${filter} }) { totalCount } }`);
    expect([filter, data.attributions.totalCount]).toEqual([filter, stored.filter(fits).length]);
  }
});

/** Ranges as docs and descriptions give them. */
function rangeOf(value: number, edges: readonly number[]): string {
  const at = edges.findLastIndex((edge) => edge <= value);
  return at < 0
    ? `below ${edges[0]}`
    : at === edges.length - 1
    ? `from ${edges[at]}`
    : `${edges[at]} to ${edges[at + 1]}`;
}
const KEYS: Readonly<Record<string, (row: Stored) => readonly (string | null)[]>> = {
  PATTERN: ({ pattern }) => [upper(pattern)],
  OUTCOME: ({ outcome }) => [upper(outcome)],
  BENCHMARK: ({ benchmark }) => [benchmark],
  MODEL: ({ model }) => [model],
  RULE: () => ["ATTNLRP"],
  DELTA: ({ delta }) => [rangeOf(delta, [0, 1, 2, 4, 8, 16])],
  INSTRUCTION: ({ instruction }) => [rangeOf(instruction, [-2, -1, -0.5, 0, 0.5, 1, 2])],
  TOKEN: ({ tokens }) => tokens,
};

describe("attributionCounts", () => {
  const COUNTS = `query ($by: [AttributionGroup!]!, $first: Int, $after: String, $filter: AttributionFilter) {
    attributionCounts(by: $by, first: $first, after: $after, filter: $filter) {
      nodes { keys count } pageInfo { hasNextPage endCursor } } }`;
  const names = Object.keys(KEYS);
  const pairs = names.flatMap((one, index) => [[one], ...names.slice(index + 1).map((other) => [one, other])]);

  test.each(pairs.map((by) => [by.join(" and "), by] as const))("by %s equals counting by hand", async (_, by) => {
    const expected = new Map<string, number>();
    for (const row of stored) {
      const [ones, others] = by.map((name) => KEYS[name]!(row));
      for (const one of ones!) {
        for (const other of others ?? [undefined]) {
          const key = JSON.stringify(other === undefined ? [one] : [one, other]);
          expected.set(key, (expected.get(key) ?? 0) + 1);
        }
      }
    }
    database.countStatements();
    const { data, errors } = await ask(COUNTS, { by, first: 200 });
    expect(errors).toBeUndefined();
    const [statement, ...others] = database.countStatements();
    expect(others).toEqual([]);
    const { nodes, pageInfo } = data.attributionCounts;
    expect(nodes).toHaveLength(Math.min(200, expected.size));
    expect(pageInfo.hasNextPage).toBe(expected.size > 200);
    for (const { keys, count } of nodes) expect([keys, count]).toEqual([keys, expected.get(JSON.stringify(keys))]);
    const sizes = [...expected.values()].sort((a, b) => b - a);
    expect(nodes.map(({ count }: { count: number }) => count)).toEqual(sizes.slice(0, 200));
    if (by.includes("TOKEN")) return;
    const plan = JSON.stringify(
      await database.connection.sql.unsafe(`explain ${statement!.text}`, statement!.parameters as never[]),
    );
    expect(plan).toContain("Index Only Scan using attributions_");
  });

  test("pages neither repeat nor skip groups, a filter holds, and nulls have their group", async () => {
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const { data, errors } = await ask(COUNTS, {
        by: ["PATTERN", "BENCHMARK"],
        first: 3,
        after,
        filter: { model: GENERATED.models[0], outcome: "M_IA" },
      });
      expect(errors).toBeUndefined();
      seen.push(...data.attributionCounts.nodes.map((node: unknown) => JSON.stringify(node)));
      after = data.attributionCounts.pageInfo.hasNextPage ? data.attributionCounts.pageInfo.endCursor : null;
    } while (after !== null);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toHaveLength(4 * GENERATED.benchmarks.length);
    const total = seen.reduce((sum, text) => sum + JSON.parse(text).count, 0);
    const rows = stored.filter(({ model, outcome }) => model === GENERATED.models[0] && outcome === "m_ia");
    expect(total).toBe(rows.length);
    expect(seen.some((text) => JSON.parse(text).keys[0] === null)).toBe(true);
  });

  test.each([[[]], [["PATTERN", "PATTERN"]], [["PATTERN", "OUTCOME", "MODEL"]]])(
    "refuses groups %j",
    async (by) => {
      const { data, errors } = await ask(COUNTS, { by });
      expect(data?.attributionCounts ?? null).toBeNull();
      expect(errors?.[0]?.extensions?.["code"]).toBe("BAD_INPUT");
    },
  );
});
