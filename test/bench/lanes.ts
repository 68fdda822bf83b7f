/**
 * How long a person waits while a batch runs: masking two tokens, and the heatmap of a prompt typed just now, on an idle
 * server and beside a batch of attributions of the same model. Real server, worker and database; a process each.
 *
 *   npm run --silent bench:lanes -- [--batch 500] [--runs 7] [MODEL ...]
 *
 * Prints a JSON line for each model (default: models/demo-1m): medians and the longest, in seconds, and `ratio`, busy
 * over idle.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { loadTokenizer, type Tokenizer } from "../../gpu/mod.ts";
import { type RunningServer, startServerProcess } from "../browser_server.ts";
import { machineName, oneMinuteLoad } from "./measurement.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { batch: { type: "string", default: "500" }, runs: { type: "string", default: "7" } },
});
const batch = Number(values.batch);
const runs = Number(values.runs);

interface Waiting {
  readonly median: number;
  readonly longest: number;
}

/** Cases of about 40 tokens that differ in their number only, as a file of culprit/1. */
function writeCases(path: string, model: string, tokenizer: Tokenizer): void {
  const [wrong, right] = [" one", " two"].map((text) => tokenizer.encode(text, { continues: true })[0]!);
  const token = (id: number, logit: number) => ({ id, text: tokenizer.token(id), logit });
  const lines = Array.from({ length: batch }, (_, at) => {
    const prompt = tokenizer.chat([
      {
        role: "user",
        content: `Question ${at}: there are ${at % 97} trees and a bird in each. How many birds are there?`,
      },
    ]);
    const promptIds = tokenizer.encode(prompt);
    const prefix = "There are";
    return JSON.stringify({
      format: "culprit/1",
      key: `lanes/${at}`,
      benchmark: "lanes",
      task: String(at),
      model,
      prompt,
      prefix,
      inputIds: [...promptIds, ...tokenizer.encode(prefix, { continues: true })],
      promptTokens: promptIds.length,
      completion: `${prefix} one`,
      target: token(wrong!, 2),
      contrast: { ...token(right!, 0), rank: 1 },
      delta: 2,
    });
  });
  writeFileSync(path, lines.join("\n") + "\n");
}

type Mutation = { readonly id?: string; readonly message?: string };

async function start(server: RunningServer, mutation: string, input: object): Promise<string> {
  const [field, type] = mutation.split(" ") as [string, string];
  const selection = field === "explain" ? "... on Explanation { job { id } }" : "... on Job { id }";
  const data = await server.query<Record<string, Mutation & { readonly job?: { readonly id: string } }>>(
    `mutation ($input: ${type}!) { ${field}(input: $input) { ${selection} ... on InputError { message } } }`,
    { input },
  );
  const { id, job, message } = data[field]!;
  if (message !== undefined) throw new Error(message);
  return id ?? job!.id;
}

async function statusOf(server: RunningServer, id: string): Promise<{ status: string; done: number }> {
  const { job } = await server.query<
    { job: { status: string; done: number; error: { message: string } | null } }
  >(`query ($id: ID!) { job(id: $id) { status done error { message } } }`, { id });
  if (job.error) throw new Error(job.error.message);
  return job;
}

