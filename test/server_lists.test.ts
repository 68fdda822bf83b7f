import { eq, inArray, sql } from "drizzle-orm";
import type { GraphQLEnumType, GraphQLInputObjectType } from "graphql";
import { beforeAll, expect, test } from "vitest";
import { schema } from "../schema/schema.ts";
import { attributionRow } from "../server/attributions/attribution_row.ts";
import { attributions, failureCases, jobs } from "../schema/tables/tables.ts";
import { storeModel, storePair, testDatabase } from "./database.ts";
import { globalId, graphqlClient } from "./graphql_client.ts";

const database = testDatabase();
const ask = graphqlClient(database);
const pairIds: number[] = [];
let attributionId = 0;

beforeAll(async () => {
  const modelId = await storeModel(database);
  const other = await storeModel(database, { name: "other" });
  for (let index = 0; index < 7; index++) {
    pairIds.push(await storePair(database, index === 6 ? other : modelId, `case/${index}`, { delta: index / 2 }));
  }
  for (const [index, tokenPairId] of pairIds.entries()) {
    const row = attributionRow({
      tokenPairId,
      modelId: index === 6 ? other : modelId,
      benchmark: "demo-ifeval",
      targetText: " wrong",
      contrastText: " right",
      tokenTexts: ["a", "b", " c", "d"],
      segments: "SIQA",
    }, {
      rule: "attnlrp",
      inputIds: [1, 2, 3, 4],
      target: { id: 5, logit: 3 },
      contrast: { id: 6, logit: 3 - index / 2 },
      logitDifference: index / 2,
      layers: 2,
      nodeRelevance: new Float32Array([9, 1, -2, 0.5, 0, 0, 0, 0, 0, 4, 5, -6]),
      adapter: "test",
      seconds: 0.1,
    });
    const [stored] = await database.connection.db.insert(attributions).values(row).returning({ id: attributions.id });
    attributionId = stored!.id;
  }
});

/** The cases of all pages of a list, two at a time. */
async function allPages(variables: Readonly<Record<string, unknown>>): Promise<readonly { readonly key: string }[]> {
  const seen: { readonly key: string }[] = [];
  let after: string | null = null;
  do {
    const { data, errors } = await ask(
      `query Page($after: String, $filter: FailureCaseFilter, $orderBy: FailureCaseOrder) {
        failureCases(first: 2, after: $after, filter: $filter, orderBy: $orderBy) {
          nodes { key tokenPairs { delta } }
          pageInfo { endCursor hasNextPage }
        }
      }`,
      { ...variables, after },
    );
    expect(errors).toBeUndefined();
    seen.push(...data.failureCases.nodes);
    after = data.failureCases.pageInfo.hasNextPage ? data.failureCases.pageInfo.endCursor : null;
  } while (after !== null);
  return seen;
}

test.each(["CREATED", "KEY", "DELTA", "TOKENS"])("pages of %s neither repeat nor skip rows that tie", async (by) => {
  const seen = (await allPages({ orderBy: { by, direction: "ASC" } })).map(({ key }) => key);
  expect(seen.length).toBe(7);
  expect(new Set(seen).size).toBe(7);
});

test("pages of a filtered list go on where they ended, with what belongs to each row", async () => {
  const seen = await allPages({ filter: { model: "demo-1m" }, orderBy: { by: "DELTA", direction: "ASC" } });
  expect(seen).toEqual(
    [0, 1, 2, 3, 4, 5].map((index) => ({ key: `case/${index}`, tokenPairs: [{ delta: index / 2 }] })),
  );
});

test("cases without a pair come last, largest or smallest delta first, and pages go on through them", async () => {
  const { db } = database.connection;
  const without = ["case/2", "case/4", "case/5"];
  await db.update(failureCases).set({ delta: null }).where(inArray(failureCases.key, without));
  const keys = async (direction: string) =>
    (await allPages({ orderBy: { by: "DELTA", direction } })).map(({ key }) => key);
  const found = [0, 1, 3, 6].map((index) => `case/${index}`);
  expect(await keys("ASC")).toEqual([...found, ...without]);
  expect(await keys("DESC")).toEqual([...found.toReversed(), ...without.toReversed()]);
  for (const index of [2, 4, 5]) {
    await db.update(failureCases).set({ delta: index / 2 }).where(eq(failureCases.key, `case/${index}`));
  }
});

