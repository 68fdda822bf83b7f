/** A database that dies or is away: said clearly, mended by itself, nothing lost. Real processes. */
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Server, startServer } from "../server/serve.ts";
import { readSettings, type Settings } from "../server/base/settings.ts";
import { startLine } from "./database_line.ts";
import { startProcess } from "./soak/processes.ts";

let home = "";
let settings: Settings;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "culprit-fault-"));
  settings = { ...readSettings({ PORT: "0" }), home };
});
afterAll(() => rm(home, { recursive: true, force: true }));

async function until(condition: () => Promise<boolean>, seconds = 60): Promise<void> {
  for (const deadline = Date.now() + 1000 * seconds; Date.now() < deadline;) {
    if (await condition()) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error("It did not happen in time");
}

const readyStatus = async (server: Server) => (await fetch(`${server.address}/ready`).then(async (answer) => {
  await answer.body?.cancel();
  return answer.status;
}));

async function ask(server: Pick<Server, "address">, query: string) {
  const answer = await fetch(`${server.address}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", "accept": "application/json" },
    body: JSON.stringify({ query }),
  });
  return { status: answer.status, ...await answer.json() };
}

/** Imports a line that is stored as failed, and waits for the job's end. */
async function importsAgain(server: Pick<Server, "address">): Promise<void> {
  const answer = await fetch(`${server.address}/imports?from=culprit&name=after.jsonl`, {
    method: "POST",
    headers: { "x-requested-with": "test" },
    body: "nonsense\n",
  });
  expect(answer.status).toBe(202);
  const { id } = await answer.json();
  await until(async () => {
    const { data } = await ask(server, `{ job(id: "${id}") { status report { failedCount } } }`);
    return data?.job.status === "COMPLETED" && data.job.report.failedCount === 1;
  });
}

test("an embedded PostgreSQL that is killed is started again, and work goes on", async () => {
  const server = await startServer(settings, { worker: false });
  try {
    expect(await readyStatus(server)).toBe(200);
    await importsAgain(server);
    const file = join(home, "postgres", "postmaster.pid");
    const before = Number((await readFile(file, "utf8")).split("\n")[0]);
    process.kill(before, "SIGKILL");
    await until(async () =>
      await readyStatus(server) === 503 ||
      await readFile(file, "utf8").then((text) => !text.startsWith(`${before}\n`), () => false)
    );
    await until(async () => await readyStatus(server) === 200);
    expect(Number((await readFile(file, "utf8")).split("\n")[0])).not.toBe(before);
    await importsAgain(server);
    expect((await ask(server, "{ jobs(first: 10) { totalCount } }")).data.jobs.totalCount).toBe(2);
  } finally {
    await server.stop();
  }
  // Nothing of it is left behind; the database's file is gone a moment before its process.
  await expect.poll(() => spawnSync("pgrep", ["-f", home]).stdout.toString(), { timeout: 20_000 }).toBe("");
});

test("a database that is away for a while is said to be, and everything goes on when it is back", async () => {
  const keeper = await startServer({ ...settings, port: 0 }, { worker: false });
  const real = new URL(keeper.connection.url);
  const line = await startLine(Number(real.port));
  const through = Object.assign(new URL(real), { port: String(line.port) }).href;
  const server = await startServer({ ...settings, databaseUrl: through }, { worker: false });
  try {
    await importsAgain(server);
    line.cut();
    await until(async () => await readyStatus(server) === 503);
    expect(await fetch(`${server.address}/health`).then((answer) => answer.json())).toEqual({ status: "ok" });
    const { status, errors } = await ask(server, "{ jobs(first: 1) { nodes { id } } }");
    expect([status, errors[0].extensions.code]).toEqual([503, "DATABASE_UNAVAILABLE"]);
    expect(errors[0].message).toMatch(/cannot be reached; the server tries again by itself/);
    const metrics = await (await fetch(`${server.address}/metrics`)).text();
    expect(metrics).toContain("culprit_database_up 0");
    await line.mend();
    await until(async () => await readyStatus(server) === 200);
    await importsAgain(server);
  } finally {
    await server.stop();
    line.close();
    await keeper.stop();
  }
});

test("a database that takes connections and goes down at once ends no process", { timeout: 400_000 }, async () => {
  const keeper = await startServer({ ...settings, port: 0 }, { worker: false });
  const real = new URL(keeper.connection.url);
  const line = await startLine(Number(real.port));
  const through = Object.assign(new URL(real), { port: String(line.port) }).href;
  let log = "";
  const server = await startProcess(["serve", "--no-worker"], {
    DATABASE_URL: through,
    CULPRIT_HOME: join(home, "beside"),
    PORT: "0",
  }, (text) => log += text);
  try {
    const status = () => fetch(`${server.address}/ready`).then((answer) => answer.text().then(() => answer.status));
    // Its process for imports is there as well.
    await importsAgain(server);
    line.leave(true);
    line.cut();
    await line.mend();
    // Each asks for a connection that ends before its first question.
    for (let asked = 0; asked < 10; asked++) expect(await status()).toBe(503);
    // By the promise that nobody holds.
    await until(() => Promise.resolve(/cannot be reached.*\(EPIPE\)/.test(log)));
    line.leave(false);
    await importsAgain(server);
    expect(server.child.exitCode).toBe(null);
    expect(log).not.toMatch(/died/);
  } finally {
    await server.stop();
    line.close();
    await keeper.stop();
  }
});
