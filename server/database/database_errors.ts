/** What PostgreSQL and its driver say when it is not the statement's fault, in words for people. */

export interface Unavailable {
  readonly code: "DATABASE_UNAVAILABLE" | "DISK_FULL";
  readonly message: string;
  /** The driver's code. */
  readonly cause: string;
}

/** Connections that did not come about or broke, and databases that start or stop. */
const AWAY: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "EPIPE",
  "CONNECT_TIMEOUT",
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "CONNECTION_ENDED",
  "08000",
  "08003",
  "08006",
  "57P01",
  "57P02",
  "57P03",
  "53300",
]);

/** Whether an error, or what caused it, says that the database is away or full; undefined for all else. */
export function unavailable(error: unknown): Unavailable | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const { code } = at as { readonly code?: unknown };
    if (typeof code !== "string") continue;
    if (AWAY.has(code)) {
      const message = "The database cannot be reached; the server tries again by itself, so ask again in a moment";
      return { code: "DATABASE_UNAVAILABLE", message, cause: code };
    }
    // 53100 is a full disk, 53200 memory, 58030 an error of the device.
    if (code === "53100" || code === "ENOSPC") {
      return {
        code: "DISK_FULL",
        message: "The disk is full; nothing was changed. Make room and ask again",
        cause: code,
      };
    }
  }
  return undefined;
}
