/**
 * Transactions whose connection is lost. The driver (postgres 3.4.9) goes on with such a one: it writes ROLLBACK or
 * COMMIT to the socket that is gone, which ends the process from a timer that nobody can catch, and a statement that
 * comes after the connection was made again would run outside of any transaction. Here a transaction that lost its
 * connection sends nothing any more, and its promise is rejected with the driver's own reason.
 */
import { setImmediate as turn, setTimeout as wait } from "node:timers/promises";
import type postgres from "postgres";
import { unavailable } from "./database_errors.ts";

/** How long the end of a connection may take to be told after the error that ends it, in milliseconds. */
const TOLD_MS = 5000;

type Begin = (first: unknown, second?: unknown) => Promise<unknown>;
type Work = (tx: postgres.TransactionSql) => unknown;

/** Guards the transactions of a client, which is changed. */
export function guardTransactions(sql: postgres.Sql): postgres.Sql {
  const begin = sql.begin as unknown as Begin;
  const guarded: Begin = async (first, second) => {
    let lost: { readonly reason: unknown } | undefined;
    // A transaction that neither ends well nor fails: what its caller waits for is rejected by the driver already.
    const never = new Promise<never>(() => {});
    const guardWork = (work: Work) => async (tx: postgres.TransactionSql): Promise<unknown> => {
      try {
        const given = work(unlessLost(tx, () => lost?.reason, guardWork));
        const result = await (Array.isArray(given) ? Promise.all(given) : given);
        return lost ? await never : result;
      } catch (error) {
        await turn();
        // The connection ends a moment after what was on its way has failed.
        if (!lost && unavailable(error)?.code === "DATABASE_UNAVAILABLE") {
          await wait(TOLD_MS, undefined, { ref: false });
        }
        if (lost) return await never;
        throw error;
      }
    };
    const run = guardWork((second ?? first) as Work);
    try {
      return await (second === undefined ? begin.call(sql, run) : begin.call(sql, first, run));
    } catch (reason) {
      lost = { reason };
      throw reason;
    }
  };
  return Object.assign(sql, { begin: guarded });
}

/** The transaction's client, which sends nothing any more once the connection is lost. */
function unlessLost(
  tx: postgres.TransactionSql,
  lost: () => unknown,
  guardWork: (work: Work) => Work,
): postgres.TransactionSql {
  const check = (): void => {
    const reason = lost();
    if (reason !== undefined) throw reason;
  };
  return new Proxy(tx, {
    apply: (target, self, args) => {
      check();
      return Reflect.apply(target, self, args);
    },
    get: (target, name, receiver) => {
      const value: unknown = Reflect.get(target, name, receiver);
      if (name === "savepoint" && typeof value === "function") {
        return (...args: unknown[]) => {
          check();
          return value.apply(target, [...args.slice(0, -1), guardWork(args.at(-1) as Work)]);
        };
      }
      if (name !== "unsafe" && name !== "file" && name !== "notify") return value;
      return (...args: unknown[]) => {
        check();
        return (value as (...all: unknown[]) => unknown).apply(target, args);
      };
    },
  });
}
