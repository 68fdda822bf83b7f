/** The tools for agents, by the SDK's own client: over HTTP with tokens, and over standard input and output. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../server/base/settings.ts";
import { type RunningServer, startServerProcess } from "./browser_server.ts";

const RUN = "a-token-that-may-run";
const READ = "a-token-that-may-read";
const ADMIN = "a-token-that-may-all";
const CHAT = "What is 2 + 2?";

let server: RunningServer;
let http: Client;
beforeAll(async () => {
  server = await startServerProcess({ CULPRIT_TOKENS: `run:${RUN},read:${READ},admin:${ADMIN}` });
  await graphql(`mutation { addModel(input: { directory: "models/demo-1m" }) { __typename } }`, ADMIN);
  http = await connectHttp(RUN);
});
afterAll(async () => {
  await http?.close();
  await server?.stop();
});

async function graphql<Data>(query: string, token = RUN): Promise<Data> {
  const response = await fetch(`${server.address}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ query }),
  });
  return (await response.json() as { data: Data }).data;
}

async function connectHttp(token: string): Promise<Client> {
  const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode: "auto" } });
  const headers = { authorization: `Bearer ${token}` };
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`${server.address}/mcp`), { requestInit: { headers } }),
  );
  return client;
}

/** `culprit mcp ARGS` as a client starts it, which speaks the protocol's revision of 2025. */
async function connectStdio(args: readonly string[], environment: Readonly<Record<string, string>>): Promise<Client> {
  const client = new Client({ name: "test", version: "1" });
  const { PATH = "", HOME = "", CULPRIT_ADAPTER = "bundled" } = process.env;
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [
        "run",
        "-A",
        "--quiet",
        "--config",
        join(ROOT, "deno.json"),
        join(ROOT, "server", "cli.ts"),
        "mcp",
        ...args,
      ],
      env: { PATH, HOME, CULPRIT_ADAPTER, ...environment },
      stderr: "inherit",
    }),
  );
  return client;
}

interface Result {
  readonly text: string;
  readonly picture: Uint8Array | undefined;
  readonly failed: boolean;
}

async function call(
  client: Client,
  name: string,
  args: Readonly<Record<string, unknown>>,
  onprogress?: () => void,
): Promise<Result> {
  const { content, isError = false } = await client.callTool({ name, arguments: args }, {
    timeout: 110_000,
    ...(onprogress ? { onprogress } : {}),
  });
  const [text, image] = content;
  if (text?.type !== "text") throw new Error("A result begins with text");
  return {
    text: text.text,
    picture: image?.type === "image" ? Uint8Array.fromBase64(image.data) : undefined,
    failed: isError,
  };
}

const isPng = (bytes: Uint8Array | undefined) => bytes !== undefined && bytes.toHex().startsWith("89504e470d0a1a0a");

let answer: string;
let rival: number;
let pair: string;

test("ask over HTTP: the answer, its runner-up tokens, and progress while it is computed", async () => {
  expect((await http.listTools()).tools.map(({ name }) => name)).toEqual(
    ["list_models", "ask", "find_failures", "explain", "mask", "trace", "plan"],
  );
  expect((await call(http, "list_models", {})).text).toMatch(/^demo-1m: /);
  let told = 0;
  const { text, failed } = await call(http, "ask", { chat: CHAT, max_tokens: 8 }, () => told++);
  expect(failed).toBe(false);
  expect(told).toBeGreaterThan(0);
  answer = /answer (\S+) of demo-1m, 8 tokens, stopped at the limit/.exec(text)![1]!;
  const { job } = await graphql<
    { job: { generation: { text: string; tokens: { alternatives: { id: number; text: string }[] }[] } } }
  >(`{ job(id: "${answer}") { generation { text tokens { alternatives { id text } } } } }`);
  expect(text.startsWith(job.generation.text)).toBe(true);
  const [first] = job.generation.tokens[3]!.alternatives;
  rival = first!.id;
  expect(text).toContain(`instead: ${JSON.stringify(first!.text)} (id ${rival})`);
});

