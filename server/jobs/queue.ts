/** The queue between those who ask and those who work: pg-boss in the same PostgreSQL. */
import { getLogger } from "@logtape/logtape";
import { type SQL, sql } from "drizzle-orm";
import { fromDrizzle, PgBoss } from "pg-boss";
import { InputError, type Lane, type Rule } from "../../gpu/mod.ts";
import type { Transaction } from "../database/database.ts";

/** What a job asks of one token pair on one model. */
export interface PairTask {
  readonly jobId: string;
  readonly tokenPairId: number;
  /** The model that computes it: that of the pair's case, or another with the same tokenizer. */
  readonly modelId: number;
}

/** One attribution to compute. */
export interface AttributeTask extends PairTask {
  readonly rule: Rule;
}

/** One file to import. */
export interface ImportTask {
  readonly jobId: string;
}

/** A benchmark to run a model over, or token pairs to search: the job's input says which. */
export interface SearchTask {
  readonly jobId: string;
}

/** A prompt that somebody typed, to answer or to explain: the job's input says which. */
export interface AskTask {
  readonly jobId: string;
}

/** A hub's model to fetch. */
export interface FetchTask {
  readonly jobId: string;
}

export interface QueueTasks {
  readonly attribute: AttributeTask;
  readonly import: ImportTask;
  /** A graph, a diagnosis or the like of one pair: the job's input says which. */
  readonly analyse: PairTask;
  readonly search: SearchTask;
  readonly ask: AskTask;
  readonly fetch: FetchTask;
  readonly "fetch-failed": FetchTask;
  readonly "ask-failed": AskTask;
  readonly "search-failed": SearchTask;
  /** Attribute tasks that no retry could save. */
  readonly "attribute-failed": AttributeTask;
  readonly "analyse-failed": PairTask;
  /** Imports that no retry could save. */
  readonly "import-failed": ImportTask;
}
/** What tasks are about. Each kind has a queue for every set of models that its tasks need (see queueName). */
export type QueueKind = keyof QueueTasks;
/** Kinds that people ask for. */
export type TaskKind = Exclude<QueueKind, `${string}-failed`>;

/** How long after its last sign of life a worker counts as dead, in seconds; pg-boss allows no less. */
export const HEARTBEAT_SECONDS = 10;

type QueueOptions = Parameters<PgBoss["createQueue"]>[1];

const FAILED: QueueOptions = { retryLimit: 100, retryDelay: 5 };
/** A task that throws is given up at this try. */
export const TRIES = 3;
// More tries save tasks from killed workers and lost devices, which are seldom theirs: one that takes down six is given up.
const worked = (kind: TaskKind, expireInSeconds = 6 * 3600, retryLimit = 5): QueueOptions => ({
  retryLimit,
  retryDelay: 1,
  heartbeatSeconds: HEARTBEAT_SECONDS,
  expireInSeconds,
  deadLetter: `${kind}-failed`,
});

const QUEUES: Readonly<Record<QueueKind, QueueOptions>> = {
  "attribute-failed": FAILED,
  "analyse-failed": FAILED,
  "import-failed": FAILED,
  "search-failed": FAILED,
  "ask-failed": FAILED,
  "fetch-failed": FAILED,
  "attribute": worked("attribute"),
  "analyse": worked("analyse"),
  "ask": worked("ask"),
  // Each attempt goes on where the last one was.
  "search": worked("search", 24 * 3600 - 1),
  "fetch": worked("fetch", 24 * 3600 - 1),
  // And a record that takes its process down is found by trying (import/careful.ts): three tries each.
  "import": worked("import", 6 * 3600, 20),
};

/** What somebody must have who takes tasks of a queue. */
export interface Route {
  /** Hashes of models whose files must be there. */
  readonly models?: readonly string[];
  /** The folder (CULPRIT_HOME) whose files it needs, by its id. */
  readonly home?: string;
  /** Device memory that is needed, in bytes. */
  readonly bytes?: number;
  /** The engine's lane; batch when left out. */
  readonly lane?: Lane;
}

/** The last part of names of queues whose tasks a person waits for. */
const NOW = "now";

/** Characters of a model's hash in names of queues. */
const HASH_CHARACTERS = 16;
/** Queues of one model are told apart by memory in this many steps a doubling. */
const MEMORY_STEPS = 8;

/** A model's hash as names of queues have it. */
export const shortHash = (hash: string): string => hash.slice(0, HASH_CHARACTERS).replaceAll(/\W/g, "_");

/**
 * The queue of a kind for tasks that need all this: `attribute/HASH`, `search/HASH.HASH`, `attribute/HASH/m280`, on the
 * interactive lane `attribute/HASH/now`. A bare kind is for whoever takes it.
 */