const DEEP = `
  query Deep($token: String) {
    attributions(first: 5, filter: { rule: ATTNLRP, model: "demo-1m", delta: { min: 1 }, token: $token }) {
      nodes {
        rule logitDifference scale relevance(layer: 2, from: 1, count: 2) download
        target { text logit } contrast { text }
        tokenPair {
          delta candidates { rank passed endedEarly }
          failureCase { key model { name } tokens(from: 1, count: 3) { position text segment special } }
          attributions { rule }
        }
      }
    }
  }`;

test("a list with its relations is one statement", async () => {
  database.countStatements();
  const { data, errors } = await ask(DEEP);
  expect(errors).toBeUndefined();
  expect(database.countStatements()).toHaveLength(1);
  expect(data.attributions.nodes).toHaveLength(4);
  expect(data.attributions.nodes[0]).toEqual({
    rule: "ATTNLRP",
    logitDifference: 2.5,
    scale: 2,
    relevance: [4, 5],
    download: expect.stringMatching(/^\/attributions\/\d+\.npy$/),
    target: { text: " wrong", logit: 3 },
    contrast: { text: " right" },
    tokenPair: {
      delta: 2.5,
      candidates: [{ rank: 1, passed: true, endedEarly: false }],
      failureCase: {
        key: "case/5",
        model: { name: "demo-1m" },
        tokens: [
          { position: 1, text: "b", segment: "INSTRUCTION", special: false },
          { position: 2, text: " c", segment: "QUERY", special: false },
          { position: 3, text: "d", segment: "ANSWER", special: false },
        ],
      },
      attributions: [{ rule: "ATTNLRP" }],
    },
  });
});

test("totalCount costs a statement only when it is asked for", async () => {
  database.countStatements();
  await ask(`{ failureCases(first: 2) { nodes { key } } }`);
  expect(database.countStatements().map(({ text }) => text).join()).not.toContain("count(");
  const { data } = await ask(`{ failureCases(first: 2, filter: { model: "other" }) { totalCount } }`);
  expect(data.failureCases.totalCount).toBe(1);
  expect(database.countStatements()).toHaveLength(1);
});

test("the token filter knows target, contrast and strong input tokens, without the space around them", async () => {
  for (const [token, found] of [["wrong", 4], [" right ", 4], ["c", 4], ["a", 0], ["absent", 0]] as const) {
    const { data } = await ask(DEEP, { token });
    expect([token, data.attributions.nodes.length]).toEqual([token, found]);
  }
});

test("scale looks at special tokens only when told, and is 1 where nothing is relevant", async () => {
  const { data } = await ask(
    `query ($id: ID!) { node(id: $id) { ... on Attribution {
      plain: scale special: scale(includeSpecial: true) nothing: scale(layer: 1) last: scale(layer: 2) } } }`,
    { id: globalId("Attribution", attributionId) },
  );
  expect(data.node).toEqual({ plain: 2, special: 9, nothing: 1, last: 6 });
});

test("windows stay inside their layer and are empty past the end", async () => {
  const { data, errors } = await ask(
    `query ($id: ID!) { node(id: $id) { ... on Attribution {
      first: relevance(layer: 0) end: relevance(layer: 1, from: 3, count: 9) past: relevance(layer: 2, from: 99) } } }`,
    { id: globalId("Attribution", attributionId) },
  );
  expect(errors).toBeUndefined();
  expect(data.node).toEqual({ first: [9, 1, -2, 0.5], end: [0], past: [] });
});

test.each([
  ["relevance(layer: 3)", /layer is 3; give a node layer from 0 to 2/],
  ["relevance(layer: -1)", /layer is -1/],
  ["relevance(count: 1025)", /count is 1025; give a count from 1 to 1024/],
  ["relevance(from: -1)", /from is -1/],
])("a window that cannot be is an error with its mend: %s", async (field, message) => {
  const { errors } = await ask(`query ($id: ID!) { node(id: $id) { ... on Attribution { ${field} } } }`, {
    id: globalId("Attribution", attributionId),
  });
  expect(errors?.[0]?.message).toMatch(message);
  expect(errors?.[0]?.extensions).toMatchObject({ code: "BAD_INPUT", mend: expect.any(String) });
});

