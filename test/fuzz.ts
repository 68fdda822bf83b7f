/** Malformed inputs, the same for the same seed: for GraphQL and for every importer. A crash or a 5xx is a fault. */
import { setTimeout as wait } from "node:timers/promises";
import { eq, sql } from "drizzle-orm";
import { attributionGraphs } from "../schema/tables/analysis_tables.ts";
import type { Database } from "../schema/tables/database.ts";
import {
  attributions,
  benchmarks,
  failureCases,
  jobs,
  models,
  responses,
  tokenPairs,
} from "../schema/tables/tables.ts";
import type { Handler } from "../server/http/http.ts";
import { importQuery, malformedFile, type Records } from "./fuzz_files.ts";
import { malformedOperation } from "./fuzz_operations.ts";
import { seededRandom } from "./random.ts";

export interface FuzzTarget {
  /** The server, in this process or over the network. */
  readonly handle: Handler;
  readonly records: Records;
  /** Global ids that operations may name. What they name may be changed by them. */
  readonly ids: readonly string[];
}

/** Sends one malformed operation. Returns what went wrong, undefined when the answer was as it should be. */
export async function fuzzGraphQL({ handle, ids }: FuzzTarget, seed: number): Promise<string | undefined> {
  const { body, contentType } = malformedOperation(ids, seed);
  const answer = await handle(
    new Request("http://localhost/graphql", {
      method: "POST",
      headers: { "content-type": contentType, "accept": "application/json", "x-requested-with": "fuzz" },
      body,
    }),
  );
  const text = await answer.text();
  if (answer.status >= 500) return `seed ${seed}: ${answer.status} ${text.slice(0, 300)} of ${body.slice(0, 900)}`;
  if (text.includes("INTERNAL_SERVER_ERROR")) return `seed ${seed}: ${text.slice(0, 300)} of ${body.slice(0, 900)}`;
  return undefined;
}

export interface SentFile {
  /** What went wrong; undefined when the answer was as it should be. */
  readonly fault?: string;
  /** The import that it started. */
  readonly jobId?: string;
}

/** Sends one malformed file to /imports, where its import waits in the queue. */
export async function fuzzImport({ handle, records }: FuzzTarget, seed: number): Promise<SentFile> {
  const file = malformedFile(records, seed);
  const query = importQuery(seededRandom(seed + 1e6), file);
  const answer = await handle(
    new Request(`http://localhost/imports?${query}`, {
      method: "POST",
      headers: { "x-requested-with": "fuzz" },
      body: file.bytes,
    }),
  );
  const text = await answer.text();
  if (answer.status >= 500) return { fault: `seed ${seed}, ${file.from}: ${answer.status} ${text.slice(0, 300)}` };
  if (answer.status !== 202) return {};
  return { jobId: atob((JSON.parse(text) as { readonly id: string }).id).slice("Job:".length) };
}

/** Longest time that an import may wait for its end, in milliseconds. */
const IMPORT_MS = 60_000;

/** What is wrong with how imports ended, by their seed. One that stands still too long is a fault like any other. */
export async function importFaults(db: Database, imports: ReadonlyMap<number, string>): Promise<readonly string[]> {
  const faults: string[] = [];
  for (const [seed, jobId] of imports) {
    for (const deadline = Date.now() + IMPORT_MS;; await wait(100)) {
      const [job] = await db.select().from(jobs).where(eq(jobs.id, jobId));
      const open = job?.status === "queued" || job?.status === "running";
      if (open && Date.now() < deadline) continue;
      const wellEnded = job?.status === "completed" || (job?.status === "failed" && job.errorCode === "BAD_INPUT");
      if (!wellEnded) {
        faults.push(`seed ${seed}: its import is ${job?.status} (${job?.errorCode}: ${job?.errorMessage})`);
      }
      break;
    }
  }
  return faults;
}

/** Tables whose rows no malformed input may change. */
const KEPT = { models, failureCases, tokenPairs, responses, attributions, attributionGraphs, benchmarks } as const;

/** What must stay of each table: a hash of the rows with an id of those there are now, but for what may be changed. */
export type Kept = Readonly<Record<string, { readonly rows: string; readonly largest: number }>>;

/** Hashes all columns of the rows up to the largest id of `before`, or of all rows. */
export async function keptRows(db: Database, before?: Kept): Promise<Kept> {
  const kept: Record<string, Kept[string]> = {};
  for (const [name, table] of Object.entries(KEPT)) {
    const upTo = before?.[name]?.largest ?? 2 ** 31 - 1;
    // The last case and pair are those that operations name (fuzz_store.ts).
    const free = table === failureCases || table === tokenPairs ? 1 : 0;
    const [row] = await db.execute<{ rows: string; largest: number }>(sql`
      select count(*) || ' ' || md5(coalesce(string_agg(md5(kept::text), '' order by kept.id), '')) as rows,
        coalesce(max(kept.id), 0) as largest
      from (select * from ${table} where id <= ${upTo} order by id desc offset ${before ? 0 : free}) as kept`);
    kept[name] = { rows: row!.rows, largest: Number(row!.largest) };
  }
  return kept;
}