export function queueName(kind: QueueKind, { models = [], home, bytes, lane }: Route): string {
  const names = [kind, ...(home === undefined ? [] : [home])];
  if (models.length > 0) names.push([...new Set(models.map(shortHash))].sort().join("."));
  if (bytes !== undefined) names.push(`m${Math.ceil(MEMORY_STEPS * Math.log2(bytes))}`);
  if (lane === "interactive" && !ALWAYS_NOW.has(kind)) names.push(NOW);
  return names.join("/");
}

/** Kinds that are on the interactive lane by their nature. */
const ALWAYS_NOW: ReadonlySet<QueueKind> = new Set(["ask"]);

/** The engine's lane for tasks of a queue. */
export function laneOf(queue: string): Lane {
  return queue.endsWith(`/${NOW}`) || ALWAYS_NOW.has(kindOf(queue)) ? "interactive" : "batch";
}

/** What a worker has to offer. */
export interface Holdings {
  /** Hashes of models. */
  readonly models: Iterable<string>;
  /** Device memory for all, in bytes; null where nobody tells. */
  readonly memoryBytes: number | null;
}

/** What a queue of models needs, by its name: the beginnings of hashes, and bytes. */
export function routeOf(queue: string): { readonly models: readonly string[]; readonly bytes: number | undefined } {
  const [, needed = "", memory = ""] = queue.split("/").filter((part) => part !== NOW);
  const models = needed === "" ? [] : needed.split(".");
  return { models, bytes: memory === "" ? undefined : 2 ** (Number(memory.slice(1)) / MEMORY_STEPS) };
}

/** Whether a worker that holds this can do the tasks of a queue of models. */
export function serves({ models, memoryBytes }: Holdings, queue: string): boolean {
  const needed = routeOf(queue);
  const held = new Set(Array.from(models, shortHash));
  return needed.models.every((hash) => held.has(hash)) && (memoryBytes ?? Infinity) >= (needed.bytes ?? 0);
}

/** Any number, the same in every process: one at a time makes the index. */
const INDEX_LOCK = 1_131_754_097;

/**
 * Starts the queue, making its tables and queues where they are missing. Workers look after dead ones now and then,
 * servers all the time.
 */
export async function startQueue(url: string, { worker = false } = {}): Promise<PgBoss> {
  const boss = new PgBoss({
    connectionString: url,
    application_name: "culprit-queue",
    max: worker ? 2 : 4,
    schedule: false,
    // How fast a dead worker is noticed, after its heartbeat stopped.
    superviseIntervalSeconds: worker ? 30 : 2,
    monitorIntervalSeconds: worker ? 30 : 2,
  });
  const log = getLogger(["culprit", "queue"]);
  boss.on("error", (error) => log.error("Queue: {message}", { message: error.message }));
  boss.on("warning", ({ message }) => log.warn("Queue: {message}", { message }));
  await boss.start();
  for (const [name, options] of Object.entries(QUEUES)) await boss.createQueue(name, options);
  // Where an owner's last waiting task stands is asked with every job (enqueue.ts).
  await boss.getDb().executeSql(`select pg_advisory_xact_lock(${INDEX_LOCK});
    create index if not exists culprit_job_owner on pgboss.job (name, group_id, priority) where state < 'active'`);
  return boss;
}

const opened = new WeakMap<PgBoss, Set<string>>();

/** Makes a queue where it is missing. */
export async function openQueue(boss: PgBoss, name: string): Promise<void> {
  const known = opened.get(boss) ?? new Set(Object.keys(QUEUES));
  opened.set(boss, known);
  if (known.has(name)) return;
  await boss.createQueue(name, QUEUES[kindOf(name)]);
  known.add(name);
}

/** The kind of a queue. Throws InputError for one that this version does not know, as a backup may name it. */
export function kindOf(queue: string): QueueKind {
  const [kind = ""] = queue.split("/");
  if (kind in QUEUES) return kind as QueueKind;
  throw new InputError(`there is no queue ${queue}`, "queue", "use the version of Culprit that made it");
}

/** The condition that a queue, by the column of its name, is of a kind. */
export function ofKind(name: SQL, kind: QueueKind): SQL {
  return sql`(${name} = ${kind} or starts_with(${name}, ${`${kind}/`}))`;
}

/** Tasks of all queues of a kind that belong to a job, for tests and operators. */
export async function findTasks<Kind extends QueueKind>(boss: PgBoss, kind: Kind, jobId?: string) {
  const queues = (await boss.getQueues()).filter(({ name }) => kindOf(name) === kind);
  const found = await Promise.all(
    queues.map(({ name }) => boss.findJobs<QueueTasks[Kind]>(name, jobId === undefined ? {} : { data: { jobId } })),
  );
  return found.flat();
}

/** Lets pg-boss write inside a transaction: the queue changes together with the tables or not at all. */
export function inside(transaction: Transaction): { readonly db: ReturnType<typeof fromDrizzle> } {
  return { db: fromDrizzle(transaction, sql) };
}
