/** What a server that others can reach refuses: no token, the wrong scope, too much, too large, too slow, too clever. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { desc } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { auditEntries } from "../schema/tables/audit_tables.ts";
import type { Context } from "../schema/services/services.ts";
import { jobs } from "../schema/tables/tables.ts";
import { createAllowance } from "../server/http/access/allowance.ts";
import { BODY_LIMITS } from "../server/http/access/bounded_body.ts";
import { unpacked } from "../server/http/access/bounded_gunzip.ts";
import { readDocuments } from "../server/http/access/documents.ts";
import { createGraphQL } from "../server/http/graphql.ts";
import { READ_MODELS } from "../server/mcp/documents.ts";
import { createHandler, type Handler } from "../server/http/http.ts";
import { readItems } from "../server/benchmarks/items.ts";
import { startQueue } from "../server/jobs/queue.ts";
import { createServices } from "../server/http/services.ts";
import { readSettings, ROOT, type Settings } from "../server/base/settings.ts";
import { startJobWatcher } from "../server/jobs/watch_job.ts";
import { storeModel, storePair, testDatabase } from "./database.ts";
import { globalId } from "./graphql_client.ts";

const READ = "reader-0123456789";
const RUN = "runner-0123456789";
const ADMIN = "admin-0123456789a";
const TOKENS = { read: READ, run: RUN, admin: ADMIN };

const database = testDatabase();
const closing: (() => Promise<unknown>)[] = [];
let boss: PgBoss;
let settings: Settings;
let context: Context;
let handle: Handler;
let folder = "";
let pairId = 0;

beforeAll(async () => {
  const home = await mkdtemp(join(tmpdir(), "culprit-access-"));
  closing.push(() => rm(home, { recursive: true, force: true }));
  folder = join(home, "models");
  await Deno.mkdir(folder);
  settings = {
    ...readSettings({ HOST: "0.0.0.0", CULPRIT_TOKENS: `read:${READ},run:${RUN},${ADMIN}` }),
    home,
    modelFolders: [folder],
  };
  boss = await startQueue(database.url);
  closing.push(() => boss.stop({ graceful: false }));
  const watcher = await startJobWatcher(database.connection);
  closing.push(() => watcher.stop());
  const { connection } = database;
  context = { db: connection.db, services: createServices({ settings, connection, boss, watcher }) };
  handle = server();
  pairId = await storePair(database, await storeModel(database), "case");
});
afterEach(() => reset());
afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

const server = (changes: Partial<Settings> = {}, patience = {}): Handler =>
  createHandler({
    settings: { ...settings, ...changes },
    context,
    workerState: () => undefined,
    limits: { ...BODY_LIMITS, bytes: 100_000, ...patience },
  });

const withToken = (token: string | undefined): Record<string, string> =>
  token === undefined ? {} : { authorization: `Bearer ${token}` };

function ask(token: string | undefined, query: string, variables = {}, to = handle): Promise<Response> {
  return to(
    new Request("https://culprit.example/graphql", {
      method: "POST",
      headers: { "content-type": "application/json", "accept": "application/json", ...withToken(token) },
      body: JSON.stringify({ query, variables }),
    }),
    "192.0.2.1",
  );
}

const codeOf = async (response: Response) => [response.status, (await response.json()).errors?.[0]?.extensions?.code];

const COUNT = "{ failureCases(first: 1) { nodes { key } } }";
const ATTRIBUTE = `mutation ($input: AttributeInput!) { attribute(input: $input) { __typename ... on Job { id } } }`;
const ADD = `mutation ($input: AddModelInput!) { addModel(input: $input) { __typename ... on InputError { where } } }`;
const IMPORT = `mutation ($input: ImportFailureCasesInput!) { importFailureCases(input: $input) {
  __typename ... on InputError { what where mend } } }`;
const COLLECT = `mutation ($input: CollectFailuresInput!) { collectFailures(input: $input) {
  __typename ... on InputError { what where mend } } }`;
const attributeInput = () => ({ input: { tokenPairIds: [globalId("TokenPair", pairId)], rule: "ATTNLRP" } });

test("without a token, or with a wrong one, nothing is told; guessing gets slow for who guesses, not for others", async () => {
  expect(await codeOf(await ask(undefined, COUNT))).toEqual([401, "UNAUTHENTICATED"]);
  for (const path of ["/metrics", "/audit", "/attributions/1.npy", "/graphs/1.cgf"]) {
    expect((await handle(new Request(`https://culprit.example${path}`), "192.0.2.1")).status, path).toBe(401);
  }
  const own = server();
  const statuses = [];
  for (let guess = 0; guess < 25; guess++) statuses.push((await ask(`guess-${guess}`, COUNT, {}, own)).status);
  expect(statuses.slice(0, 20)).toEqual(Array(20).fill(401));
  expect(statuses.at(-1)).toBe(429);
  expect((await ask(READ, COUNT, {}, own)).status).toBe(200);
});

test.each(
  [
    ["read", [200, 403, 403, 403]],
    ["run", [200, 200, 403, 403]],
    ["admin", [200, 200, 200, 200]],
  ] as const,
)("the scope %s may do what it says and no more", async (scope, statuses) => {
  const token = TOKENS[scope];
  const answers = [
    await ask(token, COUNT),
    await ask(token, ATTRIBUTE, attributeInput()),
    await ask(token, ADD, { input: { directory: "/no/such" } }),
    await ask(token, IMPORT, { input: { path: "/no/such" } }),
  ];
  expect(answers.map(({ status }) => status)).toEqual(statuses);
  for (const answer of answers) {
    const { errors } = await answer.json();
    if (answer.status === 403) expect(errors[0].extensions.code).toBe("FORBIDDEN");
    else expect(errors).toBeUndefined();
  }
  const audit = await handle(new Request("https://culprit.example/audit", { headers: withToken(token) }));
  expect(audit.status).toBe(scope === "admin" ? 200 : 403);
});

test("a reader's mutation changes nothing, whatever alias or fragment hides it", async () => {
  const count = () => database.connection.db.$count(jobs);
  const before = await count();
  const hidden = `mutation ($input: AttributeInput!) { ...Hidden }
    fragment Hidden on Mutation { harmless: attribute(input: $input) { __typename } }`;
  expect(await codeOf(await ask(READ, hidden, attributeInput()))).toEqual([403, "FORBIDDEN"]);
  expect(await count()).toBe(before);
});

test("the audit log holds every mutation with its client, its input and its outcome, and no token", async () => {
  const newest = async () =>
    (await database.connection.db.select().from(auditEntries).orderBy(desc(auditEntries.id)))[0];
  await ask(RUN, ATTRIBUTE, attributeInput());
  const run = createHash("sha256").update(RUN).digest("hex").slice(0, 8);
  expect(await newest()).toMatchObject({ client: `run:${run}`, field: "attribute", outcome: "done" });
  await ask(READ, ATTRIBUTE, attributeInput());
  expect(await newest()).toMatchObject({ field: "attribute", outcome: "FORBIDDEN" });
  // What a library or the database refuses is the client's doing too.
  for (const id of ["x", globalId("TokenPair", "1.5"), globalId("TokenPair", "9".repeat(30))]) {
    await ask(RUN, ATTRIBUTE, { input: { tokenPairIds: [id] } });
    expect(await newest(), id).toMatchObject({ field: "attribute", outcome: "BAD_INPUT" });
  }
  await ask(ADMIN, ADD, { input: { directory: "x\0".repeat(400) } });
  const last = await newest();
  expect(last).toMatchObject({ field: "addModel", outcome: "BAD_INPUT" });
  expect(JSON.stringify(last!.input)).toMatch(/^.{200,260}… 800 characters"\}\}$/);
  const listed = await handle(new Request("https://culprit.example/audit", { headers: withToken(ADMIN) }));
  const lines = (await listed.text()).trim().split("\n").map((line) => JSON.parse(line));
  expect(lines[0].id).toBe(last!.id);
  expect(JSON.stringify(lines)).not.toMatch(/-0123456789/);
});

test("an empty path names no folder, and an empty list no work", async () => {
  for (const path of ["", " "]) {
    const what = "it is empty";
    expect((await (await ask(ADMIN, IMPORT, { input: { path } })).json()).data.importFailureCases).toMatchObject({
      what,
    });
    expect((await (await ask(ADMIN, ADD, { input: { directory: path } })).json()).data.addModel).toEqual({
      __typename: "InputError",
      where: "directory",
    });
  }
  const run = async (name: string, list: string): Promise<string> => {
    const answer = await ask(
      RUN,
      `mutation ($id: ID!) { ${name}(input: { tokenPairIds: [$id], ${list}: [] }) { __typename ... on InputError { what } } }`,
      { id: globalId("TokenPair", pairId) },
    );
    return (await answer.json()).data[name].what;
  };
  for (const list of ["rankings", "replacements", "seeds"]) {
    expect(await run("runMaskingExperiment", list), list).toContain("expected array to have >=1 items");
  }
  for (const list of ["units", "rankings", "heads", "neurons", "seeds"]) {
    expect(await run("runAblationExperiment", list), list).toContain("expected array to have >=1 items");
  }
});

test("tokens never reach the log", async () => {
  const records: LogRecord[] = [];
  await configure({
    reset: true,
    sinks: { memory: (record) => void records.push(record) },
    loggers: [{ category: [], lowestLevel: "trace", sinks: ["memory"] }],
  });
  await ask(RUN, ATTRIBUTE, attributeInput());
  await ask(READ, ATTRIBUTE, attributeInput());
  await ask("guess-0123456789abcdef", COUNT);
  expect(records.length).toBeGreaterThan(0);
  expect(Deno.inspect(records, { depth: 20, strAbbreviateSize: 1e6 })).not.toMatch(/-0123456789/);
});

test("no other origin may read: no answer carries a CORS header", async () => {
  for (const method of ["OPTIONS", "GET", "POST"]) {
    const answer = await handle(
      new Request("https://culprit.example/graphql?query={__typename}", {
        method,
        headers: {
          "origin": "https://evil.example",
          "access-control-request-method": "POST",
          "content-type": "application/json",
          ...withToken(READ),
        },
        ...(method === "POST" ? { body: JSON.stringify({ query: COUNT }) } : {}),
      }),
    );
    expect([...answer.headers.keys()].filter((name) => name.startsWith("access-control-")), method).toEqual([]);
  }
});

test("a client that asks too often waits, others do not", async () => {
  const own = server({ rate: 2 });
  const statuses = [];
  for (let index = 0; index < 12; index++) statuses.push((await ask(READ, "{ __typename }", {}, own)).status);
  expect(statuses.slice(0, 8)).toEqual(Array(8).fill(200));
  expect(statuses.at(-1)).toBe(429);
  const refused = await ask(READ, "{ __typename }", {}, own);
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
  expect((await ask(RUN, "{ __typename }", {}, own)).status).toBe(200);
});

test("operations are paid for by what they cost", async () => {
  const costly = "{ failureCases(first: 200) { nodes { key task benchmark tokenPairs { delta } } } }";
  let now = 0;
  const allowance = createAllowance({ perSecond: 10, most: 100 }, () => now);
  expect([allowance.spend("a", 90), allowance.spend("a", 20), allowance.spend("b", 100)]).toEqual([0, 1, 0]);
  now = 1000;
  expect(allowance.spend("a", 20)).toBe(0);
  // More than there ever is: it takes all, once all is there.
  now = 1_000_000;
  expect(allowance.spend("a", 1e9)).toBe(0);
  expect(allowance.spend("a", 1)).toBeCloseTo(0.1, 9);

  const graphql = createGraphQL(context, { costs: createAllowance({ perSecond: 1, most: 1500 }) });
  const once = () =>
    graphql(
      new Request("http://localhost/graphql", {
        method: "POST",
        headers: { "content-type": "application/json", "accept": "application/json" },
        body: JSON.stringify({ query: costly }),
      }),
    );
  expect((await once()).status).toBe(200);
  expect(await codeOf(await once())).toEqual([429, "TOO_MANY"]);
});

test("what comes while enough operations are running is refused at once, and answered again when they are done", async () => {
  const graphql = createGraphQL(context, { mostRunning: 5 });
  const once = () =>
    graphql(
      new Request("http://localhost/graphql", {
        method: "POST",
        headers: { "content-type": "application/json", "accept": "application/json" },
        body: JSON.stringify({ query: COUNT }),
      }),
    );
  const [free, locked] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const lock = database.connection.sql.begin(async (tx) => {
    await tx`lock table failure_cases in access exclusive mode`;
    locked.resolve();
    await free.promise;
  });
  await locked.promise;
  const waiting = Array.from({ length: 5 }, once);
  // All five wait for the lock.
  const atLock = () =>
    database.connection.sql`select 1 from pg_locks
      where not granted and database = (select oid from pg_database where datname = current_database())`;
  await expect.poll(async () => (await atLock()).length, { timeout: 20_000 }).toBe(5);
  expect(await codeOf(await once())).toEqual([429, "TOO_MANY"]);
  free.resolve();
  await lock;
  expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual(Array(5).fill(200));
  expect((await once()).status).toBe(200);
});

test("deep, wide and costly operations are refused before anything is read", async () => {
  const deep = `{ failureCases { nodes ${"{ tokenPairs { failureCase ".repeat(8)}{ key }${" } }".repeat(8)} } }`;
  const wide = `{ ${
    Array.from({ length: 60 }, (_, index) => `a${index}: failureCases(first: 1) { nodes { key } }`).join(" ")
  } }`;
  const list = "attributions(first: 200) { nodes { relevance } }";
  const costly = `{ a: ${list} b: ${list} }`;
  const looped = "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }";
  database.countStatements();
  for (const query of [deep, wide, costly, looped, "{ ".repeat(3000)]) {
    const { data, errors } = await (await ask(READ, query)).json();
    expect(data ?? null, query.slice(0, 60)).toBeNull();
    expect(errors.length).toBeGreaterThan(0);
  }
  expect(database.countStatements()).toEqual([]);
});

test("the page's documents are known by their hash; CULPRIT_PERSISTED_ONLY answers no others", async () => {
  const documents = await readDocuments();
  const page = await readFile(join(ROOT, "web", "src", "cases", "documents.ts"), "utf8");
  const names = [...documents.values()].map((document) => /\bquery (\w+)/.exec(document)?.[0]);
  expect(names.some((name) => name !== undefined && page.includes(name))).toBe(true);
  const [hash, document] = [...documents].find(([, text]) => /^\s*query\b(?!.*\$\w+: \w+!)/s.test(text))!;
  const send = async (body: unknown, to: Handler) =>
    await (await to(
      new Request("https://culprit.example/graphql", {
        method: "POST",
        headers: { "content-type": "application/json", "accept": "application/json", ...withToken(READ) },
        body: JSON.stringify(body),
      }),
    )).json();
  const byHash = { variables: {}, extensions: { persistedQuery: { version: 1, sha256Hash: hash } } };
  const strict = server({ persistedOnly: true });
  // Those of the tools for agents are known too.
  expect((await ask(READ, READ_MODELS, {}, strict)).status).toBe(200);
  for (const to of [handle, strict]) {
    expect(await send(byHash, to)).toEqual(await send({ query: document }, to));
    expect((await send(byHash, to)).errors).toBeUndefined();
    expect((await send({ extensions: { persistedQuery: { version: 1, sha256Hash: "0".repeat(64) } } }, to)).errors[0])
      .toMatchObject({ extensions: { code: "PERSISTED_QUERY_NOT_FOUND" } });
    expect((await send({ ...byHash, query: COUNT }, to)).errors[0].extensions.code).toBe("BAD_INPUT");
  }
  expect((await send({ query: COUNT }, handle)).data.failureCases.nodes).toHaveLength(1);
  const refused = await send({ query: COUNT }, strict);
  expect(refused.data).toBeUndefined();
  expect(refused.errors[0].extensions.code).toBe("PERSISTED_ONLY");
});

/** A body of unknown length that never ends by itself. */
function endless(
  chunk: Uint8Array<ArrayBuffer>,
  pauseMs = 0,
): { body: ReadableStream<Uint8Array>; sent: () => number } {
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      if (pauseMs > 0) await new Promise((done) => setTimeout(done, pauseMs));
      sent += chunk.length;
      controller.enqueue(chunk);
    },
  });
  return { body, sent: () => sent };
}

