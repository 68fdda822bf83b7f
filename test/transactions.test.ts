/** Transactions that lose their connection: rejected, nothing stored, the process and its other connections go on. */
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { sql as raw } from "drizzle-orm";
import { type Connection, openDatabase, type Transaction } from "../server/database/database.ts";
import { unavailable } from "../server/database/database_errors.ts";
import { testDatabase } from "./database.ts";
import { type Line, startLine } from "./database_line.ts";

const database = testDatabase();
let line: Line;
let connection: Connection;
/** What nobody caught. */
const uncaught: unknown[] = [];
const note = (event: ErrorEvent): void => {
  event.preventDefault();
  uncaught.push(event.error);
};

beforeAll(async () => {
  globalThis.addEventListener("error", note);
  const real = new URL(database.url);
  line = await startLine(Number(real.port));
  connection = openDatabase(Object.assign(real, { port: String(line.port) }).href);
  await connection.sql`create table written (value int)`;
});
beforeEach(() => database.connection.sql`truncate written`);
afterAll(async () => {
  globalThis.removeEventListener("error", note);
  await connection?.close();
  line?.close();
});

/** Ends the connection that a transaction has. */
const ENDS: Readonly<Record<string, (pid: number) => Promise<unknown>>> = {
  "the server ends it": async (pid) => await database.connection.sql`select pg_terminate_backend(${pid})`,
  "the line is cut": async () => {
    line.cut();
    await line.mend();
  },
};

const write = (tx: Transaction, value: number) => tx.execute(raw`insert into written values (${value})`);
const backend = async (tx: Transaction): Promise<number> => {
  const [row] = await tx.execute<{ pid: number }>(raw`select pg_backend_pid() as pid`);
  return row!.pid;
};

/** What a transaction does, and where its connection ends. */
const WORK: Readonly<Record<string, (tx: Transaction, end: (pid: number) => Promise<unknown>) => Promise<unknown>>> = {
  "in a statement": async (tx, end) => {
    await write(tx, 1);
    const pid = await backend(tx);
    setTimeout(() => end(pid), 50);
    await tx.execute(raw`select pg_sleep(2)`);
  },
  "between two statements": async (tx, end) => {
    await write(tx, 1);
    await end(await backend(tx));
    await wait(300);
    await write(tx, 2);
  },
  "before it is committed": async (tx, end) => {
    await write(tx, 1);
    await end(await backend(tx));
    await wait(300);
  },
  "after it was caught": async (tx, end) => {
    await write(tx, 1);
    const pid = await backend(tx);
    setTimeout(() => end(pid), 50);
    await tx.execute(raw`select pg_sleep(2)`).catch(() => {});
    await wait(300);
    await write(tx, 2);
  },
  "in a transaction inside": async (tx, end) => {
    await write(tx, 1);
    await tx.transaction(async (inner) => {
      await write(inner, 2);
      await end(await backend(inner));
      await wait(300);
      await write(inner, 3);
    });
  },
};

/** More questions than the pool has connections. */
const askAll = () => Promise.allSettled(Array.from({ length: 30 }, () => connection.sql`select 1 as one`));

test.each(Object.keys(ENDS).flatMap((end) => Object.keys(WORK).map((work) => [end, work] as const)))(
  "%s, %s",
  async (end, work) => {
    uncaught.length = 0;
    const error = await connection.db.transaction((tx) => WORK[work]!(tx, ENDS[end]!)).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(unavailable(error)?.code).toBe("DATABASE_UNAVAILABLE");
    // The next one on that connection may be told, without having run, why it ended. All others have what they asked.
    const told = (await askAll()).filter(({ status }) => status === "rejected");
    expect(told.length).toBeLessThanOrEqual(1);
    for (const one of told) expect(unavailable((one as PromiseRejectedResult).reason)).toBeDefined();
    expect((await askAll()).filter(({ status }) => status === "rejected")).toEqual([]);
    expect(await database.connection.sql`select value from written`).toEqual([]);
    await connection.db.transaction((tx) => write(tx, 7));
    expect(await database.connection.sql`select value from written`).toEqual([{ value: 7 }]);
    expect(uncaught).toEqual([]);
  },
);

test("a transaction that fails by itself is rolled back, inner ones apart", async () => {
  const { db } = connection;
  const failed = db.transaction(async (tx) => {
    await write(tx, 1);
    throw new Error("no");
  });
  await expect(failed).rejects.toThrow("no");
  await db.transaction(async (tx) => {
    await write(tx, 2);
    await tx.transaction(async (inner) => {
      await write(inner, 3);
      throw new Error("inner");
    }).catch(() => {});
    await tx.transaction((inner) => write(inner, 4));
  });
  expect(await database.connection.sql`select value from written order by value`).toEqual([{ value: 2 }, { value: 4 }]);
});
