/**
 * The jobs that the page knows, kept up to date: running ones by subscription, new ones by asking now and then.
 * A browser opens six connections to one host at most, so no more than three jobs are watched at a time.
 */
import { useEffect, useState } from "preact/hooks";
import { request, RequestError, subscribe } from "../shell/client.ts";
import {
  ATTRIBUTE,
  BUILD_GRAPH,
  CANCEL_JOB,
  type Job,
  type JobResult,
  LIST_JOBS,
  RETRY_JOB,
  WATCH_JOB,
} from "./documents.ts";
import { MASK, type Replacement, type Scope } from "./documents.ts";
import type { Rule } from "../shell/route.ts";

const LISTED = 12;
const WATCHED = 3;
const ASK_MS = 5000;
const RETRY_MS = 1500;

const jobs = new Map<string, Job>();
const watching = new Set<string>();
const listeners = new Set<() => void>();
let ended = 0;
/** Whether the jobs of before the page was opened are known. */
let asked = false;

export function isActive(job: Job): boolean {
  return job.status === "QUEUED" || job.status === "RUNNING";
}

function store(job: Job): void {
  const old = jobs.get(job.id);
  if (old !== undefined && old.sequence > job.sequence) return;
  jobs.set(job.id, job);
  const news = old === undefined ? asked : isActive(old);
  if (news && !isActive(job)) ended++;
  watchActive();
  for (const listener of listeners) listener();
}

/** The oldest active jobs are watched first: they end first. */
function watchActive(): void {
  const active = [...jobs.values()].filter(isActive).sort((a, b) => a.createdAt < b.createdAt ? -1 : 1);
  for (const { id } of active) {
    if (watching.size >= WATCHED) return;
    if (!watching.has(id)) watch(id);
  }
}

/** Follows one job to its end; a broken connection goes on after the last sequence that was seen. */
async function watch(id: string): Promise<void> {
  watching.add(id);
  const abort = new AbortController();
  for (let job = jobs.get(id); job !== undefined && isActive(job); job = jobs.get(id)) {
    try {
      for await (const { jobProgress } of subscribe(WATCH_JOB, { id, after: job.sequence }, abort.signal)) {
        store(jobProgress);
      }
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  watching.delete(id);
  watchActive();
}

async function ask(): Promise<void> {
  if (document.hidden) return;
  try {
    const answer = await request(LIST_JOBS, { first: LISTED });
    for (const job of answer.jobs.nodes) store(job);
    asked = true;
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
  }
}

/** Starts to keep the jobs up to date, for as long as the page lives. */
export function keepJobs(): void {
  ask();
  setInterval(ask, ASK_MS);
}

function useStore<Value>(read: () => Value): Value {
  const [value, setValue] = useState(read);
  useEffect(() => {
    const listener = () => setValue(read);
    listener();
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return value;
}

/** Newest first. */
export function useJobs(): readonly Job[] {
  return useStore(() => [...jobs.values()].sort((a, b) => a.createdAt < b.createdAt ? 1 : -1));
}

/** A number that changes whenever a job ends: what is shown may then be out of date. */
export function useEndedJobs(): number {
  return useStore(() => ended);
}

function key(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join("-");
}

/** Follows the job that a mutation returned; gives its id. Throws RequestError for what was wrong. */
export function follow(result: JobResult): string {
  if (result.__typename === "InputError") throw new RequestError(result.problem, "refused");
  store(result);
  return result.id;
}

/** Asks for the attribution of one pair; gives the job's id. Throws RequestError. */
export async function attribute(tokenPairId: string, rule: Rule): Promise<string> {
  const input = { tokenPairIds: [tokenPairId], rule, idempotencyKey: key() };
  return follow((await request(ATTRIBUTE, { input })).attribute);
}

/** Asks for the graph of one pair; gives the job's id. Throws RequestError. */
export async function buildGraph(tokenPairId: string, rule: Rule, heads: boolean): Promise<string> {
  const input = { tokenPairIds: [tokenPairId], rule, heads, idempotencyKey: key() };
  return follow((await request(BUILD_GRAPH, { input })).buildGraph);
}

/** Asks for the masking experiments of one pair; gives the job's id. Throws RequestError. */
export async function mask(tokenPairId: string, replacement: Replacement, scope: Scope): Promise<string> {
  const input = { tokenPairIds: [tokenPairId], replacements: [replacement], scope, idempotencyKey: key() };
  return follow((await request(MASK, { input })).runMaskingExperiment);
}

/** Throws RequestError. */
export async function cancel(id: string): Promise<void> {
  follow((await request(CANCEL_JOB, { id })).cancelJob);
}

/** Asks once more for what a job was asked that ended badly. Throws RequestError. */
export async function retry(id: string): Promise<void> {
  follow((await request(RETRY_JOB, { id })).retryJob);
}
