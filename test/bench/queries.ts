/**
 * How long the queries that people write first take over many attributed cases, generated in a database of its own:
 *
 *   npm run bench:queries -- [--rows 100000] [--runs 60] \
 *     [--only KIND|KIND], kinds: failureCases|casesFound|railCounts|attributions|attributionCounts|filteredCounts]
 *
 * One JSON line for each query: the first page through the server's GraphQL handler, other values in each run.
 */
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import postgres from "postgres";
import { InputError } from "../../gpu/errors.ts";
import type { Services } from "../../schema/services/services.ts";
import { type Connection, migrateDatabase, openDatabase } from "../../server/database/database.ts";
import { startEmbeddedPostgres } from "../../server/database/embedded_postgres.ts";
import { createGraphQL } from "../../server/http/graphql.ts";
import { readSettings } from "../../server/base/settings.ts";
import { fillAttributions, GENERATED } from "../attribution_rows.ts";
import { seededRandom } from "../random.ts";
import { machineName, oneMinuteLoad } from "./measurement.ts";

/** What is promised for 100,000 cases on 2 cores, in milliseconds. */
const PAGE_MS = 50;
const COUNT_MS = 300;

const random = seededRandom(5);
const pick = <Value>(values: readonly Value[]): Value => values[random.integer(0, values.length - 1)]!;
const near = (middle: number, width: number) => `{ min: ${middle - width}, max: ${middle + width} }`;

/** A filter with values drawn anew. */
const FILTERS: Readonly<Record<string, () => string>> = {
  "no filter": () => "",
  pattern: () => `pattern: ${pick(["URT", "OIT", "URT_OIT"])}`,
  outcome: () => `outcome: ${pick(["M_IA", "NC_IA_M_AG", "NC_IA_AG"])}`,
  benchmark: () => `benchmark: "${pick(GENERATED.benchmarks)}"`,
  model: () => `model: "${pick(GENERATED.models)}"`,
  "delta range": () => `delta: ${near(1 + 6 * random.next(), 0.01)}`,
  segment: () => `segment: { segment: ${pick(["INSTRUCTION", "QUERY", "ANSWER"])}, min: ${1 + 3 * random.next()} }`,
  "a frequent token": () => `token: "word${random.integer(0, 4)}"`,
  "a rare token": () => `token: "word${random.integer(1000, 4990)}"`,
  "a token and a pattern": () => `token: "word${random.integer(0, 4990)}", pattern: OIT`,
  "pattern, benchmark, model": () =>
    `pattern: ${pick(["OIT", "URT"])}, benchmark: "${pick(GENERATED.benchmarks)}", model: "${pick(GENERATED.models)}"`,
  "pattern, delta, segment": () =>
    `pattern: OIT, delta: { min: ${5 + 2 * random.next()} }, segment: { segment: INSTRUCTION, max: -1 }`,
};

/** What the list of cases is filtered by; every 20th answer of those generated is judged differently. */
const CASE_FILTERS: Readonly<Record<string, () => string>> = {
  "no filter": () => "",
  "a rare text": () => `search: "item${random.integer(1000, GENERATED.words - 1)}"`,
  "a text of all": () => 'search: "word"',
  "a text of none": () => `search: "nowhere ${random.integer(0, 999)}"`,
  outcome: () => `outcome: ${pick(["M_IA", "NC_IA_M_AG", "NC_IA_AG"])}`,
  pattern: () => `pattern: ${pick(["URT", "OIT", "URT_OIT"])}`,
  "a frequent token": () => `token: "word${random.integer(0, 4)}"`,
  "a rare token": () => `token: "word${random.integer(1000, 4990)}"`,
  "benchmark, outcome, pattern": () => `benchmark: "${pick(GENERATED.benchmarks)}", outcome: M_IA, pattern: OIT`,
  "model, text, outcome": () => `model: "${pick(GENERATED.models)}", search: "about", outcome: NC_IA_AG`,
  disagreement: () => "disagrees: true",
};

/** What a line of the page's list asks for. */
const LINE = `id key benchmark task model { name } textBefore(characters: 240) tokenCount status exclusion
  tokenPairs { id delta source target { text } contrast { text } attributions { rule outcome pattern
    red: strongest(count: 1, sign: WRONG) { text } blue: strongest(count: 1, sign: RIGHT) { text } } }`;

const argumentsOf = (condition: string, first: number) =>
  `first: ${first}${condition === "" ? "" : `, filter: { ${condition} }`}`;

const CASE_QUERIES: readonly Query[] = [
  ...Object.entries(CASE_FILTERS).flatMap(([name, filter]): Query[] => [
    {
      name: `failureCases, ${name}`,
      promisedMs: PAGE_MS,
      text: () =>
        `{ failureCases(${argumentsOf(filter(), 40)}) { nodes { ${LINE} } pageInfo { hasNextPage endCursor } } }`,
    },
    {
      name: `casesFound, ${name}`,
      promisedMs: COUNT_MS,
      text: () => {
        const condition = filter();
        // As the page asks: a text is counted up to a bound.
        const bound = condition.includes("search:") ? ", atMost: 10000" : "";
        return `{ failureCasesFound(filter: { ${condition} }${bound}) { count isAll } }`;
      },
    },
  ]),
  {
    name: "railCounts, status",
    promisedMs: COUNT_MS,
    text: () => "{ caseCounts { benchmark status exclusion count } }",
  },
  { name: "railCounts, diagnosis", promisedMs: COUNT_MS, text: () => "{ diagnosisCounts { outcome pattern count } }" },
];

const GROUPS = ["PATTERN", "OUTCOME", "BENCHMARK", "MODEL", "RULE", "DELTA", "INSTRUCTION", "QUERY", "TOKEN"];

