/** Who asks for what runs now: jobs are stored with it, and what it may do is asked where files are read. */
import { AsyncLocalStorage } from "node:async_hooks";
import { type Client, includes, LOCAL, type Scope } from "./tokens.ts";

/** Somebody who asks, as far as work needs to know. */
export type Asker = Pick<Client, "name" | "scope">;

/** The client may not do this: its token's scope is too small. */
export class ForbiddenError extends Error {
  override readonly name = "ForbiddenError";
}

const asking = new AsyncLocalStorage<Asker>();

/** Runs the work for a client. */
export function askedBy<Result>(client: Asker, work: () => Result): Result {
  return asking.run(client, work);
}

/** The client that asks; whoever uses the command line is this machine's own. */
export function currentOwner(): string {
  return asking.getStore()?.name ?? LOCAL.name;
}

/** Throws ForbiddenError where the client that asks has not the scope that `what` needs. */
export function requireScope(scope: Scope, what: string): void {
  const { scope: has } = asking.getStore() ?? LOCAL;
  if (!includes(has, scope)) {
    throw new ForbiddenError(`${what} needs a token of the scope ${scope} here; yours may ${has}`);
  }
}
