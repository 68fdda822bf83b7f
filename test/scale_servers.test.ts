/**
 * Two servers on one database, real processes: they migrate it together, a job that is asked of the one is done by the
 * other's worker and watched at the first, and traces and logs tell of it from the mutation to the engine's steps.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import postgres from "postgres";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import type {} from "./database_setup.ts";
import { engineName } from "../server/base/provenance.ts";
import { ROOT } from "../server/base/settings.ts";

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly events?: readonly { readonly name: string }[];
}
interface TracesRequest {
  readonly resourceSpans: readonly { readonly scopeSpans: readonly { readonly spans: readonly Span[] }[] }[];
}

const name = `test_${crypto.randomUUID().replaceAll("-", "")}`;
const spans: Span[] = [];
const children: ChildProcess[] = [];
const logs: string[] = [];
let folder = "";
let url = "";
let receiver: Deno.HttpServer<Deno.NetAddr>;

async function administer(statement: string): Promise<void> {
  const sql = postgres(inject("databaseUrl"), { max: 1, onnotice: () => {} });
  await sql.unsafe(statement);
  await sql.end();
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "culprit-servers-"));
  await administer(`create database ${name}`);
  url = Object.assign(new URL(inject("databaseUrl")), { pathname: `/${name}` }).href;
  // All of an OpenTelemetry collector that a test needs.
  receiver = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const body = await request.text();
    if (new URL(request.url).pathname === "/v1/traces") {
      const { resourceSpans } = JSON.parse(body) as TracesRequest;
      spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
    }
    return Response.json({});
  });
});
afterAll(async () => {
  await Promise.all(children.map(end));
  await receiver?.shutdown();
  await administer(`drop database if exists ${name} with (force)`);
  await rm(folder, { recursive: true, force: true });
});

function end(child: ChildProcess): Promise<void> {
  return new Promise((done) => {
    if (child.exitCode !== null || child.signalCode !== null) return done();
    child.on("exit", () => done());
    child.kill("SIGTERM");
  });
}

/** Starts a server with a home of its own, and gives its address. */
async function serve(home: string, ...args: string[]): Promise<string> {
  const child = spawn(
    process.execPath,
    ["run", "-A", "--quiet", "--config", "deno.json", join("server", "cli.ts"), "serve", "--json", ...args],
    {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env,
        DATABASE_URL: url,
        CULPRIT_HOME: join(folder, home),
        CULPRIT_LOG: "json",
        PORT: "0",
        DENO_NO_UPDATE_CHECK: "1",
        OTEL_DENO: "true",
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${receiver.addr.port}`,
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
        OTEL_BSP_SCHEDULE_DELAY: "200",
      },
    },
  );
  children.push(child);
  createInterface({ input: child.stderr! }).on("line", (line) => logs.push(line));
  return await new Promise((done, failed) => {
    createInterface({ input: child.stdout! }).on("line", (line) => done(JSON.parse(line).address));
    child.on("exit", (code) => failed(new Error(`It ended with ${code}: ${logs.join("\n")}`)));
  });
}

// deno-lint-ignore no-explicit-any
async function ask(address: string, query: string, variables: object = {}): Promise<any> {
  const answer = await fetch(`${address}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", "accept": "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await answer.json();
  expect(errors).toBeUndefined();
  return data;
}

/** Changes of a job as a client of the server is told of them, to its end. */
async function follow(address: string, id: string): Promise<{ readonly status: string; readonly done: number }[]> {
  const answer = await fetch(`${address}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", "accept": "text/event-stream" },
    body: JSON.stringify({
      query: "subscription ($id: ID!) { jobProgress(id: $id) { status done error { message } } }",
      variables: { id },
    }),
  });
  const text = await answer.text();
  return [...text.matchAll(/^event: next\ndata: (.*)$/gm)].map(([, data]) => JSON.parse(data!).data.jobProgress);
}

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline;) {
    if (condition()) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error("It did not happen in time");
}

test("a job asked of one server is done by another's worker, watched at the first, and traced throughout", async () => {
  const [working, asking] = await Promise.all([serve("a"), serve("b", "--no-worker")]);
  const [{ runs } = { runs: 0 }] = await (async () => {
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    try {
      return await sql<{ runs: number }[]>`select count(*)::int as runs from drizzle.__drizzle_migrations`;
    } finally {
      await sql.end();
    }
  })();
  expect(runs).toBe((await readdir(join(ROOT, "migrations"))).length);

  const added = await ask(
    asking,
    `mutation { addModel(input: { directory: "models/demo-1m" }) { __typename ... on Model { name } } }`,
  );
  expect(added.addModel).toEqual({ __typename: "Model", name: "demo-1m" });
  const cases = await readFile(join(ROOT, "models", "demo-1m", "failure-cases.jsonl"), "utf8");
  const upload = await fetch(`${asking}/imports?from=culprit&name=cases.jsonl`, {
    method: "POST",
    headers: { "x-requested-with": "test" },
    body: cases.split("\n").slice(0, 3).join("\n"),
  });
  expect(upload.status).toBe(202);
  // The file lies with the server that was asked: the other one leaves it alone.
  expect((await follow(asking, (await upload.json()).id)).at(-1)).toMatchObject({ status: "COMPLETED" });

  const { attribute } = await ask(
    asking,
    "mutation { attribute(input: { selection: MISSING }) { ... on Job { id total } } }",
  );
  expect(attribute.total).toBe(3);
  const told = await follow(asking, attribute.id);
  expect(told.at(-1)).toEqual({ status: "COMPLETED", done: 3, error: null });
  expect(told.length).toBeGreaterThan(1);
  const { attributions } = await ask(
    working,
    "{ attributions(first: 3) { nodes { provenance { engine kernels adapter adapterChecked } } } }",
  );
  expect(attributions.nodes).toHaveLength(3);
  const [version, kernels] = engineName().split("+");
  for (const { provenance } of attributions.nodes) {
    expect(provenance).toMatchObject({ engine: version, kernels, adapterChecked: true });
  }

  await until(() => spans.filter(({ name }) => name === "task attribute").length === 3);
  const mutation = spans.find((span) => span.name === "mutation attribute")!;
  const tasks = spans.filter((span) => span.name === "task attribute");
  for (const task of tasks) {
    expect(task).toMatchObject({ traceId: mutation.traceId, parentSpanId: mutation.spanId });
  }
  const steps = new Set(tasks.flatMap(({ events = [] }) => events.map((event) => event.name)));
  expect([...steps].sort()).toEqual(expect.arrayContaining(["backward", "forward"]));

  await Promise.all(children.map(end));
  expect(logs.length).toBeGreaterThan(0);
  const lines = logs.map((line) => JSON.parse(line));
  expect(lines.find(({ message }) => /^Ready on/.test(message))).toMatchObject({ level: "INFO" });
  for (const line of lines) expect(line).toMatchObject({ "@timestamp": expect.any(String), level: expect.any(String) });
});