/** Seconds from the asking until the job has ended, as it is told by the subscription that the page uses. */
async function timeJob(server: RunningServer, mutation: string, input: object): Promise<number> {
  const begin = performance.now();
  const id = await start(server, mutation, input);
  const response = await fetch(`${server.address}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream" },
    body: JSON.stringify({
      query: "subscription ($id: ID!) { jobProgress(id: $id, after: 0) { status } }",
      variables: { id },
    }),
  });
  await response.text();
  const seconds = (performance.now() - begin) / 1000;
  const { status } = await statusOf(server, id);
  if (status !== "COMPLETED") throw new Error(`${mutation}: ${status}`);
  return seconds;
}

function summary(times: readonly number[]): Waiting {
  const sorted = times.toSorted((a, b) => a - b);
  const rounded = (value: number) => Number(value.toPrecision(3));
  return { median: rounded(sorted[Math.floor(sorted.length / 2)]!), longest: rounded(sorted.at(-1)!) };
}

async function measure(server: RunningServer, model: string, pairs: readonly string[], first: number) {
  const masks: number[] = [];
  const heatmaps: number[] = [];
  for (let run = first; run < first + runs; run++) {
    masks.push(await timeJob(server, "maskTokens MaskTokensInput", { tokenPairId: pairs[run], positions: [5, 9] }));
    heatmaps.push(
      await timeJob(server, "explain ExplainInput", {
        model,
        chat: `What is ${run} + ${run * 7}, and why do you think so?`,
        prefix: "It is",
        contrast: { text: " two" },
      }),
    );
  }
  return { mask: summary(masks), heatmap: summary(heatmaps) };
}

async function pairsOf(server: RunningServer): Promise<string[]> {
  const ids: string[] = [];
  for (let after: string | null = null;;) {
    const page: {
      failureCases: {
        nodes: readonly { tokenPairs: readonly { id: string }[] }[];
        pageInfo: { endCursor: string; hasNextPage: boolean };
      };
    } = await server.query(
      `query ($after: String) { failureCases(first: 200, after: $after, filter: { benchmark: "lanes" }) {
        nodes { tokenPairs { id } } pageInfo { endCursor hasNextPage }
      } }`,
      { after },
    );
    ids.push(...page.failureCases.nodes.flatMap(({ tokenPairs }) => tokenPairs.map(({ id }) => id)));
    if (!page.failureCases.pageInfo.hasNextPage) return ids;
    after = page.failureCases.pageInfo.endCursor;
  }
}

async function benchModel(path: string): Promise<void> {
  const directory = resolve(path);
  const folder = mkdtempSync(join(tmpdir(), "culprit-lanes-"));
  const server = await startServerProcess({ CULPRIT_MODELS: `${dirname(directory)}:${folder}` });
  const note = (text: string) => console.error(text);
  try {
    const added = await server.query<{ addModel: { name?: string; message?: string } }>(
      `mutation ($input: AddModelInput!) { addModel(input: $input) {
        ... on Model { name } ... on InputError { message }
      } }`,
      { input: { directory } },
    );
    const model = added.addModel.name;
    if (model === undefined) throw new Error(added.addModel.message);
    const file = join(folder, "cases.jsonl");
    writeCases(file, model, await loadTokenizer(directory));
    await timeJob(server, "importFailureCases ImportFailureCasesInput", { from: "CULPRIT", path: file });
    const pairs = await pairsOf(server);
    note(`${model}: ${pairs.length} pairs`);
    // Pipelines are compiled, and the model is loaded.
    await timeJob(server, "maskTokens MaskTokensInput", { tokenPairId: pairs.at(-1), positions: [5, 9] });
    await timeJob(server, "explain ExplainInput", { model, chat: "First", contrast: { text: " two" } });
    const idle = await measure(server, model, pairs, 0);
    note(`idle ${JSON.stringify(idle)}`);
    const job = await start(server, "attribute AttributeInput", { tokenPairIds: pairs, rule: "ATTNLRP" });
    while ((await statusOf(server, job)).done === 0) await new Promise((done) => setTimeout(done, 50));
    const begin = await statusOf(server, job);
    const busy = await measure(server, model, pairs, runs);
    const end = await statusOf(server, job);
    const ratio = (name: "mask" | "heatmap") => Number((busy[name].median / idle[name].median).toPrecision(3));
    console.log(JSON.stringify({
      name: "lanes",
      model,
      batch: pairs.length,
      runs,
      idle,
      busy,
      ratio: { mask: ratio("mask"), heatmap: ratio("heatmap") },
      // The batch was at work all the time, or the numbers say nothing.
      batchDone: [begin.done, end.done],
      batchStatus: end.status,
      load: oneMinuteLoad(),
      machine: machineName(),
    }));
    await server.query(`mutation ($id: ID!) { cancelJob(id: $id) { __typename } }`, { id: job });
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const path of positionals.length > 0 ? positionals : [join("models", "demo-1m")]) {
  console.error(basename(path));
  await benchModel(path);
}
