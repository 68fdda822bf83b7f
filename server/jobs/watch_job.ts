/** Watches a job: woken by NOTIFY, told the truth by the table, so that nothing is missed and nothing is invented. */
import { eq } from "drizzle-orm";
import { InputError } from "../../gpu/mod.ts";
import { jobs } from "../../schema/tables/tables.ts";
import type { Connection } from "../database/database.ts";
import { JOB_CHANGED } from "./signals.ts";

/** Looks without having been woken, in milliseconds: a notification lost with its connection costs no more. */
const LOOK_MS = 5000;

/** What all watchers of a process share: one LISTEN. */
export interface JobWatcher {
  /**
   * Yields the job's id whenever its sequence has passed the last one yielded, the first time past `after`; ends after
   * its final status, or when `signal` is aborted. Throws InputError when there is no such job.
   */
  watch(jobId: string, after: number, signal?: AbortSignal): AsyncGenerator<string>;
  stop(): Promise<void>;
}

export async function startJobWatcher(connection: Connection): Promise<JobWatcher> {
  const waiting = new Map<string, Set<() => void>>();
  const listener = await connection.sql.listen(JOB_CHANGED, (jobId) => waiting.get(jobId)?.forEach((wake) => wake()));
  const stopped = new AbortController();

  async function* watch(jobId: string, after: number, signal?: AbortSignal): AsyncGenerator<string> {
    const end = signal ? AbortSignal.any([signal, stopped.signal]) : stopped.signal;
    let woken = false;
    let resume = (): void => {};
    const wake = (): void => {
      woken = true;
      resume();
    };
    const wakers = waiting.get(jobId) ?? new Set();
    waiting.set(jobId, wakers.add(wake));
    end.addEventListener("abort", wake);
    try {
      for (let seen = after; !end.aborted;) {
        woken = false;
        const [job] = await connection.db.select({ sequence: jobs.sequence, status: jobs.status }).from(jobs)
          .where(eq(jobs.id, jobId));
        if (!job) {
          throw new InputError(`there is no job ${jobId}`, "jobProgress", "give an id that another query returned");
        }
        const final = job.status !== "queued" && job.status !== "running";
        if (job.sequence > seen || final) {
          seen = job.sequence;
          yield jobId;
        }
        if (final) return;
        if (woken || end.aborted) continue;
        await new Promise<void>((done) => {
          const timer = setTimeout(done, LOOK_MS);
          resume = () => {
            clearTimeout(timer);
            done();
          };
        });
      }
    } finally {
      end.removeEventListener("abort", wake);
      wakers.delete(wake);
      if (wakers.size === 0) waiting.delete(jobId);
    }
  }

  return {
    watch,
    stop: async () => {
      stopped.abort();
      await listener.unlisten();
    },
  };
}
