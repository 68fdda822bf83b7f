/**
 * The GPU worker: a process of its own, since a graphics driver can take its process down. It takes tasks of the models
 * that it holds from the queue; any number of workers on any number of machines may join with DATABASE_URL and the files
 * of models, wherever they lie there.
 * Run it with `deno run -A server/worker.ts`, or `npx culprit worker`.
 */
import process from "node:process";
import { getLogger } from "@logtape/logtape";
import { tell, tellReady, type WorkedTask } from "./jobs/messages.ts";
import { InputError, type Lane, openEngine } from "../gpu/mod.ts";
import { adapterAdvice } from "./worker/adapter_advice.ts";
import { requireRightNumbers } from "./worker/check_adapter.ts";
import { performAnalyse } from "./worker/analyse_task.ts";
import { performAsk } from "./ask/ask_task.ts";
import { performAttributes } from "./attributions/attribute_task.ts";
import { openCheckers } from "./checkers/check.ts";
import { type ConsumerOptions, messageOf, startConsumer, startPackConsumer } from "./jobs/consumer.ts";
import { openDatabase, startDatabase, WORKER_CONNECTIONS } from "./database/database.ts";
import { noteUnheldRejections } from "./database/unheld_rejections.ts";
import { REPLACE_CODE } from "./deno_binary.mjs";
import { createHeldModels } from "./models/held_models.ts";
import { startLogging } from "./base/logging.ts";
import { createModelCache } from "./models/model_cache.ts";
import { createTokenizerCache } from "./models/tokenizer_cache.ts";
import { laneOf, startQueue } from "./jobs/queue.ts";
import { performSearch } from "./search/search_task.ts";
import { readSettings, type Settings } from "./base/settings.ts";
import { register } from "./jobs/worker_registry.ts";

export interface Worker {
  /** The adapter it works on, in its driver's words. */
  readonly adapter: string;
  /** What would be faster, and how to get it; undefined where nothing is. */
  readonly advice: string | undefined;
  /** Resolves with the reason when the device is lost: the process should then be replaced. */
  readonly lost: Promise<string>;
  /** Device memory of its buffers now, in bytes. */
  gpuBytes(): number;
  /** Memory that the runtime keeps of work long done, in bytes. */
  wasteBytes(): number;
  /** Takes no more tasks, and resolves when those in work have ended. */
  finish(): Promise<void>;
  /** Hands the task in work back to the queue and leaves. */
  stop(): Promise<void>;
}

/** A model keeps its turn while it has work this long, in milliseconds, and as many times as long as loading takes. */
const LEAST_STAY_MS = 2000;
const STAY_LOADS = 3;

/** Opens the device, joins the queue and starts to work. Throws InputError for settings that do not fit. */
export async function startWorker(
  settings: Settings,
  onWork: (consumer: string, tasks: readonly WorkedTask[]) => void = () => {},
): Promise<Worker> {
  const engine = await openEngine(settings.adapter === undefined ? {} : { adapter: settings.adapter });
  await requireRightNumbers(engine, settings.home).catch((error) => {
    engine.close();
    throw error;
  });
  const database = await startDatabase(settings);
  const connection = openDatabase(database.url, undefined, WORKER_CONNECTIONS);
  const boss = await startQueue(database.url, { worker: true });
  const cache = createModelCache(engine);
  const checkers = openCheckers();
  const held = createHeldModels(connection.db, settings.modelFolders, settings.hub.cache);
  const { name: adapter } = engine.adapter;
  const registration = await register(connection.db, held, { adapter, memoryBytes: () => engine.memoryBytes() });
  const parts = { connection, boss, cache, checkers, held, tokenizers: createTokenizerCache() };
  const options = (name: string, lane?: Lane): ConsumerOptions => ({
    onWork: (tasks) => onWork(name, tasks),
    serves: (queue: string) => registration.serves(queue) && (lane === undefined || laneOf(queue) === lane),
    // Models that do not fit beside each other are not loaded for the sake of a task or two.
    stayMs: () => Math.max(LEAST_STAY_MS, STAY_LOADS * cache.longestLoadMs()),
  });
  const consumers = [
    await startConsumer(
      connection,
      boss,
      "ask",
      (attempt) => engine.hurry(() => performAsk(parts, attempt)),
      options("ask"),
    ),
    await startConsumer(connection, boss, "search", (attempt) => performSearch(parts, attempt), options("search")),
  ];
  // What a person waits for has takers of its own: a batch in work must not be waited for.
  for (const lane of ["interactive", "batch"] as const) {
    const own = (kind: string) => options(`${lane} ${kind}`, lane);
    // Not only while it computes: what it reads and writes is waited for too.
    const hurried = <Result>(work: () => Promise<Result>) => lane === "interactive" ? engine.hurry(work) : work();
    consumers.push(
      await startPackConsumer(
        connection,
        boss,
        "attribute",
        (pack) => hurried(() => performAttributes(parts, pack)),
        own("attribute"),
      ),
      await startConsumer(
        connection,
        boss,
        "analyse",
        (attempt) => hurried(() => performAnalyse(parts, attempt)),
        own("analyse"),
      ),
    );
  }
  let stopping = false;
  return {
    adapter: engine.adapter.name,
    advice: adapterAdvice(engine.adapter, settings.adapter),
    gpuBytes: () => engine.gpuBytes(),
    wasteBytes: () => engine.wasteBytes(),
    finish: async () => void await Promise.all(consumers.map((consumer) => consumer.finish())),
    lost: engine.lost.then((reason) => stopping ? new Promise<string>(() => {}) : reason),
    stop: async () => {
      stopping = true;
      await Promise.all(consumers.map((consumer) => consumer.stop()));
      await registration.stop();
      await checkers.close();
      cache.dispose();
      engine.close();
      await boss.stop({ graceful: false });
      await connection.close();
      await database.stop();
    },
  };
}

