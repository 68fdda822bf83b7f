/** Clients that go away in the middle of a request: nothing of the server's log, and nothing that it does not survive. */
import { connect } from "node:net";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testDatabase } from "./database.ts";
import { type PageServer, startPageServer } from "./page_server.ts";

const database = testDatabase();
const records: LogRecord[] = [];
let server: PageServer;
beforeAll(async () => {
  server = await startPageServer(database.url);
  await configure({
    sinks: { kept: (record) => void records.push(record) },
    loggers: [
      { category: ["culprit"], sinks: ["kept"], lowestLevel: "warning" },
      { category: ["logtape", "meta"], sinks: [] },
    ],
  });
});
afterAll(async () => {
  await server?.stop();
  await reset();
});

const post = (query: string, signal?: AbortSignal) =>
  fetch(`${server.address}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify({ query }),
    ...(signal ? { signal } : {}),
  });

test("a query that waits for the database, given up by its client", async () => {
  const gone = new AbortController();
  const asked = await database.connection.db.transaction(async (tx) => {
    await tx.execute(sql`lock table failure_cases in access exclusive mode`);
    const answer = post("{ failureCases(first: 1) { nodes { key } } }", gone.signal).catch((error: Error) => error);
    // It waits for the lock now.
    for (let waiting = 0; waiting === 0;) {
      const [row] = await tx.execute(sql`select count(*)::int as n from pg_locks where not granted
        and database = (select oid from pg_database where datname = current_database())`);
      waiting = (row as unknown as { readonly n: number }).n;
    }
    gone.abort();
    return await answer;
  });
  expect(asked).toMatchObject({ name: "AbortError" });
});

test("a body that breaks off, an upload that breaks off, and a subscription that is left", async () => {
  const port = Number(new URL(server.address).port);
  const breakOff = (head: string) =>
    new Promise<void>((done) => {
      const socket = connect(
        port,
        "127.0.0.1",
        () => socket.write(head, () => setTimeout(() => socket.destroy(), 100)),
      );
      socket.on("close", () => done());
      socket.on("error", () => {});
    });
  const host = `Host: localhost:${port}\r\n`;
  await breakOff(
    `POST /graphql HTTP/1.1\r\n${host}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"query": "{`,
  );
  await breakOff(
    `POST /imports?name=a.jsonl HTTP/1.1\r\n${host}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"a":`,
  );
  const gone = new AbortController();
  const stream = await fetch(`${server.address}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream" },
    body: JSON.stringify({ query: 'subscription { jobProgress(id: "Sm9iOjE=", after: 0) { id } }' }),
    signal: gone.signal,
  });
  gone.abort();
  await stream.text().catch(() => {});
});

test("the server answers, and its log has no word of it", async () => {
  expect(await (await post("{ failureCases(first: 1) { nodes { key } } }")).json()).toEqual({
    data: { failureCases: { nodes: [] } },
  });
  expect(records.map(({ message }) => message.map(String).join(""))).toEqual([]);
});