/** Counts by token with a filter: the kept counts answer the first two, the others count the words of each match. */
const FILTERED: readonly (readonly [by: string, filter: string])[] = [
  ["TOKEN", "rule: ATTNLRP"],
  ["TOKEN", "pattern: URT"],
  ["TOKEN, PATTERN", 'benchmark: "math"'],
  ["TOKEN, DELTA", 'model: "middle"'],
  ["TOKEN, PATTERN", "delta: { min: 5 }"],
  ["TOKEN", 'token: "word4"'],
  ["TOKEN, MODEL", "outcome: M_IA"],
];

interface Query {
  readonly name: string;
  readonly promisedMs: number;
  readonly text: () => string;
}

const QUERIES: readonly Query[] = [
  ...CASE_QUERIES,
  ...Object.entries(FILTERS).map(([name, filter]): Query => ({
    name: `attributions, ${name}`,
    promisedMs: PAGE_MS,
    text: () => {
      const condition = filter();
      return `{ attributions(first: 20${
        condition === "" ? "" : `, filter: { ${condition} }`
      }) { nodes { id outcome pattern
        logitDifference model { name } tokenPair { target { text } contrast { text } failureCase { key benchmark } } }
        pageInfo { hasNextPage endCursor } } }`;
    },
  })),
  ...GROUPS.flatMap((one, index) => [[one], ...GROUPS.slice(index + 1).map((other) => [one, other])]).map(
    (by): Query => ({
      name: `attributionCounts, ${by.join(" and ")}`,
      promisedMs: COUNT_MS,
      text: () => `{ attributionCounts(by: [${by.join(", ")}], first: 50) { nodes { keys count } } }`,
    }),
  ),
  ...FILTERED.map(([by, filter]): Query => ({
    name: `filteredCounts, ${by.replace(", ", " and ")} where ${filter}`,
    promisedMs: COUNT_MS,
    text: () => `{ attributionCounts(by: [${by}], first: 50, filter: { ${filter} }) { nodes { keys count } } }`,
  })),
];

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rows: { type: "string", default: "100000" },
      runs: { type: "string", default: "60" },
      only: { type: "string", default: "" },
    },
  });
  const [rows, runs] = [Number(values.rows), Number(values.runs)];
  for (const [name, count] of Object.entries({ rows, runs })) {
    if (!Number.isInteger(count) || count < 1) {
      throw new InputError(`${values[name as "rows"]} is no count`, `--${name}`, "use a whole number from 1 on");
    }
  }
  const embedded = process.env["DATABASE_URL"] === undefined
    ? await startEmbeddedPostgres(join(readSettings().home, "bench", "database"))
    : { url: process.env["DATABASE_URL"], stop: () => Promise.resolve() };
  const name = `bench_${crypto.randomUUID().replaceAll("-", "")}`;
  const admin = postgres(embedded.url, { max: 1, onnotice: () => {} });
  await admin.unsafe(`create database ${name}`);
  const url = Object.assign(new URL(embedded.url), { pathname: `/${name}` }).href;
  await migrateDatabase(url);
  const connection = openDatabase(url);
  try {
    console.error(`generating ${rows} attributed cases`);
    await fillAttributions(connection, rows);
    await fillDisagreements(connection);
    const handler = createGraphQL({ db: connection.db, services: {} as Services });
    const kinds = values.only === "" ? [] : values.only.split("|");
    for (const query of QUERIES.filter(({ name }) => values.only === "" || kinds.includes(name.split(",")[0]!))) {
      console.log(JSON.stringify(await measure(handler, query, rows, runs)));
    }
  } finally {
    await connection.close();
    await admin.unsafe(`drop database ${name} with (force)`);
    await admin.end();
    await embedded.stop();
  }
}

/** An answer of a log for each case; of every 20th, log and checker say different things. */
async function fillDisagreements({ sql }: Connection): Promise<void> {
  await sql`insert into responses (model_id, benchmark, task, key, filter, doc_hash, prompt_hash, prompt, prompt_ids,
      completion, completion_ids, passed, disagrees, source, content_hash, created_at)
    select model_id, benchmark, task, key, 'none', '', '', '', '{}', '', '{}', false, id % 20 = 0, 'imported', '', created_at
    from failure_cases`;
  await sql`update failure_cases c set response_id = r.id from responses r
    where r.model_id = c.model_id and r.key = c.key`;
  for (const table of ["responses", "failure_cases"]) await sql`vacuum (analyze) ${sql(table)}`;
}

async function measure(
  handler: ReturnType<typeof createGraphQL>,
  { name, promisedMs, text }: Query,
  rows: number,
  runs: number,
) {
  const times: number[] = [];
  // Two uses before it counts: operations are parsed and planned on first use.
  for (let run = -2; run < runs; run++) {
    const body = JSON.stringify({ query: text() });
    const start = performance.now();
    const response = await handler(
      new Request("http://localhost/graphql", {
        method: "POST",
        headers: { "content-type": "application/json", accept: "application/json" },
        body,
      }),
    );
    const { errors } = await response.json() as { readonly errors?: readonly { readonly message: string }[] };
    if (errors) throw new Error(`${body}: ${errors[0]?.message}`);
    if (run >= 0) times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => Number(times[Math.min(runs - 1, Math.ceil(share * runs) - 1)]!.toPrecision(3));
  const p95 = at(0.95);
  return {
    name,
    rows,
    runs,
    medianMs: at(0.5),
    p95Ms: p95,
    promisedMs,
    kept: p95 <= promisedMs,
    machine: machineName(),
    load: oneMinuteLoad(),
  };
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    console.error(error.message);
    process.exitCode = 2;
  }
}