test("oversized bodies are refused, announced or not, and not read to their end", async () => {
  const post = (init: RequestInit & { duplex?: "half" }, path = "/graphql") =>
    handle(
      new Request(`https://culprit.example${path}`, {
        method: "POST",
        ...init,
        headers: { "content-type": "application/json", ...withToken(RUN), ...init.headers },
      }),
    );
  const announced = await post({ body: "{}", headers: { "content-length": "100001" } });
  expect(await codeOf(announced)).toEqual([413, "TOO_LARGE"]);
  const { body, sent } = endless(new Uint8Array(20_000).fill(32));
  expect(await codeOf(await post({ body, duplex: "half" }))).toEqual([413, "TOO_LARGE"]);
  expect(sent()).toBeLessThanOrEqual(200_000);
  const form = await post({
    body: "x",
    headers: {
      "content-type": "multipart/form-data; boundary=x",
      "graphql-require-preflight": "1",
      "content-length": "100000001",
    },
  });
  expect(await codeOf(form)).toEqual([413, "TOO_LARGE"]);
  expect(await codeOf(await post({ body: "x", headers: { "content-length": `${2 ** 31}` } }, "/imports")))
    .toEqual([413, "TOO_LARGE"]);
});

test("compressed requests are not opened", async () => {
  const answer = await handle(
    new Request("https://culprit.example/graphql", {
      method: "POST",
      headers: { "content-type": "application/json", "content-encoding": "gzip", ...withToken(READ) },
      body: gzipSync(JSON.stringify({ query: COUNT })),
    }),
  );
  expect(await codeOf(answer)).toEqual([415, "ENCODING"]);
});

