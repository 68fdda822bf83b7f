/** @jsxImportSource preact */
/** The workers that run, each with its adapter and what it holds; kept up to date while it is looked at. */
import { useEffect } from "preact/hooks";
import { request } from "../shell/client.ts";
import { LIST_WORKERS, type Worker } from "./documents.ts";
import { describeBytes } from "./plan_words.ts";
import { termOf } from "../shell/term.tsx";
import { useLoad } from "../shell/use_load.ts";
import { useWorker, workerLine } from "./use_worker.ts";

const ASK_MS = 3000;

function Line({ worker: { host, pid, adapter, memoryBytes, models } }: { readonly worker: Worker }) {
  const memory = memoryBytes === null ? "" : `, ${describeBytes(memoryBytes)} of device memory`;
  return (
    <li>
      <span {...termOf("adapter")}>{adapter}</span>
      <span class="quiet">{` on ${host}${memory}, process ${pid}. `}</span>
      <span class="quiet">{models.length === 0 ? "It holds no model." : `Holds ${models.join(", ")}.`}</span>
    </li>
  );
}

export function WorkerList({ shown }: { readonly shown: boolean }) {
  const own = useWorker(shown);
  const { data, reload } = useLoad(shown ? "workers" : null, (signal) => request(LIST_WORKERS, {}, signal));
  useEffect(() => {
    if (!shown) return;
    const timer = setInterval(reload, ASK_MS);
    return () => clearInterval(timer);
  }, [shown]);
  const workers = data?.workers ?? [];
  // A worker that dies is known to its supervisor before it counts as silent.
  const news = own === undefined || own.kind === "ready" || (own.kind === "elsewhere" && workers.length > 0)
    ? ""
    : workerLine(own);
  if (data === undefined && news === "") return null;
  return (
    <section class="workers small" aria-label="Workers">
      <h3>
        {workers.length === 0 ? "No worker runs" : workers.length === 1 ? "1 worker" : `${workers.length} workers`}
      </h3>
      {news === "" ? null : <p class="quiet">{news}</p>}
      <ul>{workers.map((worker) => <Line key={`${worker.host} ${worker.pid}`} worker={worker} />)}</ul>
    </section>
  );
}
