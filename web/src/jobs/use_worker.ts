/// <reference lib="dom" />
/** How the server's worker is, as its readiness tells. */
import { useEffect, useState } from "preact/hooks";

export type WorkerState =
  | { readonly kind: "starting" | "elsewhere" }
  | { readonly kind: "ready"; readonly adapter: string }
  | { readonly kind: "restarting"; readonly reason: string };

const ASK_MS = 5000;

async function readWorker(): Promise<WorkerState | undefined> {
  try {
    const response = await fetch(new URL("ready", new URL(".", document.baseURI)));
    const { worker } = await response.json() as { readonly worker?: WorkerState };
    return worker;
  } catch {
    return undefined;
  }
}

/** The worker's state, asked for while `asking`; undefined while nobody answers. */
export function useWorker(asking: boolean): WorkerState | undefined {
  const [worker, setWorker] = useState<WorkerState>();
  useEffect(() => {
    if (!asking) return;
    let over = false;
    const ask = () => readWorker().then((next) => over || setWorker(next));
    ask();
    const timer = setInterval(ask, ASK_MS);
    return () => {
      over = true;
      clearInterval(timer);
    };
  }, [asking]);
  return worker;
}

/** The state in one line. */
export function workerLine(worker: WorkerState): string {
  switch (worker.kind) {
    case "ready":
      return `The worker is ready on ${worker.adapter}.`;
    case "starting":
      return "The worker is starting.";
    case "restarting":
      return `The worker is being started again: ${worker.reason}`;
    default:
      return "Workers run elsewhere, on the same database: start one with npx culprit worker.";
  }
}
