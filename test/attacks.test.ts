/** What one client or one line does to everybody: nothing. Attacks on a server as it runs, over real HTTP. */
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, expect, test } from "vitest";
import { auditEntries } from "../schema/tables/audit_tables.ts";
import { jobs, responses } from "../schema/tables/tables.ts";
import { readSettings } from "../server/base/settings.ts";
import { addModel } from "../server/models/add_model.ts";
import { ROOT } from "../server/base/settings.ts";
import { type Server, startServer } from "../server/serve.ts";
import { testDatabase } from "./database.ts";

const database = testDatabase();
const RUN = "run-token-of-enough-letters";
const ADMIN = "admin-token-of-enough-letters";
let folder = "";
let server: Server;
let port = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "culprit-attacks-"));
  await mkdir(join(folder, "models"));
  await writeFile(join(folder, "models", "secret.jsonl"), '{"secret": true}\n');
  execFileSync("mkfifo", [join(folder, "models", "pipe.jsonl")]);
  server = await startServer(
    readSettings({
      PORT: "0",
      DATABASE_URL: database.url,
      CULPRIT_HOME: join(folder, "home"),
      CULPRIT_MODELS: join(folder, "models"),
      CULPRIT_TOKENS: `run:${RUN},admin:${ADMIN}`,
    }),
    { worker: false },
  );
  port = Number(new URL(server.address).port);
  await addModel(database.connection.db, join(ROOT, "models", "demo-1m"), undefined);
});
afterAll(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

const headers = (token: string) => ({ authorization: `Bearer ${token}`, "x-requested-with": "test" });
const ask = (path: string, token = RUN, init: RequestInit = {}) =>
  fetch(`http://127.0.0.1:${port}${path}`, { ...init, headers: { ...headers(token), ...init.headers } });
const post = (query: string, body: BodyInit, token = RUN) => ask(`/imports?${query}`, token, { method: "POST", body });
const graphql = async (query: string, variables: unknown, token = RUN) => {
  const body = JSON.stringify({ query, variables });
  const answer = await ask("/graphql", token, {
    method: "POST",
    body,
    headers: { "content-type": "application/json" },
  });
  return await answer.json();
};

/** Asks how the server is, over and over, while something goes on; the slowest answer, in milliseconds. */
async function slowestHealth(during: Promise<unknown>): Promise<number> {
  let going = true;
  during.finally(() => going = false).catch(() => {});
  let slowest = 0;
  while (going) {
    const start = performance.now();
    await (await fetch(`http://127.0.0.1:${port}/health`)).text();
    slowest = Math.max(slowest, performance.now() - start);
    await new Promise((go) => setTimeout(go, 20));
  }
  await during;
  return slowest;
}

const jobOf = async (answer: Response) => {
  expect(answer.status).toBe(202);
  const id = atob(((await answer.json()) as { id: string }).id).slice("Job:".length);
  for (;;) {
    const [job] = await database.connection.db.select().from(jobs).where(eq(jobs.id, id));
    if (job!.status !== "queued" && job!.status !== "running") return job!;
    await new Promise((go) => setTimeout(go, 100));
  }
};

/** Sends a body in chunks over a connection of its own, with a pause after each; resolves with the answer's first line. */
function sendChunks(query: string, chunk: string, count: number, pauseMs = 0): Promise<string> {
  return new Promise((done, fail) => {
    const socket = connect(port, "127.0.0.1");
    let answer = "";
    socket.on("data", (data) => answer += data.toString());
    socket.on("close", () => done(answer.split("\r\n")[0]!));
    socket.on("error", fail);
    socket.write(
      `POST /imports?${query} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${RUN}\r\nX-Requested-With: test\r\n` +
        "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
    );
    const piece = `${chunk.length.toString(16)}\r\n${chunk}\r\n`;
    let sent = 0;
    const go = (): void => {
      while (sent < count) {
        sent++;
        const flowing = socket.write(piece);
        if (pauseMs > 0) return void setTimeout(go, pauseMs);
        if (!flowing) return void socket.once("drain", go);
      }
      socket.write("0\r\n\r\n");
    };
    go();
  });
}

const LOG = "from=lm-eval&name=log.jsonl&model=demo-1m";
/** A line of a log; `keyword` is a pattern. */
const logLine = (doc: number, keyword: string, answer: string): string =>
  JSON.stringify({
    doc_id: doc,
    doc: {
      prompt: `Say hi ${doc}`,
      key: doc,
      instruction_id_list: ["keywords:existence"],
      kwargs: [{ keywords: [keyword] }],
    },
    target: 0,
    arguments: [[`Say hi ${doc}`, {}]],
    resps: [[answer]],
    filtered_resps: [answer],
    prompt_level_strict_acc: false,
  });

test("a keyword that searches for ever stops nobody: its verdict is undecided, the other lines land", async () => {
  const lines = [
    logLine(1, "hi", "hi there"),
    logLine(2, "(a+)+$", `${"a".repeat(40)}b`),
    logLine(3, "hi", "hi again"),
  ];
  const imported = post(LOG, lines.join("\n")).then(jobOf);
  expect(await slowestHealth(imported)).toBeLessThan(1000);
  expect(await imported).toMatchObject({ status: "completed", report: { lines: 3, responses: 3, failedCount: 0 } });
  const rows = await database.connection.db.select().from(responses).orderBy(responses.id);
  expect(rows.map(({ verdict }) => (verdict?.detail as { strict?: unknown } | undefined)?.strict)).toEqual([
    { all: true, each: [true] },
    { all: null, each: [null] },
    { all: true, each: [true] },
  ]);
});

test(
  "60 MB in chunks of 4 KB come within 3 s, and everybody else is answered meanwhile",
  { timeout: 60_000 },
  async () => {
    const chunk = `${"x".repeat(4095)}\n`;
    const start = performance.now();
    const sent = sendChunks(LOG, chunk, 15_000).then((line) => ({ line, seconds: (performance.now() - start) / 1000 }));
    const slowest = await slowestHealth(sent);
    const { line, seconds } = await sent;
    expect(line).toBe("HTTP/1.1 202 Accepted");
    expect(slowest).toBeLessThan(1000);
    // 3 s on a machine that does nothing else; this one may be testing beside.
    expect(seconds).toBeLessThan(9);
  },
);

test("fifty slow senders at once hold nobody up", { timeout: 60_000 }, async () => {
  const senders = Array.from({ length: 50 }, () => sendChunks(LOG, `${"x".repeat(2000)}\n`, 4, 700));
  expect(await slowestHealth(Promise.all(senders))).toBeLessThan(1000);
  expect(new Set(await Promise.all(senders))).toEqual(new Set(["HTTP/1.1 202 Accepted"]));
});

test("an import that fails leaves no upload, is written down, and is said to be gone", async () => {
  await expect.poll(() => readdir(join(folder, "home", "uploads")), { timeout: 60_000 }).toEqual([]);
  const job = await jobOf(await post("from=lm-eval&name=log.jsonl&model=nobody", logLine(9, "hi", "hi")));
  expect(job).toMatchObject({ status: "failed", errorCode: "BAD_INPUT" });
  await expect.poll(() => readdir(join(folder, "home", "uploads"))).toEqual([]);
  const again = await graphql(
    "mutation ($id: ID!) { retryJob(id: $id) { __typename ... on InputError { message } } }",
    {
      id: btoa(`Job:${job.id}`),
    },
  );
  expect(again.data.retryJob.message).toMatch(/^retryJob: the upload was removed when its import ended; choose/);
  const entries = await database.connection.db.select().from(auditEntries).where(
    eq(auditEntries.field, "POST /imports"),
  );
  expect(entries.at(-1)).toMatchObject({
    client: expect.stringMatching(/^run:/),
    outcome: "done",
    input: { from: "lm-eval", name: "log.jsonl", model: "nobody" },
  });
});

test("files of the server are read for the scope admin only, whichever way they are named", async () => {
  const collect =
    'mutation ($benchmark: String!) { collectFailures(input: { model: "demo-1m", benchmark: $benchmark }) ' +
    "{ __typename ... on InputError { message } } }";
  const forbidden = await graphql(collect, { benchmark: "secret.jsonl" });
  expect(forbidden.errors[0].extensions.code).toBe("FORBIDDEN");
  expect((await graphql(collect, { benchmark: "secret.jsonl" }, ADMIN)).data.collectFailures.__typename).toBe(
    "InputError",
  );
  expect((await post(`${LOG}&items=secret.jsonl`, "{}\n")).status).toBe(403);
  const entries = await database.connection.db.select().from(auditEntries).orderBy(auditEntries.id);
  expect(entries.filter(({ outcome }) => outcome === "FORBIDDEN").map(({ field }) => field)).toEqual([
    "collectFailures",
    "POST /imports",
  ]);
});

test("a pipe in place of a file is a line", async () => {
  const answer = await post(`${LOG}&items=pipe.jsonl`, "{}\n", ADMIN);
  expect([answer.status, (await answer.json()).errors[0].message]).toEqual([
    400,
    "items: pipe.jsonl is neither a file nor a folder; give the path of one",
  ]);
  const model = join(folder, "models", "piped");
  await mkdir(model);
  execFileSync("mkfifo", [join(model, "config.json")]);
  const added = await graphql(
    "mutation ($directory: String!) { addModel(input: { directory: $directory }) { __typename ... on InputError { message } } }",
    { directory: model },
    ADMIN,
  );
  expect(added.data.addModel.message).toMatch(/config\.json: is not a regular file; put the file itself there$/);
});