test("explain: the attribution's own numbers, and its heatmap as a PNG file", async () => {
  const { text, picture, failed } = await call(http, "explain", { answer, position: 3, contrast: rival });
  expect(failed).toBe(false);
  expect(isPng(picture)).toBe(true);
  pair = /pair (\S+),/.exec(text)![1]!;
  const { node } = await graphql<{
    node: { delta: number; attribution: { strongest: { text: string; position: number; relevance: number }[] } };
  }>(
    `{ node(id: "${pair}") { ... on TokenPair { delta attribution(rule: ATTNLRP) {
      strongest(count: 1, sign: WRONG) { text position relevance }
    } } } }`,
  );
  const [first] = node.attribution.strongest;
  expect(text).toContain(`delta ${node.delta.toFixed(3)}, ATTNLRP.`);
  expect(text).toContain(
    `For the wrong token (position, logits): ${JSON.stringify(first!.text)} (${first!.position}) +${
      first!.relevance.toFixed(3)
    }`,
  );
  // The same case by its pair, under a rule that was not computed yet.
  const other = await call(http, "explain", { pair, rule: "CPLRP" });
  expect(other.text).toContain(", CPLRP.");
  expect(isPng(other.picture)).toBe(true);
});

test("find failures, mask what the heatmap blames, and plan", async () => {
  const found = await call(http, "find_failures", { search: "What is 2", benchmark: "ask" });
  expect(found.text).toMatch(/^1 fit, the first:\nask\//);
  expect(found.text).toContain(`pair ${pair}`);
  expect((await call(http, "find_failures", { token: "no such token" })).text).toBe("No failure fits.");
  const masked = await call(http, "mask", { pair, top: 2 });
  expect(isPng(masked.picture)).toBe(true);
  const { node } = await graphql<{
    node: { maskingExperiments: { ranking: string; steps: { position: number | null; delta: number }[] }[] };
  }>(`{ node(id: "${pair}") { ... on TokenPair { maskingExperiments { ranking steps { position delta } } } } }`);
  const chosen = node.maskingExperiments.find(({ ranking }) => ranking === "CHOSEN");
  expect(masked.text.split("\n").slice(0, 3).map((line) => line.split(", next")[0])).toEqual(
    chosen?.steps.map(({ position, delta }) =>
      `${position === null ? "nothing masked" : `token ${position} masked`}: delta ${delta.toFixed(3)}`
    ),
  );
  const traced = await call(http, "trace", { pair });
  expect(traced.text).toMatch(
    /^".*" instead of ".*", delta -?[\d.]+: [\d.]+ % of the error's relevance lies on the prompt/,
  );
  expect(traced.text).toMatch(/\nstep 0 \((?:line|sentence)\): [\d.]+ %, signed -?[\d.]+ %/);
  const plan = await call(http, "plan", { work: "BUILD_GRAPH", pairs: [pair] });
  expect(plan.text).toMatch(/^BUILD_GRAPH: 1 runs of at most \d+ tokens, about [\d.]+ s, .* fits/);
});

test("scopes are those of the API, and what is wrong is one line", async () => {
  await expect(connectHttp("a-token-of-nobody-here")).rejects.toThrow();
  const reader = await connectHttp(READ);
  expect((await call(reader, "find_failures", {})).text).toContain(pair);
  const refused = await call(reader, "ask", { chat: CHAT });
  expect([refused.failed, refused.text]).toEqual([
    true,
    "generate needs a token of the scope run here; yours may read",
  ]);
  await reader.close();
  const wrong = async (name: string, args: Readonly<Record<string, unknown>>) => {
    const { failed, text } = await call(http, name, args);
    expect(failed).toBe(true);
    return text;
  };
  expect(await wrong("ask", { model: "none", chat: CHAT })).toMatch(/^model: there is no model "none"/);
  expect(await wrong("explain", { chat: CHAT })).toMatch(/^contrast: /);
  expect(await wrong("explain", { answer, contrast: "4" })).toMatch(/^answer, position: give both/);
  expect(await wrong("mask", { pair: "nothing" })).toMatch(/^pair: there is no token pair "nothing"/);
});

test("standard input and output: a server that runs, by its address and token", async () => {
  const client = await connectStdio(["--server", server.address], { CULPRIT_TOKEN: RUN });
  const { text, picture } = await call(client, "explain", {
    model: "demo-1m",
    chat: CHAT,
    prefix: "$2 +",
    contrast: "4 apples",
  });
  expect(text).toMatch(/^"4 apples" is 2 tokens: its first one, "4", is explained\.\ndemo-1m wrote /);
  expect(text).toContain(`${server.address}/#/case/`);
  expect(isPng(picture)).toBe(true);
  await client.close();
});

test("standard input and output without a server: the work is done in the process, with a database of its own", async () => {
  const home = mkdtempSync(join(tmpdir(), "culprit-mcp-"));
  // Under root the database runs as another user, who must be able to enter.
  chmodSync(home, 0o755);
  const client = await connectStdio([], { CULPRIT_HOME: home });
  expect((await call(client, "list_models", {})).text).toBe("No model was added yet: npx culprit model add MODEL");
  await client.close();
  rmSync(home, { recursive: true, force: true });
});
