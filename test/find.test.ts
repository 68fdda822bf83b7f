/** Finding cases by their text, the strongest tokens of a row, and work on all that a filter lists. */
import { sql } from "drizzle-orm";
import { beforeAll, expect, test } from "vitest";
import { createAttributeJob } from "../server/attributions/attribute_job.ts";
import { attributionRow } from "../server/attributions/attribution_row.ts";
import { startQueue } from "../server/jobs/queue.ts";
import { attributions, failureCases, jobTasks } from "../schema/tables/tables.ts";
import type { Services } from "../schema/services/services.ts";
import { storeModel, storePair, testDatabase } from "./database.ts";
import { graphqlClient } from "./graphql_client.ts";

const database = testDatabase();
const ask = graphqlClient(database);
const pairIds: number[] = [];
/** Cases enough that a search without an index would be planned otherwise. */
const MANY = 20_000;

beforeAll(async () => {
  const { db } = database.connection;
  const modelId = await storeModel(database);
  for (let index = 0; index < 4; index++) {
    const tokenPairId = await storePair(database, modelId, `case/${index}`, { delta: 2 + index });
    pairIds.push(tokenPairId);
    const row = attributionRow({
      tokenPairId,
      modelId,
      benchmark: "demo-ifeval",
      targetText: " wrong",
      contrastText: " right",
      tokenTexts: ["a", "b", " c", "d"],
      segments: "SIQA",
    }, {
      rule: "attnlrp",
      inputIds: [1, 2, 3, 4],
      target: { id: 5, logit: 3 },
      contrast: { id: 6, logit: 1 - index },
      logitDifference: 2 + index,
      layers: 1,
      nodeRelevance: new Float32Array([9, 1, -2, 0.5, 0, 4, 5, -6]),
      adapter: "test",
      seconds: 0.1,
    });
    await db.insert(attributions).values(row);
  }
  await db.update(failureCases).set({ prompt: "Say 100% of a_b\\c, twice" }).where(sql`key = 'case/1'`);
  await db.update(failureCases).set({ completion: "The Quokka sleeps" }).where(sql`key = 'case/2'`);
  await database.connection.sql`
    insert into failure_cases (model_id, key, benchmark, task, messages, prompt, prefix, completion, completion_ids,
      instruction_phrases, metadata, input_ids, token_texts, segments, token_count, prompt_tokens, status, source,
      content_hash)
    select model_id, 'many/' || n, benchmark, task, messages, 'prompt number ' || n || ' about ' || md5(n::text), prefix,
      completion, completion_ids, instruction_phrases, metadata, input_ids, token_texts, segments, token_count,
      prompt_tokens, status, source, 'many' || n
    from failure_cases, generate_series(1, ${MANY}) n where key = 'case/0'`;
  await database.connection.sql`analyze failure_cases`;
});

const found = async (search: string) => {
  const { data, errors } = await ask(
    `query ($search: String) { failureCases(first: 5, filter: { search: $search }) { totalCount nodes { key } } }`,
    { search },
  );
  expect(errors).toBeUndefined();
  return data.failureCases.nodes.map(({ key }: { key: string }) => key);
};

test.each([
  ["case/3", ["case/3"]],
  ["QUOKKA", ["case/2"]],
  ["100% of", ["case/1"]],
  ["a_b\\c", ["case/1"]],
  ["a%b", []],
  ["number 12345 about", ["many/12345"]],
  ["nowhere at all", []],
])("cases are found by text of key, prompt and answer: %s", async (search, keys) => {
  expect(await found(search)).toEqual(keys);
});

test("a search is one statement with an index", async () => {
  database.countStatements();
  await ask(`{ failureCases(first: 20, filter: { search: "number 777 about" }) { nodes { key model { name } } } }`);
  const [statement, ...others] = database.countStatements();
  expect(others).toEqual([]);
  const plan = JSON.stringify(
    await database.connection.sql.unsafe(`explain ${statement!.text}`, statement!.parameters as never[]),
  );
  expect(plan).toContain("failure_cases_text");
  expect(plan).not.toContain("Seq Scan on failure_cases");
});

/** How many rows a plan's nodes read of the table, those that did not fit included. */
function rowsRead(plan: unknown): number {
  const node = plan as Record<string, unknown> & { readonly Plans?: readonly unknown[] };
  const own = node["Relation Name"] === "failure_cases"
    ? (node["Actual Rows"] as number) + (node["Rows Removed by Filter"] as number ?? 0) +
      (node["Rows Removed by Index Recheck"] as number ?? 0)
    : 0;
  return (node.Plans ?? []).reduce<number>((sum, inner) => sum + rowsRead(inner), own);
}

