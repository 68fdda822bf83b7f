/** Waits for a job of the server, and cancels it when nobody waits any more. */
import { ApiError } from "./api.ts";
import { CANCEL_JOB, READ_JOB } from "./documents.ts";
import type { ToolContext } from "./tool.ts";

interface JobState {
  readonly job: {
    readonly status: "QUEUED" | "RUNNING" | "COMPLETED" | "FAILED" | "CANCELLED";
    readonly done: number;
    readonly total: number;
    readonly message: string | null;
    readonly error: { readonly message: string } | null;
  } | null;
}

/** Between looks, in milliseconds: short at first, since most jobs of tools are. */
const [FIRST_MS, LAST_MS] = [150, 1000];

/** Resolves when the job is completed. Throws ApiError when it failed or was cancelled. */
export async function followJob({ api, signal, tell }: ToolContext, id: string): Promise<void> {
  try {
    for (let pause = FIRST_MS;; pause = Math.min(LAST_MS, pause * 1.5)) {
      const { job } = await api.ask<JobState>(READ_JOB, { id }, signal);
      if (job?.status === "COMPLETED") return;
      if (job === null) throw new ApiError(`there is no job ${id}`);
      if (job.status !== "QUEUED" && job.status !== "RUNNING") {
        throw new ApiError(job.error?.message ?? `the job was ${job.status.toLowerCase()}`);
      }
      tell({ done: job.done, total: job.total, message: job.message || job.status.toLowerCase() });
      await sleep(pause, signal);
    }
  } catch (error) {
    if (signal.aborted) await api.ask(CANCEL_JOB, { id }, AbortSignal.timeout(5000)).catch(() => {});
    throw error;
  }
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((done, failed) => {
    const stop = () => {
      clearTimeout(timer);
      failed(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      done();
    }, milliseconds);
    signal.addEventListener("abort", stop, { once: true });
  });
}
