/** An answer that grows: read once, then followed to its end; a broken connection goes on where it was. */
import { useEffect, useState } from "preact/hooks";
import { request, RequestError, subscribe } from "../shell/client.ts";
import { type AskJob, READ_ANSWER, WATCH_ANSWER } from "./documents.ts";

const RETRY_MS = 1500;

export interface Answer {
  readonly job: AskJob | undefined;
  readonly trouble: string | undefined;
}

const isActive = ({ status }: AskJob) => status === "QUEUED" || status === "RUNNING";

/** Follows the job of this id; nothing while it is null. */
export function useAnswer(id: string | null): Answer {
  const [answer, setAnswer] = useState<Answer & { readonly id: string | null }>({
    id,
    job: undefined,
    trouble: undefined,
  });
  useEffect(() => {
    if (id === null) return;
    const abort = new AbortController();
    const tell = (job: AskJob | undefined, trouble?: string) => {
      if (!abort.signal.aborted) setAnswer({ id, job, trouble });
    };
    follow(id, abort.signal, tell);
    return () => abort.abort();
  }, [id]);
  return answer.id === id ? answer : { job: undefined, trouble: undefined };
}

async function follow(
  id: string,
  signal: AbortSignal,
  tell: (job: AskJob | undefined, trouble?: string) => void,
): Promise<void> {
  let job: AskJob | undefined;
  while (!signal.aborted && (job === undefined || isActive(job))) {
    try {
      job = (await request(READ_ANSWER, { id }, signal)).job ?? undefined;
      if (job === undefined) return tell(undefined, "There is no such answer.");
      tell(job);
      if (!isActive(job)) return;
      for await (const { jobProgress } of subscribe(WATCH_ANSWER, { id, after: job.sequence }, signal)) {
        job = jobProgress;
        tell(job);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof RequestError) || error.kind === "refused") return tell(job, (error as Error).message);
      tell(job, error.message);
      await new Promise((done) => setTimeout(done, RETRY_MS));
    }
  }
}