test.each([
  // Every case has it: the walk ends at the bound.
  ["prompt number", 1000, { count: 1000, isAll: false }, 1010],
  ["number 777 about", 1000, { count: 1, isAll: true }, 100],
  ["nowhere at all", 1000, { count: 0, isAll: true }, 100],
  ["prompt number", null, { count: MANY, isAll: true }, MANY + 4],
])("what a text finds is counted up to a bound, and no more is read: %s, %s", async (search, atMost, found, most) => {
  database.countStatements();
  const { data, errors } = await ask(
    `query ($search: String, $atMost: Int) {
      failureCasesFound(filter: { search: $search }, atMost: $atMost) { count isAll }
    }`,
    { search, atMost },
  );
  expect(errors).toBeUndefined();
  expect(data.failureCasesFound).toEqual(found);
  const [statement] = database.countStatements();
  const [explained] = await database.connection.sql.unsafe(
    `explain (analyze, format json) ${statement!.text}`,
    statement!.parameters as never[],
  );
  const [{ Plan: plan }] = explained!["QUERY PLAN"];
  expect(rowsRead(plan)).toBeLessThanOrEqual(most);
});

test("a bound of nothing is refused in one line", async () => {
  const { errors } = await ask("{ attributionsFound(atMost: 0) { count } }");
  expect(errors![0]!.message).toMatch(/atMost/);
  const { data } = await ask("{ attributionsFound(atMost: 3) { count isAll } all: attributionsFound { count isAll } }");
  expect(data).toEqual({ attributionsFound: { count: 3, isAll: false }, all: { count: 4, isAll: true } });
});

test("attributions are found by the text of their case", async () => {
  const { data } = await ask(
    `{ attributions(first: 5, filter: { search: "quokka" }) { totalCount nodes { logitDifference } } }`,
  );
  expect(data.attributions).toEqual({ totalCount: 1, nodes: [{ logitDifference: 4 }] });
});

test("one or two characters are a whole token: of a pair, or one of the most relevant", async () => {
  expect(await found("c")).toEqual(["case/3", "case/2", "case/1", "case/0"]);
  expect(await found(" d")).toEqual(["case/3", "case/2", "case/1", "case/0"]);
  // The first position is special, and this a part of a token.
  expect(await found("a")).toEqual([]);
  expect(await found("ri")).toEqual([]);
});

test("nothing to search is refused in one line", async () => {
  const { errors } = await ask(`{ failureCases(filter: { search: "  " }) { nodes { key } } }`);
  expect(errors![0]!.message).toMatch(/search/);
});

test("the right token of a pair is found though no text has it, also of a pair that was added later", async () => {
  const { db, sql: driver } = database.connection;
  await driver`update token_pairs set contrast_text = ' marmalade' where failure_case_id =
    (select id from failure_cases where key = 'case/0')`;
  const [{ id } = { id: 0 }] = await driver<{ id: number }[]>`select id from failure_cases where key = 'many/7'`;
  await driver`insert into token_pairs (failure_case_id, target_id, target_text, target_logit, contrast_id, contrast_text,
    contrast_logit, contrast_rank, delta, source, candidates, content_hash, position)
    select ${id}, 8, ' fig', 1, n, ' Zanzibar' || n, 0, 1, 1, 'annotation', '[]', '', 4 from generate_series(9, 10) n`;
  expect(await found("zanzibar9")).toEqual(["many/7"]);
  expect(await found(" zanzibar10")).toEqual(["many/7"]);
  // Pairs never change their tokens: what was noted when they were added stays.
  expect(await found("marmalade")).toEqual([]);
  expect(await db.$count(failureCases, sql`pair_tokens <> ''`)).toBeGreaterThan(0);
});

test("cases are listed by outcome, pattern, rule and token of one and the same attribution", async () => {
  const { sql: driver } = database.connection;
  await driver`update attributions set outcome = 'm_ia', pattern = 'oit' where token_pair_id = ${pairIds[1]!}`;
  await driver`update attributions set outcome = 'm_ia', pattern = 'urt' where token_pair_id = ${pairIds[2]!}`;
  const listed = async (filter: string) => {
    const { data, errors } = await ask(
      `{ failureCases(first: 9, filter: { ${filter} }, orderBy: { by: KEY, direction: ASC }) {
      totalCount nodes { key } } }`,
    );
    expect(errors).toBeUndefined();
    return data.failureCases.nodes.map(({ key }: { key: string }) => key);
  };
  expect(await listed("outcome: M_IA")).toEqual(["case/1", "case/2"]);
  expect(await listed("outcome: M_IA, pattern: URT")).toEqual(["case/2"]);
  expect(await listed('outcome: M_IA, token: "c", rule: ATTNLRP')).toEqual(["case/1", "case/2"]);
  expect(await listed("outcome: M_IA, rule: GRADIENT")).toEqual([]);
  const { data } = await ask(`{ diagnosisCounts { outcome pattern count }
    attributions(first: 5, filter: { failureCase: { key: "case/1" } }) { nodes { pattern } } }`);
  expect(data.diagnosisCounts).toEqual([
    { outcome: "M_IA", pattern: "URT", count: 1 },
    { outcome: "M_IA", pattern: "OIT", count: 1 },
  ]);
  expect(data.attributions.nodes).toEqual([{ pattern: "OIT" }]);
});