test("clients that send slower than anybody needs to are cut off", async () => {
  const own = server({}, { idleMs: 100 });
  const start = performance.now();
  const answer = await own(
    new Request("https://culprit.example/graphql", {
      method: "POST",
      headers: { "content-type": "application/json", ...withToken(READ) },
      body: endless(new Uint8Array([32]), 10_000).body,
      duplex: "half",
    } as RequestInit),
  );
  expect(await codeOf(answer)).toEqual([408, "TOO_SLOW"]);
  expect(performance.now() - start).toBeLessThan(5000);
});

test("a client that sends a byte now and then, over a real connection, is told so and cut off", async () => {
  const own = server({}, { bytesPerSecond: 1000, graceMs: 300 });
  const http = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => own(request));
  const drip = async (path: string, headers: string) => {
    const socket = connect(http.addr.port, "127.0.0.1");
    let heard = "";
    socket.on("data", (chunk) => heard += chunk.toString());
    socket.on("error", () => {});
    const drops = setInterval(() => socket.write(" "), 20);
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${RUN}\r\nContent-Length: 90000\r\n`,
    );
    socket.write(`${headers}\r\n\r\n`);
    for (const deadline = Date.now() + 10_000; heard === "" && Date.now() < deadline;) {
      await new Promise((done) => setTimeout(done, 20));
    }
    clearInterval(drops);
    socket.destroy();
    return heard;
  };
  try {
    const before = await uploads();
    for (
      const [path, headers] of [["/graphql", "Content-Type: application/json"], ["/imports", "X-Requested-With: x"]]
    ) {
      const heard = await drip(path!, headers!);
      expect(heard, path).toMatch(/^HTTP\/1\.1 408 /);
      expect(heard, path).toContain("TOO_SLOW");
    }
    expect(await uploads()).toEqual(before);
  } finally {
    await http.shutdown();
  }
});

test("a connection that sends half a request does not keep others from theirs", async () => {
  const http = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => server()(request));
  try {
    const half = Array.from({ length: 50 }, () => {
      const socket = connect(http.addr.port, "127.0.0.1");
      socket.write("POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n");
      return socket;
    });
    const answer = await fetch(`http://127.0.0.1:${http.addr.port}/graphql?query={__typename}`, {
      headers: { ...withToken(READ), accept: "application/json" },
    });
    expect(await answer.json()).toEqual({ data: { __typename: "Query" } });
    for (const socket of half) socket.destroy();
  } finally {
    await http.shutdown();
  }
});