test("ids of nothing are null, ids of nonsense are the asker's error", async () => {
  expect(await ask(`{ node(id: "${globalId("FailureCase", 999999)}") { id } }`)).toEqual({ data: { node: null } });
  for (const id of [globalId("FailureCase", "99999999999"), globalId("FailureCase", "x"), globalId("Job", "x")]) {
    const { errors } = await ask(`{ node(id: "${id}") { id } }`);
    expect(errors?.[0]?.extensions?.["code"], id).toBe("BAD_INPUT");
  }
});

test.each([
  '{ node(id: "garbage") { id } }',
  '{ job(id: "garbage") { id } }',
  "{ failureCases(first: -1) { totalCount nodes { id } } }",
  '{ failureCases(first: 1, after: "garbage") { nodes { id } } }',
  String.raw`{ failureCases(filter: { key: "\u0000" }) { nodes { id } } }`,
])("arguments that make no sense carry a code: %s", async (operation) => {
  const { errors } = await ask(operation);
  expect(errors?.[0]?.extensions?.["code"]).toBe("BAD_INPUT");
  expect(errors?.[0]?.message).not.toMatch(/unexpected error/i);
});

test("an operation too deep or too costly is refused before it runs", async () => {
  database.countStatements();
  const deep = `tokenPairs { failureCase { `.repeat(6) + "key" + " } }".repeat(6);
  expect((await ask(`{ failureCases { nodes { ${deep} } } }`)).errors?.[0]?.message).toMatch(/depth/i);
  const costly = await ask(
    `{ failureCases(first: 200) { nodes { tokens(count: 1024) { text id position segment special } } }
       attributions(first: 200) { nodes { relevance(count: 1024) } } }`,
  );
  expect(costly.errors?.[0]?.extensions?.["code"]).toBe("TOO_COSTLY");
  expect(database.countStatements()).toEqual([]);
});

test("first is bounded", async () => {
  database.countStatements();
  await ask(`{ models(first: 100000) { nodes { name } } }`);
  expect(database.countStatements()).toHaveLength(1);
});

const NO_JOB = "00000000-0000-4000-8000-000000000000";

