import { mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "graphql-sse";
import type { PgBoss } from "pg-boss";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Context } from "../schema/services/services.ts";
import { attributions } from "../schema/tables/tables.ts";
import { attributionRow } from "../server/attributions/attribution_row.ts";
import { parseTokens } from "../server/base/tokens.ts";
import { startConsumer } from "../server/jobs/consumer.ts";
import { createHandler } from "../server/http/http.ts";
import { performImport } from "../server/import/import_task.ts";
import { startQueue } from "../server/jobs/queue.ts";
import { createServices } from "../server/http/services.ts";
import { readSettings, type Settings } from "../server/base/settings.ts";
import type { WorkerState } from "../server/worker/supervisor.ts";
import { startJobWatcher } from "../server/jobs/watch_job.ts";
import { storeModel, storePair, testDatabase } from "./database.ts";
import { fakeResult } from "./fake_engine.ts";
import { globalId } from "./graphql_client.ts";

const database = testDatabase();
const closing: (() => Promise<unknown>)[] = [];
let boss: PgBoss;
let settings: Settings;
let context: Context;
let handle: (request: Request) => Promise<Response>;
let worker: WorkerState = { kind: "starting" };
let pairId = 0;

beforeAll(async () => {
  const home = await mkdtemp(join(tmpdir(), "culprit-http-"));
  closing.push(() => rm(home, { recursive: true, force: true }));
  settings = { ...readSettings({}), home };
  boss = await startQueue(database.url);
  closing.push(() => boss.stop({ graceful: false }));
  const watcher = await startJobWatcher(database.connection);
  closing.push(() => watcher.stop());
  const { connection } = database;
  const imports = await startConsumer(
    connection,
    boss,
    "import",
    (attempt) => performImport(connection, boss, attempt),
  );
  closing.push(() => imports.stop());
  context = { db: connection.db, services: createServices({ settings, connection, boss, watcher }) };
  handle = createHandler({ settings, context, workerState: () => worker });
  pairId = await storePair(database, await storeModel(database), "case");
});
afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

const get = (path: string, init: RequestInit = {}) => handle(new Request(`http://localhost:4000${path}`, init));
const post = (body: unknown, headers: Record<string, string> = {}) =>
  get("/graphql", {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });

test("/ready is 503 until a worker is ready, /health is always 200", async () => {
  expect((await get("/health")).status).toBe(200);
  expect((await get("/ready")).status).toBe(503);
  worker = { kind: "restarting", reason: "it was ended by SIGSEGV" };
  const waiting = await get("/ready");
  expect(waiting.status).toBe(503);
  expect(await waiting.json()).toEqual({ database: "ready", worker });
  worker = { kind: "ready", adapter: "test", pid: 1 };
  expect((await get("/ready")).status).toBe(200);
});

const MUTATION = { query: `mutation { cancelJob(id: "${globalId("Job", crypto.randomUUID())}") { __typename } }` };

test("a form of another page cannot change anything", async () => {
  const form = (type: string, headers: Record<string, string> = {}) =>
    get("/graphql", {
      method: "POST",
      headers: { "content-type": type, ...headers },
      body: JSON.stringify(MUTATION),
    });
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]) {
    const response = await form(type);
    expect(response.status, type).toBe(403);
    expect((await response.json()).errors[0].extensions.code).toBe("CSRF");
  }
  expect((await post(MUTATION)).status).toBe(200);
  const byAddress = await get(`/graphql?query=${encodeURIComponent(MUTATION.query)}`, {
    headers: { accept: "application/json" },
  });
  expect(byAddress.status).toBe(405);
});

test("a foreign name that points at this machine is refused", async () => {
  const rebound = await handle(new Request("http://evil.example:4000/graphql?query={__typename}"));
  expect(rebound.status).toBe(403);
  expect((await handle(new Request("http://127.0.0.1:4000/graphql?query={__typename}"))).status).toBe(200);
});