/** Sends a file to /imports. */
const stream = (query: string, body: Uint8Array<ArrayBuffer> | string, token = RUN): Promise<Response> =>
  handle(
    new Request(`https://culprit.example/imports?${query}`, {
      method: "POST",
      headers: { "x-requested-with": "test", ...withToken(token) },
      body,
    }),
  );

const uploads = () => readdir(join(settings.home, "uploads")).catch(() => []);

test("large files are streamed to /imports, plain or gzip, and nothing is left of those that are refused", async () => {
  expect((await stream("", "{}", READ)).status).toBe(403);
  const before = (await uploads()).length;
  for (const body of ["{}\n", new Uint8Array(gzipSync("{}\n{}\n"))]) {
    const answer = await stream("from=culprit&name=a.jsonl", body);
    expect(answer.status).toBe(202);
    expect(atob((await answer.json()).id)).toMatch(/^Job:[0-9a-f-]{36}$/);
  }
  const names = (await uploads()).length;
  expect(names).toBe(before + 2);
  const texts = await Promise.all(
    (await uploads()).map((name) => readFile(join(settings.home, "uploads", name), "utf8")),
  );
  expect(texts).toEqual(expect.arrayContaining(["{}\n", "{}\n{}\n"]));
  const bomb = new Uint8Array(gzipSync(Buffer.alloc(64 << 20)));
  expect(bomb.length).toBeLessThan(100_000);
  for (
    const [query, body] of [
      ["from=nonsense", "{}"],
      ["color=red", "{}"],
      [`name=${"x".repeat(501)}`, "{}"],
      ["name=broken.gz", new Uint8Array([0x1f, 0x8b, 1, 2, 3])],
      ["name=cut.gz", new Uint8Array(gzipSync("{}\n".repeat(1000))).slice(0, 30)],
      ["name=bomb.gz", bomb],
    ] as const
  ) {
    expect(await codeOf(await stream(query, body)), query).toEqual([400, "BAD_INPUT"]);
  }
  expect(await codeOf(await stream("items=../../../etc/passwd", "{}"))).toEqual([403, "FORBIDDEN"]);
  expect((await uploads()).length).toBe(names);
});