/** What a list asks for, and the index that must answer it. */
const PLANS: readonly (readonly [string, string, string])[] = [
  ["failureCases", "", "failure_cases_created"],
  ["failureCases", "orderBy: { by: KEY }", "failure_cases_key"],
  ["failureCases", "orderBy: { by: DELTA }", "failure_cases_delta_down"],
  ["failureCases", "orderBy: { by: DELTA, direction: ASC }", "failure_cases_delta_up"],
  ["failureCases", "orderBy: { by: TOKENS }", "failure_cases_tokens"],
  ["failureCases", 'filter: { benchmark: "b1", task: "x" }', "failure_cases_task"],
  ["failureCases", 'filter: { benchmark: "rare" }', "failure_cases_benchmark"],
  ["failureCases", 'filter: { key: "case/7" }', "failure_cases_key"],
  ["failureCases", "filter: { delta: { min: 1e9 } }", "failure_cases_delta"],
  ["failureCases", "filter: { tokens: { min: 1e6 } }", "failure_cases_tokens"],
  ["failureCases", 'filter: { model: "rare" }', "failure_cases_model"],
  ["failureCases", "filter: { status: OPEN }", "failure_cases_status"],
  ["failureCases", "filter: { exclusion: ANNOTATOR }", "failure_cases_exclusion"],
  ["failureCases", "filter: { source: COLLECTED }", "failure_cases_source"],
  ["responses", "", "responses_created"],
  ["responses", "orderBy: { by: KEY }", "responses_key"],
  ["responses", 'filter: { key: "case/7" }', "responses_key"],
  ["responses", 'filter: { benchmark: "rare" }', "responses_benchmark"],
  ["responses", 'filter: { benchmark: "b1", passed: true }', "responses_verdict"],
  // Once the table is vacuumed the index of verdicts answers alone, before that the benchmark's.
  ["responses", 'filter: { benchmark: "b1", undecided: true }', "responses_"],
  ["responses", 'filter: { benchmark: "b1", task: "x" }', "responses_task"],
  ["responses", 'filter: { model: "rare" }', "responses_model"],
  ["attributions", "", "attributions_created"],
  ["attributions", "orderBy: { by: DELTA }", "attributions_delta"],
  ["attributions", "orderBy: { by: TOKENS }", "attributions_tokens"],
  ["attributions", "filter: { rule: GRADIENT }", "attributions_rule"],
  ["attributions", 'filter: { benchmark: "rare" }', "attributions_benchmark"],
  ["attributions", 'filter: { model: "rare" }', "attributions_model"],
  ["attributions", "filter: { delta: { min: 1e9 } }", "attributions_delta"],
  ["attributions", 'filter: { token: "rare" }', "attributions_key_tokens"],
  ["attributions", "filter: { outcome: M_IA }", "attributions_outcome"],
  ["attributions", "filter: { pattern: URT }", "attributions_pattern"],
  ["attributions", "filter: { segment: { segment: INSTRUCTION, min: 1e9 } }", "attributions_instruction"],
  ["attributions", "filter: { segment: { segment: QUERY, min: 1e9 } }", "attributions_query"],
  ["attributions", "filter: { segment: { segment: ANSWER, min: 1e9 } }", "attributions_answer"],
  ["attributions", "filter: { segment: { segment: SPECIAL, min: 1e9 } }", "attributions_special"],
  ["failureCases", "filter: { rule: GRADIENT }", "attributions_"],
  ["failureCases", "filter: { outcome: M_IA }", "attributions_outcome"],
  ["failureCases", "filter: { pattern: URT }", "attributions_pattern"],
  ["failureCases", 'filter: { token: "rare" }', "attributions_key_tokens"],
  ["failureCases", "filter: { disagrees: true }", "responses_disagreement"],
  ["failureCases", `filter: { job: "${globalId("Job", NO_JOB)}" }`, "job_tasks_key"],
  ["attributions", "filter: { failureCase: { status: OPEN } }", "failure_cases_status"],
  // What most cases are stops the newest cases' index early.
  ["failureCases", "filter: { attributed: true }", "failure_cases_created"],
  ["maskingExperiments", "", "masking_experiments_created"],
  ["maskingExperiments", 'filter: { benchmark: "b1" }', "masking_experiments_created"],
  ["maskingExperiments", 'filter: { model: "none" }', "masking_experiments_created"],
  ["maskingExperiments", "filter: { ranking: ATTNLRP }", "masking_experiments_created"],
  ["maskingExperiments", "filter: { replacement: ATTENTION }", "masking_experiments_created"],
  ["maskingExperiments", "filter: { scope: PROMPT }", "masking_experiments_created"],
  ["maskingExperiments", "filter: { budget: 10 }", "masking_experiments_created"],
  ["responses", "filter: { disagrees: true }", "responses_disagreement"],
  ["jobs", "", "jobs_created"],
  ["jobs", "filter: { status: RUNNING }", "jobs_status"],
  ["jobs", "filter: { kind: IMPORT }", "jobs_kind"],
  ["models", "", "models_created"],
];

/** Text is found by its trigrams where there are more cases than here: test/find.test.ts. */
const PLANNED_ELSEWHERE: ReadonlySet<string> = new Set(["search"]);

test("every field of the lists' filters, and every order, stands among the plans", () => {
  const types = { failureCases: "FailureCase", responses: "Response", attributions: "Attribution", jobs: "Job" };
  for (const [list, name] of Object.entries({ ...types, maskingExperiments: "MaskingExperiment" })) {
    const asked = PLANS.filter(([of]) => of === list).map(([, args]) => args).join("\n");
    const filter = schema.getType(`${name}Filter`) as GraphQLInputObjectType;
    for (const field of Object.keys(filter.getFields())) {
      if (!PLANNED_ELSEWHERE.has(field)) expect(asked, list).toMatch(new RegExp(`\\b${field}:`));
    }
    const sort = schema.getType(`${name}Sort`) as GraphQLEnumType | undefined;
    for (const { name: by } of sort?.getValues() ?? []) {
      // The order of when nothing is said.
      if (by !== "CREATED") expect(asked, list).toContain(`by: ${by} `);
    }
  }
});

