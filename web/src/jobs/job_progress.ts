/** How far a job is and how long it will take, in words. */
import type { Job } from "./documents.ts";
import { describeBytes, describeSeconds } from "./plan_words.ts";

type Progress = Pick<Job, "kind" | "status" | "done" | "total" | "startedAt" | "finishedAt">;

/** Units that are done of those that there are; nothing where there is one, or nobody knows. */
export function amountOf({ kind, done, total }: Progress): string {
  if (total <= 1) return "";
  if (kind === "IMPORT") return `${describeBytes(done)} of ${describeBytes(total)}`;
  if (kind === "FETCH_MODEL") return `${describeBytes(done * 1e6)} of ${describeBytes(total * 1e6)}`;
  return `${done.toLocaleString("en")} of ${total.toLocaleString("en")}`;
}

/** How long it took, or will take if it goes on as it did; nothing where that cannot be told. `now` in ISO 8601. */
export function timeOf({ status, done, total, startedAt, finishedAt }: Progress, now: string): string {
  if (startedAt === null) return "";
  if (finishedAt !== null) return `took ${describeSeconds(seconds(startedAt, finishedAt))}`;
  if (status !== "RUNNING" || done < 1 || done >= total) return "";
  return `${describeSeconds(seconds(startedAt, now) * (total - done) / done)} left`;
}

const seconds = (from: string, to: string) => Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);