test("disagreements of log and checker are listed, those that passed among the answers", async () => {
  const { sql: driver } = database.connection;
  await driver`insert into responses (model_id, benchmark, task, key, filter, doc_hash, prompt_hash, prompt, prompt_ids,
      completion, completion_ids, passed, disagrees, verdict, source, content_hash)
    select c.model_id, 'b', 't', 'answer/' || n, 'none', '', '', '', '{}', 'It said so', '{}', n = 1, n < 3,
      case when n = 1 then '{"passed":true,"detail":{"log":{"passed":true},"checker":{"passed":false},"counts":"log"}}'
        else '{"passed":false,"detail":{"log":{"passed":true},"counts":"checker"}}' end::jsonb, 'imported', ''
    from failure_cases c, generate_series(1, 3) n where c.key = 'case/3'`;
  await driver`update failure_cases c set response_id = r.id from responses r
    where (c.key, r.key) in (('case/2', 'answer/2'), ('case/3', 'answer/3'))`;
  const { data, errors } = await ask(`{
    yes: failureCases(first: 5, filter: { disagrees: true }) { nodes { key } }
    no: failureCases(first: 5, filter: { disagrees: false, key: "case/3" }) { nodes { key } }
    responses(filter: { disagrees: true }, orderBy: { by: KEY, direction: ASC }) { nodes {
      key passed completionStart(characters: 4) verdict { logPassed checkerPassed counts } failureCases { key } } }
  }`);
  expect(errors).toBeUndefined();
  expect(data.yes.nodes).toEqual([{ key: "case/2" }]);
  expect(data.no.nodes).toEqual([{ key: "case/3" }]);
  expect(data.responses.nodes).toEqual([
    {
      key: "answer/1",
      passed: true,
      completionStart: "It s",
      verdict: { logPassed: true, checkerPassed: false, counts: "log" },
      failureCases: [],
    },
    {
      key: "answer/2",
      passed: false,
      completionStart: "It s",
      verdict: { logPassed: true, checkerPassed: false, counts: "checker" },
      failureCases: [{ key: "case/2" }],
    },
  ]);
});

test("a row has its strongest tokens, special ones left out, in one statement", async () => {
  database.countStatements();
  const { data, errors } = await ask(`{ attributions(first: 2) { nodes {
    both: strongest(count: 2) { position text relevance segment }
    red: strongest(sign: WRONG) { text }
    blue: strongest(sign: RIGHT) { text }
  } } }`);
  expect(errors).toBeUndefined();
  expect(database.countStatements()).toHaveLength(1);
  expect(data.attributions.nodes[0]).toEqual({
    both: [
      { position: 2, text: " c", relevance: -2, segment: "QUERY" },
      { position: 1, text: "b", relevance: 1, segment: "INSTRUCTION" },
    ],
    red: [{ text: "b" }, { text: "d" }],
    blue: [{ text: " c" }],
  });
});

test("work is asked for on all that a filter lists", async () => {
  const boss = await startQueue(database.url);
  try {
    const { db } = database.connection;
    const services: Partial<Services> = {
      attribute: async (request) => (await createAttributeJob(db, boss, request)).id,
    };
    const withServices = graphqlClient(database, services as Services);
    const attribute = async (input: string) => {
      const { data, errors } = await withServices(
        `mutation { attribute(input: { ${input} }) { ... on Job { total } ... on InputError { message } } }`,
      );
      expect(errors).toBeUndefined();
      return data.attribute;
    };
    expect(await attribute("filter: { rule: ATTNLRP, delta: { min: 3 } }, rule: CPLRP")).toEqual({ total: 3 });
    const tasks = await db.select({ id: jobTasks.tokenPairId }).from(jobTasks).orderBy(jobTasks.tokenPairId);
    expect(tasks.map(({ id }) => id)).toEqual(pairIds.slice(1));
    expect((await attribute('filter: { benchmark: "none" }')).message).toMatch(/^filter: no attribution fits it/);
    expect((await attribute("selection: CLEAN, filter: {}")).message).toMatch(/exactly one of the four/);
    // Cases that were never attributed have their pairs too.
    expect(await attribute('cases: { search: "zanzibar" }, rule: CPLRP')).toEqual({ total: 2 });
    expect((await attribute('cases: { key: "many/8" }')).message).toMatch(/^cases: no case with a token pair fits it/);
  } finally {
    await boss.stop({ graceful: false });
  }
});
