/** Who asks for what runs now. Jobs are stored with it, and workers take turns between owners. */
import { AsyncLocalStorage } from "node:async_hooks";
import { LOCAL } from "../base/tokens.ts";

const asking = new AsyncLocalStorage<string>();

/** Runs the work for a client, by its name (access/token.ts). */
export function askedBy<Result>(client: string, work: () => Result): Result {
  return asking.run(client, work);
}

/** The client that asks; whoever uses the command line is this machine's own. */
export function currentOwner(): string {
  return asking.getStore() ?? LOCAL.name;
}