test("a decompression bomb is stopped before it unpacks to much", async () => {
  let bytes = 0;
  const parts = async function* () {
    yield await Promise.resolve(gzipSync(Buffer.alloc(50_000_000)));
  };
  const read = async () => {
    for await (const part of unpacked(parts(), "bomb", { bytes: 1e9, ratio: 100, small: 1_000_000 })) {
      bytes += part.length;
    }
  };
  await expect(read()).rejects.toThrow("bomb: it unpacks to more than 100 times its size; send it unpacked");
  expect(bytes).toBeLessThan(10_000_000);
});

test("a packed benchmark file that unpacks to much is refused, and one that was cut", async () => {
  const path = join(folder, "items.jsonl.gz");
  for (
    const [bytes, reason] of [
      [gzipSync(Buffer.alloc(300 << 20), { level: 9 }), "it unpacks to more than 256 MiB"],
      [gzipSync("{}\n".repeat(1000)).subarray(0, 30), "it is no whole gzip file"],
    ] as const
  ) {
    expect(bytes.length).toBeLessThan(1 << 20);
    await writeFile(path, bytes);
    await expect(readItems(path, "items.jsonl.gz")).rejects.toThrow(reason);
  }
});

test.each([
  "../../../etc/passwd",
  "/etc/passwd",
  "a%00b",
  "x".repeat(5000),
  "<img src=x onerror=alert(1)>",
  "‮gpj.exe",
  "",
  "..",
])(
  "the file name %j names nothing on the server",
  async (name) => {
    const before = new Set(await uploads());
    const form = new FormData();
    form.set("operations", JSON.stringify({ query: IMPORT, variables: { input: { file: null } } }));
    form.set("map", JSON.stringify({ 0: ["variables.input.file"] }));
    form.set("0", new File(["{}\n"], name));
    const answer = await handle(
      new Request("https://culprit.example/graphql", {
        method: "POST",
        headers: { "graphql-require-preflight": "1", "accept": "application/json", ...withToken(RUN) },
        body: form,
      }),
    );
    const { data, errors } = await answer.json();
    expect(errors).toBeUndefined();
    expect(data.importFailureCases.__typename).toBe("Job");
    const added = (await uploads()).filter((file) => !before.has(file));
    expect(added).toEqual([expect.stringMatching(/^[0-9a-f-]{36}\.jsonl$/)]);
    const [job] = await database.connection.db.select().from(jobs).orderBy(desc(jobs.createdAt), desc(jobs.id)).limit(
      1,
    );
    expect(job!.input).toMatchObject({ kind: "import", path: join(settings.home, "uploads", added[0]!) });
  },
);

