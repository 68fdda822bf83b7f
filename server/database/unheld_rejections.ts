/**
 * Rejections of promises that the driver (postgres 3.4.9) makes and nobody holds. It asks each new connection for the
 * types of arrays; a database that takes the connection and goes down at once ends that question with "This socket has
 * been ended by the other party" (EPIPE), and with it a process that does not listen. Whoever asked for the connection
 * hears the same by a promise of its own.
 */
import { unavailable } from "./database_errors.ts";

/** Notes rejections that say the database is away. `fatal` is given all others, and ends the process. */
export function noteUnheldRejections(note: (text: string) => void, fatal: (reason: unknown) => never): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    const away = unavailable(event.reason);
    if (away) note(`${away.message} (${away.cause})`);
    else fatal(event.reason);
  });
}