/** How often the worker looks at its device memory, and at its waste, in milliseconds. */
const MEMORY_MS = 2000;
const WASTE_MS = 1000;

/** The process: works until it is asked to stop, its supervisor is gone, or its device is lost. Returns the exit code. */
export async function runWorker(
  options: {
    readonly signal: AbortSignal;
    readonly onReady?: (worker: Worker) => void;
    readonly onWork?: (consumer: string, tasks: readonly WorkedTask[]) => void;
  },
): Promise<number> {
  const log = getLogger(["culprit", "worker"]);
  let settings: Settings;
  let worker: Worker;
  try {
    settings = readSettings();
    worker = await startWorker(settings, options.onWork);
  } catch (error) {
    log.error("{message}", { message: messageOf(error) });
    // Who supervises us has the same database: it is away for a moment, not wrong.
    const away = error instanceof InputError && error.where === "DATABASE_URL" && isSupervised();
    return error instanceof InputError && !away ? 2 : 1;
  }
  log.info("Ready on {adapter}", { adapter: worker.adapter });
  // A supervisor says it once for all the processes that it starts.
  if (worker.advice !== undefined && !isSupervised()) log.info(worker.advice);
  options.onReady?.(worker);
  const asked = new Promise<0>((done) => {
    if (options.signal.aborted) done(0);
    options.signal.addEventListener("abort", () => done(0));
  });
  const worn = gathered(worker, settings.workerWasteBytes).then(async () => {
    log.info("Gathered {waste} MB that the runtime keeps; a fresh process takes over", {
      waste: Math.round(worker.wasteBytes() / 1e6),
    });
    await worker.finish();
    return REPLACE_CODE;
  });
  const end = await Promise.race([worker.lost, asked, worn]);
  if (typeof end === "number") {
    await worker.stop();
    return end;
  }
  // The task in work fails by itself and is tried again, by the process that replaces this one.
  log.error("The device was lost: {reason}", { reason: end });
  return 1;
}

/** Resolves when the worker holds more waste than `most`, in bytes. */
function gathered(worker: Worker, most: number): Promise<void> {
  return new Promise((done) => {
    const timer = setInterval(() => {
      if (worker.wasteBytes() <= most) return;
      clearInterval(timer);
      done();
    }, WASTE_MS);
    timer.unref();
  });
}

const isSupervised = (): boolean => process.env["CULPRIT_SUPERVISED"] === "1";

if (import.meta.main) {
  await startLogging();
  const log = getLogger(["culprit", "worker"]);
  noteUnheldRejections((message) => log.warn("{message}", { message }), (reason) => {
    log.error("{error}", { error: reason instanceof Error ? reason.stack : reason });
    process.exit(1);
  });
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stop.abort());
  if (isSupervised()) {
    // The supervisor holds the other end of standard input: when it is gone, so are we.
    process.stdin.on("end", () => stop.abort());
    process.stdin.on("error", () => stop.abort());
    process.stdin.resume();
  }
  const code = await runWorker({
    signal: stop.signal,
    onWork: (consumer, tasks) => tell({ event: "tasks", consumer, tasks }),
    onReady: ({ adapter, advice, gpuBytes }) => {
      tellReady({ event: "ready", adapter, advice });
      let told = -1;
      setInterval(() => {
        if (gpuBytes() === told) return;
        told = gpuBytes();
        tell({ event: "memory", gpuBytes: told });
      }, MEMORY_MS).unref();
    },
  });
  // A process with a device does not end by itself.
  process.exit(code);
}