test("paths of models and imports stay inside their folders, through GraphQL too", async () => {
  await symlink("/etc", join(folder, "link"));
  await writeFile(join(settings.home, "secret.jsonl"), "secret\n");
  await writeFile(join(folder, "good.jsonl"), "{}\n");
  const paths = ["../secret.jsonl", "/etc/passwd", "link/passwd", join(folder, "..", "secret.jsonl"), "a\0b", "~/x"];
  for (const path of paths) {
    const asked = [
      [ADD, { directory: path }],
      [IMPORT, { path }],
      [COLLECT, { model: "demo-1m", benchmark: path }],
      [IMPORT, { path: "good.jsonl", from: "EVALPLUS", items: path }],
    ] as const;
    for (const [query, input] of asked) {
      const answer = await ask(ADMIN, query, { input });
      expect(answer.status, path).toBe(200);
      const said = await answer.json();
      expect(JSON.stringify(said)).not.toMatch(/root:|secret\\n/);
      // Names with a NUL are refused by the database where they are looked up first.
      if (said.errors && path.includes("\0")) expect(said.errors[0].extensions.code).toBe("BAD_INPUT");
      else expect(said, path).toMatchObject({ data: { [Object.keys(said.data)[0]!]: { __typename: "InputError" } } });
    }
  }
});