test("with tokens, only who has one may ask", async () => {
  const guarded = createHandler({
    settings: { ...settings, tokens: parseTokens("0123456789abcdef") },
    context,
    workerState: () => worker,
  });
  const asked = (authorization?: string) =>
    guarded(
      new Request("http://culprit.example/graphql?query={__typename}", {
        headers: authorization === undefined ? {} : { authorization },
      }),
    );
  expect((await asked()).status).toBe(401);
  expect((await asked("Bearer wrong")).status).toBe(401);
  expect((await asked("Bearer 0123456789abcdef")).status).toBe(200);
  expect((await guarded(new Request("http://culprit.example/attributions/1.npy"))).status).toBe(401);
});

test("unexpected errors are hidden behind a code", async () => {
  const broken = createHandler({
    settings,
    context: { ...context, services: { ...context.services, cancelJob: () => Promise.reject(new Error("secret")) } },
    workerState: () => worker,
  });
  const response = await broken(
    new Request("http://localhost/graphql", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(MUTATION),
    }),
  );
  const text = await response.text();
  expect(text).not.toContain("secret");
  expect(JSON.parse(text).errors[0].extensions.code).toBe("INTERNAL_SERVER_ERROR");
});

test("GraphiQL comes without anything from other servers", async () => {
  const response = await get("/graphql", { headers: { accept: "text/html" } });
  expect(response.headers.get("content-type")).toContain("text/html");
  const html = await response.text();
  expect(html).toContain("GraphiQL");
  expect(html).not.toMatch(/<(script|link)[^>]+(src|href)="https?:/);
});

test("the whole relevance comes as a NumPy file", async () => {
  const result = fakeResult({ inputIds: [1, 2, 3, 4], target: 5, contrast: 6, rule: "attnlrp" });
  const row = attributionRow({
    tokenPairId: pairId,
    modelId: (await database.connection.db.query.models.findFirst())!.id,
    benchmark: "demo-ifeval",
    targetText: "a",
    contrastText: "b",
    tokenTexts: ["a", "b", "c", "d"],
    segments: "SIQA",
  }, result);
  const [stored] = await database.connection.db.insert(attributions).values(row).returning({ id: attributions.id });
  const response = await get(`/attributions/${stored!.id}.npy`);
  expect(response.status).toBe(200);
  const bytes = new Uint8Array(await response.arrayBuffer());
  expect([...bytes.slice(0, 8)]).toEqual([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  const headerBytes = bytes[8]! + 256 * bytes[9]!;
  expect((10 + headerBytes) % 64).toBe(0);
  expect(new TextDecoder().decode(bytes.slice(10, 10 + headerBytes)))
    .toMatch(/^\{'descr': '<f4', 'fortran_order': False, 'shape': \(3, 4\), \} *\n$/);
  expect(new Float32Array(bytes.slice(10 + headerBytes).buffer)).toEqual(result.nodeRelevance);
  expect((await get("/attributions/999999.npy")).status).toBe(404);
});

test("nothing outside the page's folder is served", async () => {
  for (const path of ["/..%2f..%2fpackage.json", "/%2e%2e/%2e%2e/package.json", "//etc/passwd", "/%00", "/%zz"]) {
    expect((await get(path)).status, path).toBe(404);
  }
  expect((await get("/", { method: "POST" })).status).toBe(405);
});

const IMPORT = `mutation ($input: ImportFailureCasesInput!) { importFailureCases(input: $input) {
  __typename ... on Job { id } ... on InputError { what where mend } } }`;

test("an uploaded file is imported, its lines reported under its name, and jobProgress ends with the report", async () => {
  const form = new FormData();
  form.set("operations", JSON.stringify({ query: IMPORT, variables: { input: { file: null } } }));
  form.set("map", JSON.stringify({ 0: ["variables.input.file"] }));
  form.set("0", new File([`{"format":"culprit/1"}\nnonsense\n`], "mine.jsonl"));
  const response = await get("/graphql", {
    method: "POST",
    headers: { "graphql-require-preflight": "1", "accept": "application/json" },
    body: form,
  });
  const { data, errors } = await response.json();
  expect(errors).toBeUndefined();
  expect(data.importFailureCases.__typename).toBe("Job");

  // Another project's client of the event stream.
  const client = createClient({
    url: "http://localhost:4000/graphql",
    fetchFn: (url: string, init: RequestInit) => handle(new Request(url, init)),
    retryAttempts: 0,
  });
  const seen = [];
  for await (
    const event of client.iterate<{ jobProgress: { status: string } }>({
      query: `subscription ($id: ID!) { jobProgress(id: $id) {
        sequence status done total report { lines inserted unchanged failedCount failed { line message } } } }`,
      variables: { id: data.importFailureCases.id },
    })
  ) seen.push(event.data?.jobProgress);
  client.dispose();
  expect(seen.at(-1)).toMatchObject({
    status: "COMPLETED",
    report: {
      lines: 2,
      inserted: 0,
      failedCount: 2,
      failed: [
        { line: 1, message: expect.stringMatching(/^mine\.jsonl:1: key: /) },
        { line: 2, message: expect.stringMatching(/^mine\.jsonl:2: it is no JSON/) },
      ],
    },
  });
});

test("a model is added once, whatever way it is named, and a directory without a model is the asker's error", async () => {
  const add = async (directory: string, name?: string) => {
    const query = `mutation ($input: AddModelInput!) { addModel(input: $input) {
      __typename ... on Model { id name layers parameters hash } ... on InputError { where mend } } }`;
    const { data, errors } = await (await post({ query, variables: { input: { directory, name } } })).json();
    expect(errors).toBeUndefined();
    return data.addModel;
  };
  const model = await add("models/demo-1m", "demo");
  expect(model).toMatchObject({ __typename: "Model", name: "demo", layers: expect.any(Number) });
  expect(model.parameters).toBeGreaterThan(100_000);
  expect(await add("demo-1m", "demo")).toEqual(model);
  expect(await add("models/recipe")).toMatchObject({ __typename: "InputError", mend: expect.any(String) });
  // The row that other tests made by hand has this name and another hash.
  expect(await add("models/demo-1m")).toMatchObject({
    __typename: "InputError",
    mend: "give this one a name of its own",
  });
});

test("an idempotency key stands for the content of an upload, not for its name", async () => {
  const importText = (text: string, name: string) =>
    context.services.importFailureCases({ file: new File([text], name), path: undefined, idempotencyKey: "mine" });
  const first = await importText("{}", "a.jsonl");
  expect(await importText("{}", "b.jsonl")).toBe(first);
  await expect(importText("[]", "a.jsonl")).rejects.toThrow(/the key "mine" was used for another request/);
  for await (const _ of context.services.watchJob(first, 0)) { /* until it ends */ }
  await expect.poll(() => readdir(join(settings.home, "uploads"))).toEqual([]);
});

test("paths outside the allowed folders are refused, through links too", async () => {
  const folder = await mkdtemp(join(tmpdir(), "culprit-models-"));
  closing.push(() => rm(folder, { recursive: true, force: true }));
  await symlink("/etc", join(folder, "link"));
  const services = createServices({
    settings: { ...settings, modelFolders: [folder] },
    connection: database.connection,
    boss,
    watcher: undefined as never,
  });
  for (const path of ["/etc/passwd", "../../etc/passwd", "link/passwd", join(folder, "link", "passwd"), "/no/such"]) {
    const added = services.importFailureCases({ file: undefined, path, idempotencyKey: undefined });
    await expect(added, path).rejects.toThrow(/(lies outside the folders|there is no )/);
    await expect(services.addModel({ directory: path, name: undefined })).rejects.toThrow(
      /(lies outside|there is no )/,
    );
  }
  await expect(services.addModel({ directory: "none", name: undefined })).rejects.toThrow(
    "directory: there is no none;",
  );
});
