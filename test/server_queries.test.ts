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
  readonly query: number;
  readonly answer: number;
  readonly special: number | null;
  readonly tokens: readonly string[];
}

const database = testDatabase();
const ask = graphqlClient(database);
let stored: readonly Stored[] = [];
const readStored = (): Promise<readonly Stored[]> =>
  database.connection.sql<Stored[]>`select a.id, pattern, outcome, benchmark, m.name as model,
      logit_difference as delta, instruction_sum as instruction, query_sum as query, answer_sum as answer,
      special_sum as special, key_tokens as tokens
    from attributions a join models m on m.id = a.model_id order by a.created_at desc, a.id desc`;
beforeAll(async () => {
  await fillAttributions(database.connection, COUNT);
  stored = await readStored();
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
function rangeOf(value: number | null, edges: readonly number[]): string | null {
  if (value === null) return null;
  const at = edges.findLastIndex((edge) => edge <= value);
  return at < 0
    ? `below ${edges[0]}`
    : at === edges.length - 1
    ? `from ${edges[at]}`
    : `${edges[at]} to ${edges[at + 1]}`;
}
const SUM_EDGES = [-2, -1, -0.5, 0, 0.5, 1, 2];
const KEYS: Readonly<Record<string, (row: Stored) => readonly (string | null)[]>> = {
  PATTERN: ({ pattern }) => [upper(pattern)],
  OUTCOME: ({ outcome }) => [upper(outcome)],
  BENCHMARK: ({ benchmark }) => [benchmark],
  MODEL: ({ model }) => [model],
  RULE: () => ["ATTNLRP"],
  DELTA: ({ delta }) => [rangeOf(delta, [0, 1, 2, 4, 8, 16])],
  INSTRUCTION: ({ instruction }) => [rangeOf(instruction, SUM_EDGES)],
  QUERY: ({ query }) => [rangeOf(query, SUM_EDGES)],
  ANSWER: ({ answer }) => [rangeOf(answer, SUM_EDGES)],
  SPECIAL: ({ special }) => [rangeOf(special, SUM_EDGES)],
  TOKEN: ({ tokens }) => tokens,
};

/** How many rows have each key of one or two groups. */
function countByHand(rows: readonly Stored[], by: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const row of rows) {
    const [ones, others] = by.map((name) => KEYS[name]!(row));
    for (const one of ones!) {
      for (const other of others ?? [undefined]) {
        const key = JSON.stringify(other === undefined ? [one] : [one, other]);
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }
  }
  return counts;
}

const COUNTS = `query ($by: [AttributionGroup!]!, $first: Int, $after: String, $filter: AttributionFilter) {
  attributionCounts(by: $by, first: $first, after: $after, filter: $filter) {
    nodes { keys count } pageInfo { hasNextPage endCursor } } }`;

interface CountNode {
  readonly keys: readonly (string | null)[];
  readonly count: number;
}

/** The first 200 groups are the largest, with their counts; told is the statement that found them. */
async function expectCounts(expected: ReadonlyMap<string, number>, by: readonly string[], filter: object = {}) {
  database.countStatements();
  const { data, errors } = await ask(COUNTS, { by, first: 200, filter });
  expect(errors).toBeUndefined();
  const [statement, ...others] = database.countStatements();
  expect(others).toEqual([]);
  const { nodes, pageInfo }: { nodes: CountNode[]; pageInfo: { hasNextPage: boolean } } = data.attributionCounts;
  expect(nodes).toHaveLength(Math.min(200, expected.size));
  expect(pageInfo.hasNextPage).toBe(expected.size > 200);
  expect(new Set(nodes.map(({ keys }) => JSON.stringify(keys))).size).toBe(nodes.length);
  for (const { keys, count } of nodes) expect([keys, count]).toEqual([keys, expected.get(JSON.stringify(keys))]);
  expect(nodes.map(({ count }) => count)).toEqual([...expected.values()].sort((a, b) => b - a).slice(0, 200));
  return JSON.stringify(
    await database.connection.sql.unsafe(`explain ${statement!.text}`, statement!.parameters as never[]),
  );
}

/** The plan of what is answered by the kept counts. */
const KEPT = /Scan using attribution_token_counts_/;

describe("attributionCounts", () => {
  const names = Object.keys(KEYS);
  const pairs = names.flatMap((one, index) => [[one], ...names.slice(index + 1).map((other) => [one, other])]);

  test.each(pairs.map((by) => [by.join(" and "), by] as const))("by %s equals counting by hand", async (_, by) => {
    const plan = await expectCounts(countByHand(stored, by), by);
    if (by.includes("TOKEN")) {
      expect(plan).toContain("Index Only Scan using attribution_token_counts_largest");
      expect(plan).not.toMatch(/Seq Scan on attribution_token_counts| on attributions/);
    } else {
      expect(plan).toContain("Index Only Scan using attributions_");
    }
  });

  test.each<readonly [readonly string[], object, (row: Stored) => boolean, RegExp | null]>([
    [["TOKEN"], { rule: "ATTNLRP" }, () => true, KEPT],
    [["TOKEN"], { rule: "CPLRP" }, () => false, KEPT],
    [["TOKEN"], { pattern: "OIT" }, ({ pattern }) => pattern === "oit", KEPT],
    [
      ["OUTCOME", "TOKEN"],
      { outcome: "M_IA", rule: "ATTNLRP" },
      ({ outcome }) => outcome === "m_ia",
      KEPT,
    ],
    [["TOKEN", "MODEL"], { model: "middle" }, ({ model }) => model === "middle", KEPT],
    [["TOKEN"], { model: "none such" }, () => false, KEPT],
    [
      ["TOKEN", "PATTERN"],
      { benchmark: "math" },
      ({ benchmark }) => benchmark === "math",
      null,
    ],
    [
      ["TOKEN"],
      { token: "word9", delta: { min: 2 } },
      ({ tokens, delta }) => tokens.includes("word9") && delta >= 2,
      /attributions_key_tokens/,
    ],
  ])("by %j with the filter %j equals counting by hand", async (by, filter, fits, index) => {
    const plan = await expectCounts(countByHand(stored.filter(fits), by), by, filter);
    if (index !== KEPT) expect(plan).not.toContain("attribution_token_counts");
    if (index !== null) expect(plan).toMatch(index);
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

describe("kept counts by token", () => {
  const GROUPS = [["TOKEN", "PATTERN"], ["BENCHMARK", "TOKEN"], ["SPECIAL", "TOKEN"]];
  const noted = async (): Promise<number> =>
    (await database.connection.sql`select count(*)::int as rows from attribution_token_changes`)[0]!["rows"];
  const expectKept = async () => {
    const rows = await readStored();
    for (const by of GROUPS) await expectCounts(countByHand(rows, by), by);
  };
  const range = (from: number, to: number) => stored.slice(from, to).map(({ id }) => id);

  test("follow what changes, noted only or folded", async () => {
    const { sql } = database.connection;
    expect(await noted()).toBe(0);
    await sql`update attributions set pattern = 'oit', outcome = 'm_ia' where id in ${sql(range(0, 40))}`;
    await sql`update attributions set seconds = 9 where id in ${sql(range(0, 100))}`;
    await sql`update attributions set key_tokens = array['word0', 'new', 'new words'], special_sum = null
      where id in ${sql(range(20, 50))}`;
    await sql`delete from attributions where id in ${sql(range(60, 90))}`;
    const few = await noted();
    expect(few).toBeGreaterThan(60);
    expect(few).toBeLessThan(200);
    await expectKept();
    // Enough for a fold, in the middle of a transaction that is given up: nothing of it stays.
    await expect(sql.begin(async (tx) => {
      await tx`update attributions set benchmark = 'other' where id in ${tx(range(1000, 2000))}`;
      expect((await tx`select count(*)::int as rows from attribution_token_changes`)[0]!["rows"]).toBe(0);
      throw new Error("given up");
    })).rejects.toThrow("given up");
    expect(await noted()).toBe(few);
    await expectKept();
    await sql`update attributions set benchmark = 'other', pattern = null where id in ${sql(range(1000, 2000))}`;
    expect(await noted()).toBe(0);
    await expectKept();
    await sql`delete from attributions where benchmark = 'other'`;
    expect(await noted()).toBe(0);
    expect(await sql`select from attribution_token_counts where value = 'other' or attributions <= 0`).toHaveLength(0);
    await expectKept();
  });

  test("are exact while several write at once, and nobody waits for another's fold", async () => {
    const { sql } = database.connection;
    await sql.begin(async (tx) => {
      // Folds and holds the lock until its end; the others go on noting.
      await tx`update attributions set pattern = 'urt', query_sum = 0.7 where id in ${tx(range(2000, 2600))}`;
      await Promise.all(Array.from({ length: 8 }, async (_, writer) => {
        for (let turn = 0; turn < 5; turn++) {
          const at = 3000 + 200 * writer + 40 * turn;
          await sql`update attributions set pattern = 'urt_oit' where id in ${sql(range(at, at + 40))}`;
          await sql`delete from attributions where id in ${sql(range(at, at + 3))}`;
        }
      }));
      await expectKept();
    });
    await expectKept();
    await sql`select fold_attribution_token_changes()`;
    expect(await noted()).toBe(0);
    await expectKept();
  });

  test("end with the attributions", async () => {
    const { sql } = database.connection;
    await sql`truncate attributions cascade`;
    expect(await sql`select from attribution_token_counts`).toHaveLength(0);
    expect(await noted()).toBe(0);
  });
});
