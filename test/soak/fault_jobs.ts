/** Jobs for the fault tests: attributions under three rules, graphs and imports; and what they leave in the database. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "../../server/base/settings.ts";
import { seededRandom } from "../random.ts";
import type { Fleet } from "./fleet.ts";

const CASES = join(ROOT, "models", "demo-1m", "failure-cases.jsonl");
const RULES = ["ATTNLRP", "CPLRP", "GRADIENT"];
/** Cases of an imported file. */
const IMPORTED = 120;

/** A mutation that starts a job. Its idempotency key lets it be asked again when nobody answered. */
export interface FaultJob {
  readonly mutation: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/** Adds the demo model with its cases; returns its token pairs' global ids. */
export async function fillFleet(fleet: Fleet): Promise<readonly string[]> {
  const add = `mutation ($input: AddModelInput!) { result: addModel(input: $input) { __typename } }`;
  await fleet.graphql(add, { input: { directory: "models/demo-1m" } });
  await startJob(fleet, { mutation: "importFailureCases", input: { path: CASES, from: "CULPRIT" } });
  await jobsEnded(fleet, 1);
  const rows = await fleet.ask<{ id: number }>("select id from token_pairs order by id");
  return rows.map(({ id }) => btoa(`TokenPair:${id}`));
}

/** `count` jobs that a seed decides. Every fourth imports cases of its own, every fourth builds graphs. */
export async function makeJobs(
  pairs: readonly string[],
  files: string,
  count: number,
  seed: number,
): Promise<readonly FaultJob[]> {
  const random = seededRandom(seed);
  const lines = (await readFile(CASES, "utf8")).trim().split("\n").map((line) =>
    JSON.parse(line) as Record<string, unknown>
  );
  const some = (
    most: number,
  ) => [...new Set(Array.from({ length: random.integer(1, most) }, () => pairs[random.integer(0, pairs.length - 1)]!))];
  const jobs: FaultJob[] = [];
  for (let index = 0; index < count; index++) {
    const idempotencyKey = `soak-${seed}-${index}`;
    const rule = RULES[random.integer(0, 2)]!;
    if (index % 4 === 3) {
      const path = join(files, `cases-${index}.jsonl`);
      const own = Array.from({ length: IMPORTED }, (_, line) => ({
        ...lines[random.integer(0, lines.length - 1)]!,
        key: `soak/${index}/${line}`,
      }));
      await writeFile(path, own.map((line) => JSON.stringify(line)).join("\n"));
      jobs.push({ mutation: "importFailureCases", input: { path, from: "CULPRIT", idempotencyKey } });
    } else if (index % 4 === 2) {
      jobs.push({ mutation: "buildGraph", input: { tokenPairIds: some(2), rule, idempotencyKey } });
    } else {
      jobs.push({ mutation: "attribute", input: { tokenPairIds: some(4), rule, idempotencyKey } });
    }
  }
  return jobs;
}

/** Asks for a job until the server has answered. */
export async function startJob(fleet: Fleet, { mutation, input }: FaultJob): Promise<void> {
  const type = `${mutation[0]!.toUpperCase()}${mutation.slice(1)}Input`;
  const query = `mutation ($input: ${type}!) {
    result: ${mutation}(input: $input) { __typename ... on InputError { message } } }`;
  const { result } = await fleet.graphql<{ result: { __typename: string; message?: string } }>(query, { input });
  if (result.__typename !== "Job") throw new Error(`${mutation} was refused: ${result.message}`);
}

/** Resolves when there are so many jobs and all have ended. Rejects when that takes longer than `seconds`. */
export async function jobsEnded(fleet: Fleet, count: number, seconds = 3000): Promise<void> {
  for (const deadline = Date.now() + 1000 * seconds; Date.now() < deadline;) {
    const [row] = await fleet.ask<{ ended: number; all: number }>(`
      select count(*) filter (where status not in ('queued', 'running'))::int as ended, count(*)::int as all from jobs`);
    if (row!.ended >= count && row!.ended === row!.all) return;
    await new Promise((done) => setTimeout(done, 250));
  }
  const open = await fleet.ask(`select kind, status, done, total, message from jobs
    where status in ('queued', 'running') limit 5`);
  throw new Error(`The jobs did not end in time: ${JSON.stringify(open)}\n${fleet.log().slice(-3000)}`);
}

/** A hash of each result, to the last bit, by its name. */
export async function resultsOf(fleet: Fleet): Promise<ReadonlyMap<string, string>> {
  const rows = await fleet.ask<{ name: string; hash: string }>(`
    select 'attribution ' || token_pair_id || ' ' || rule as name,
      md5(relevance) || ' ' || target_logit || ' ' || contrast_logit || ' ' || scales::text as hash from attributions
    union all
    select 'graph ' || a.token_pair_id || ' ' || a.rule || ' ' || g.options_hash, md5(g.file) || ' ' || g.edges
      from attribution_graphs g join attributions a on a.id = g.attribution_id
    union all
    select 'case ' || key, content_hash || ' ' || status || ' ' || (select count(*) from token_pairs p
      where p.failure_case_id = c.id) from failure_cases c`);
  if (rows.length !== new Set(rows.map(({ name }) => name)).size) throw new Error("A result is stored twice");
  return new Map(rows.map(({ name, hash }) => [name, hash]));
}

/** Removes the jobs and what they made. The cases that pairs were taken from stay. */
export async function forgetJobs(fleet: Fleet): Promise<void> {
  await fleet.ask(`
    delete from pgboss.job;
    delete from job_tasks;
    delete from jobs;
    delete from attribution_graphs;
    delete from attributions;
    delete from token_pairs where failure_case_id in (select id from failure_cases where key like 'soak/%');
    delete from failure_cases where key like 'soak/%';`);
}

/** From now on each change of a job's status is written down, so that one that ends twice is seen. */
export async function watchEnds(fleet: Fleet): Promise<void> {
  await fleet.ask(`
    create table if not exists soak_ends (job_id uuid not null, status text not null);
    create or replace function soak_note() returns trigger language plpgsql as
      'begin insert into soak_ends values (new.id, new.status); return null; end';
    drop trigger if exists soak_note on jobs;
    create trigger soak_note after update of status on jobs for each row
      when (old.status is distinct from new.status) execute function soak_note();`);
}

/** What is wrong with how `count` jobs ended. */
export async function endFaults(fleet: Fleet, count: number): Promise<readonly string[]> {
  const jobs = await fleet.ask<
    { key: string; status: string; ends: number; done: number; total: number; said: string }
  >(`
    select idempotency_key as key, status::text, done, total, coalesce(error_message, message) as said,
      (select count(*)::int from soak_ends e where e.job_id = j.id and e.status not in ('queued', 'running')) as ends
    from jobs j where idempotency_key is not null`);
  const faults = jobs.filter(({ status, ends, done, total }) => status !== "completed" || ends > 1 || done !== total)
    .map((job) => `${job.key} is ${job.status}, ended ${job.ends} times, ${job.done} of ${job.total}: ${job.said}`);
  if (jobs.length !== count) faults.push(`${jobs.length} jobs instead of ${count}`);
  const left = await fleet.ask<{ state: string; tasks: number }>(`
    select state::text, count(*)::int as tasks from pgboss.job
    where state not in ('completed') and data ->> 'jobId' in (select id::text from jobs) group by state`);
  for (const { state, tasks } of left) faults.push(`${tasks} tasks are ${state}`);
  const open = await fleet.ask<{ tasks: number }>("select count(*)::int as tasks from job_tasks where not done");
  if (open[0]!.tasks > 0) faults.push(`${open[0]!.tasks} token pairs are not done`);
  return faults;
}
