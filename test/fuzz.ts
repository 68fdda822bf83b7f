/** Malformed inputs, the same for the same seed: for GraphQL and for every importer. A crash or a 5xx is a fault. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../gpu/errors.ts";
import { IMPORT_FORMATS } from "../schema/values.ts";
import type { Database } from "../schema/context.ts";
import type { Handler } from "../server/http.ts";
import { importFile } from "../server/import/import_file.ts";
import { type Random, seededRandom } from "./random.ts";

const QUERIES = [
  '{ failureCases(first: 5, filter: { benchmark: "x", delta: { min: 1.5 } }) { nodes { id key tokenPairs { delta } } } }',
  "query ($id: ID!) { node(id: $id) { __typename ... on Job { status } } }",
  'mutation { cancelJob(id: "Sm9iOjE=") { __typename } }',
  'mutation { attribute(input: { tokenPairIds: ["VG9rZW5QYWlyOjE="], rule: ATTNLRP }) { __typename } }',
  'mutation { importFailureCases(input: { path: "models/x.jsonl", from: MATH }) { __typename } }',
  '{ attributions(first: 2, after: "RFBDOk46MQ==", orderBy: { by: DELTA }) { nodes { relevance(layer: 1) } } }',
];
const LINES = [
  '{"format":"culprit/1","key":"k","model":"demo-1m","messages":[{"role":"user","content":"a"}],"tokens":[1,2]}',
  '{"doc_id":0,"doc":{"key":1,"prompt":"p","instruction_id_list":["x"],"kwargs":[{}]},"resps":[["a"]],"filtered_resps":["a"]}',
  '{"prompt":"p","response":"r","follow_all_instructions":false,"instruction_id_list":[],"kwargs":[]}',
  '{"task_id":"HumanEval/0","solution":"def f(): pass","completion":"pass"}',
  '{"problem":"1+1","solution":"$\\\\boxed{2}$","answer":"2","prediction":"3"}',
  '{"metadata":{"uuid":"u","model":"demo-1m"},"prompt":"p","completion":"c","topk_token_explore":[{"rank":1}]}',
  '{"key":"k","decision":"pair","position":1,"target":1,"contrast":2,"reason":"r"}',
];
const PIECES = [
  "{",
  "}",
  "[",
  "]",
  '"',
  "\\",
  "\\u0000",
  "\\ud800",
  "null",
  "-1",
  "1e999",
  "\0",
  "\uFEFF",
  "99999999999999999999",
  "...",
  "$",
  "@",
  "__proto__",
  "\n",
  "é😀",
  "[".repeat(500),
  '"'.repeat(99),
];

/** A text that was right, changed in one to eight places. */
function malformed(random: Random, seeds: readonly string[]): string {
  let text = seeds[random.integer(0, seeds.length - 1)]!;
  for (let count = random.integer(1, 8); count > 0; count--) {
    const at = random.integer(0, text.length);
    const piece = PIECES[random.integer(0, PIECES.length - 1)]!;
    const change = random.integer(0, 3);
    if (change === 0) text = text.slice(0, at) + piece + text.slice(at);
    else if (change === 1) text = text.slice(0, at) + text.slice(at + random.integer(1, 9));
    else if (change === 2) text = text.slice(0, at) + piece + text.slice(at + random.integer(1, 20));
    else text = text.slice(0, at) + text.slice(random.integer(0, text.length)) + text.slice(at);
  }
  return text;
}

export interface FuzzTarget {
  readonly handle: Handler;
  readonly db: Database;
  /** Where files to import are written. */
  readonly folder: string;
}

/** Sends one malformed request. Returns what went wrong, undefined when the answer was as it should be. */
export async function fuzzGraphQL({ handle }: FuzzTarget, seed: number): Promise<string | undefined> {
  const random = seededRandom(seed);
  const query = malformed(random, QUERIES);
  const ids = [null, 1, "", "x", [], {}, "Sm9iOjE=", malformed(random, LINES)];
  const variables = { id: ids[random.integer(0, ids.length - 1)] };
  const whole = JSON.stringify({ query, variables });
  const body = random.next() < 0.3 ? malformed(random, [whole]) : whole;
  const answer = await handle(
    new Request("http://localhost/graphql", {
      method: "POST",
      headers: { "content-type": "application/json", "accept": "application/json" },
      body,
    }),
  );
  const text = await answer.text();
  if (answer.status >= 500) return `seed ${seed}: ${answer.status} ${text.slice(0, 300)}`;
  if (text.includes("INTERNAL_SERVER_ERROR")) return `seed ${seed}: ${text.slice(0, 300)} of ${body.slice(0, 300)}`;
  return undefined;
}

/** Imports one malformed file in one of the formats. */
export async function fuzzImport({ db, folder }: FuzzTarget, seed: number): Promise<string | undefined> {
  const random = seededRandom(seed);
  const from = IMPORT_FORMATS[seed % IMPORT_FORMATS.length]!;
  const path = join(folder, random.next() < 0.5 ? "fuzz.jsonl" : "fuzz.json");
  await writeFile(path, Array.from({ length: random.integer(1, 4) }, () => malformed(random, LINES)).join("\n"));
  const options = { path, name: "fuzz", from, model: "demo-1m", annotator: "a", at: undefined };
  try {
    await importFile(db, { ...options, onBatch: () => Promise.resolve() });
  } catch (error) {
    if (!(error instanceof InputError)) return `seed ${seed}, ${from}: ${error instanceof Error ? error.stack : error}`;
  }
  return undefined;
}
