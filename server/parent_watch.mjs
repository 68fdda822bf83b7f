// Hears of the end of whoever started this process. npm takes signals for itself: on SIGTERM it ends and tells nobody.
// Plain Node and no dependencies, for the scripts that run before Deno does.
import { readFileSync } from "node:fs";

const LOOK_MS = 500;

/** The parent of a process; undefined where the system does not tell, or it has ended. */
function parentOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}

/**
 * Calls back once when the parent of this process has ended, or the parent's: npm starts a shell that may stay. Does
 * nothing where neither is npm's.
 */
export function onParentEnd(callback, environment = process.env) {
  if (environment["npm_lifecycle_event"] === undefined) return;
  const parent = process.ppid;
  const grandparent = parentOf(parent);
  const timer = setInterval(() => {
    if (process.ppid === parent && parentOf(parent) === grandparent) return;
    clearInterval(timer);
    callback();
  }, LOOK_MS);
  timer.unref();
}
