/** Where this machine keeps what takes long to make again. */
import { join, resolve } from "node:path";

/** Folder of what this machine keeps: `CULPRIT_HOME` or `.culprit/` in the project's root. */
export function cacheFolder(): string {
  return resolve(Deno.env.get("CULPRIT_HOME") ?? join(import.meta.dirname as string, "..", "..", ".culprit"));
}
