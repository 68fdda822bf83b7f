/** The queue between those who ask and those who work: pg-boss in the same PostgreSQL. */
import { getLogger } from "@logtape/logtape";
import { sql } from "drizzle-orm";
import { fromDrizzle, PgBoss } from "pg-boss";
import type { Rule } from "../schema/values.ts";
import type { Transaction } from "./database.ts";

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

export interface QueueTasks {
  readonly attribute: AttributeTask;
  readonly import: ImportTask;
  /** A graph, a diagnosis or the like of one pair: the job's input says which. */
  readonly analyse: PairTask;
  readonly search: SearchTask;
  readonly "search-failed": SearchTask;
  /** Attribute tasks that no retry could save. */
  readonly "attribute-failed": AttributeTask;
  readonly "analyse-failed": PairTask;
  /** Imports that no retry could save. */
  readonly "import-failed": ImportTask;
}
export type QueueName = keyof QueueTasks;

/** How long after its last sign of life a worker counts as dead, in seconds; pg-boss allows no less. */
export const HEARTBEAT_SECONDS = 10;

const QUEUES: Readonly<Record<QueueName, Parameters<PgBoss["createQueue"]>[1]>> = {
  "attribute-failed": { retryLimit: 100, retryDelay: 5 },
  "analyse-failed": { retryLimit: 100, retryDelay: 5 },
  "import-failed": { retryLimit: 100, retryDelay: 5 },
  "search-failed": { retryLimit: 100, retryDelay: 5 },
  // Retries save tasks from killed workers and lost devices; a task that kills three workers is given up.
  "attribute": {
    retryLimit: 2,
    retryDelay: 1,
    heartbeatSeconds: HEARTBEAT_SECONDS,
    expireInSeconds: 6 * 3600,
    deadLetter: "attribute-failed",
  },
  "analyse": {
    retryLimit: 2,
    retryDelay: 1,
    heartbeatSeconds: HEARTBEAT_SECONDS,
    expireInSeconds: 6 * 3600,
    deadLetter: "analyse-failed",
  },
  // Each attempt goes on where the last one was.
  "search": {
    retryLimit: 2,
    retryDelay: 1,
    heartbeatSeconds: HEARTBEAT_SECONDS,
    expireInSeconds: 24 * 3600 - 1,
    deadLetter: "search-failed",
  },
  "import": {
    retryLimit: 2,
    retryDelay: 1,
    heartbeatSeconds: HEARTBEAT_SECONDS,
    expireInSeconds: 6 * 3600,
    deadLetter: "import-failed",
  },
};

/** Starts the queue, making its tables and queues where they are missing. */
export async function startQueue(url: string): Promise<PgBoss> {
  const boss = new PgBoss({
    connectionString: url,
    application_name: "culprit-queue",
    max: 4,
    schedule: false,
    // How fast a dead worker is noticed, after its heartbeat stopped.
    superviseIntervalSeconds: 2,
    monitorIntervalSeconds: 2,
  });
  const log = getLogger(["culprit", "queue"]);
  boss.on("error", (error) => log.error("Queue: {message}", { message: error.message }));
  boss.on("warning", ({ message }) => log.warn("Queue: {message}", { message }));
  await boss.start();
  for (const [name, options] of Object.entries(QUEUES)) await boss.createQueue(name, options);
  return boss;
}

/** Lets pg-boss write inside a transaction: the queue changes together with the tables or not at all. */
export function inside(transaction: Transaction): { readonly db: ReturnType<typeof fromDrizzle> } {
  return { db: fromDrizzle(transaction, sql) };
}