test("each filter and each order of a list is answered by its index", async () => {
  const { db, sql: driver } = database.connection;
  // Enough rows that reading all of them is the worse plan.
  await db.execute(sql`
      insert into ${failureCases} (model_id, key, benchmark, task, messages, prompt, prefix, completion, completion_ids,
        instruction_phrases, metadata, input_ids, token_texts, segments, token_count, prompt_tokens, delta, content_hash,
        status, exclusion, source)
      select model_id, 'many/' || n, 'b' || n % 5, 't' || n, '[]', '', '', '', '{}', '{}', '{}', '{}', '{}', '', 4 + n % 99,
        1, n, '', case n % 100 when 0 then 'open' when 1 then 'clean' else 'excluded' end::case_status,
        case when n % 100 > 1 then 'no_recovery' end, case n % 50 when 0 then 'collected' else 'imported' end::response_source
      from failure_cases, generate_series(1, 3000) n where key = 'case/0'`);
  await db.execute(sql`
      insert into token_pairs (failure_case_id, target_id, target_text, target_logit, contrast_id, contrast_text,
        contrast_logit, contrast_rank, delta, source, candidates, content_hash, position)
      select id, 1, '', 1, 2, '', 1, 1, 1, 'imported', '[]', '', 4 from failure_cases where key like 'many/%'`);
  await db.execute(sql`
      insert into ${attributions} (token_pair_id, rule, model_id, benchmark, target_logit, contrast_logit,
        logit_difference, layers, token_count, relevance, scales, scales_with_special, key_tokens, adapter, seconds)
      select p.id, 'attnlrp', c.model_id, c.benchmark, 1, 1, p.id, 2, 4 + p.id % 99, '', '{}', '{}',
        array['t' || p.id % 50], '', 1 from token_pairs p join failure_cases c on c.id = p.failure_case_id
        where c.key like 'many/%'`);
  await db.execute(sql`
      insert into masking_experiments (token_pair_id, model_id, replacement, ranking, answer_too, seed, budget, curve,
        adapter)
      select p.id, c.model_id, 'attention', 'attnlrp', false, 0, 10, '{}', '' from token_pairs p
        join failure_cases c on c.id = p.failure_case_id where c.key like 'many/%'`);
  await db.execute(sql`insert into ${jobs} (kind, status, input)
      select 'attribute', 'completed', '{}' from generate_series(1, 3000)`);
  await db.execute(sql`
      insert into job_tasks (job_id, token_pair_id, model_id)
      select j.id, p.id, p.model_id from (select id, row_number() over (order by id) as n from jobs) j
      join (select p.id, c.model_id, row_number() over (order by p.id) as n from token_pairs p
        join failure_cases c on c.id = p.failure_case_id) p on p.n = j.n`);
  await db.execute(sql`insert into models (name, directory, architecture, parameters, layers, hidden, vocabulary,
        tokenizer_hash, hash) select 'm' || n, '', '', 1, 1, 1, 1, '', '' from generate_series(1, 3000) n`);
  await db.execute(sql`
      insert into responses (model_id, benchmark, task, key, filter, doc_hash, prompt_hash, prompt, prompt_ids, completion,
        completion_ids, passed, disagrees, source, content_hash)
      select id, 'b' || id % 5, 't' || id, 'many/' || id, 'none', '', '', '', '{}', '', '{}',
        case id % 3 when 0 then true when 1 then false end, id % 100 = 0, 'imported', '' from models`);
  await db.execute(sql`analyze`);

  for (const [list, args, index] of PLANS) {
    database.countStatements();
    const { errors } = await ask(`{ ${list}(first: 20 ${args === "" ? "" : `, ${args}`}) { nodes { id } } }`);
    expect(errors).toBeUndefined();
    const [statement] = database.countStatements();
    const plan = await driver.unsafe(`explain ${statement!.text}`, statement!.parameters as never[]);
    expect(JSON.stringify(plan), `${list} ${args}`).toContain(index);
  }
  database.countStatements();
  const { errors } = await ask('{ caseCounts(filter: { benchmark: "rare" }) { count } }');
  expect(errors).toBeUndefined();
  const [statement] = database.countStatements();
  const plan = await driver.unsafe(`explain ${statement!.text}`, statement!.parameters as never[]);
  expect(JSON.stringify(plan)).toContain("failure_cases_");
  expect(JSON.stringify(plan)).not.toContain("Seq Scan");
});
