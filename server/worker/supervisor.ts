/** Keeps one process alive: starts it, restarts it when it dies or hangs, ever more slowly while it dies at once. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { getLogger } from "@logtape/logtape";
import { IMPORT_FLAGS, REPLACE_CODE, WORKER_ENVIRONMENT, WORKER_FLAGS } from "../deno_binary.mjs";
import { ROOT } from "../base/settings.ts";
import { BEAT_MS, type WorkedTask, type WorkerMessage } from "../jobs/messages.ts";

export type WorkerState =
  & {
    /** Times that it died. */
    readonly restarts?: number;
  }
  & (
    | { readonly kind: "starting" }
    | {
      readonly kind: "ready";
      /** Of a worker, in its driver's words. */
      readonly adapter: string;
      readonly pid: number;
      /** Device memory that its buffers took when it last told, in bytes. */
      readonly gpuBytes?: number;
    }
    | { readonly kind: "restarting"; readonly reason: string }
  );

export interface Supervisor {
  state(): WorkerState;
  /** Stops the worker and does not start it again. */
  stop(): Promise<void>;
}

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;
/** A worker that lived this long was healthy: its next restart is a fast one again. */
const HEALTHY_MS = 60_000;
/** The worker's exit code for bad settings: another one would end the same way. */
const BAD_INPUT_CODE = 2;
/** How long a worker may take to hand its task back. */
const STOP_MS = 10_000;

/** How many beats a process may leave out before it counts as hung: a driver may compile for a minute. */
const MOST_SILENT = 24;
/** Characters that are logged of a line which is no message. */
const LONGEST_LINE = 1000;
/** Signals by which a process is ended from outside: no fault of what it worked on. */
const FROM_OUTSIDE: ReadonlySet<string> = new Set(["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"]);

/** A program that is kept running. */
export interface Program {
  /** What it is called in messages. */
  readonly name: string;
  /** Its file, from the folder `server`. */
  readonly file: string;
  readonly flags: readonly string[];
  /** What its environment has where ours does not say otherwise. */
  readonly environment: Readonly<Record<string, string>>;
}

export const WORKER: Program = {
  name: "worker",
  file: "worker.ts",
  flags: WORKER_FLAGS,
  environment: WORKER_ENVIRONMENT,
};

/** Imports what is uploaded to the home that CULPRIT_HOME names. */
export const IMPORTER: Program = {
  name: "import process",
  file: join("import", "import_process.ts"),
  flags: IMPORT_FLAGS,
  environment: {},
};

export interface SupervisorOptions {
  readonly program?: Program;
  /** Its environment, ours by default. */
  readonly environment?: NodeJS.ProcessEnv;
  /** Called when the process refuses its settings, having said why on standard error; it is not started again. */
  readonly onRefusal?: () => void;
  /** Called with what the process worked on when it fell by itself, and how it fell. */
  readonly onFall?: (tasks: readonly WorkedTask[], reason: string) => Promise<void>;
  /** How many beats it may leave out; tests are less patient. */
  readonly mostSilent?: number;
}

function spawnProgram(program: Program, environment: NodeJS.ProcessEnv, databaseUrl: string): ChildProcess {
  const child = spawn(
    process.execPath,
    [
      "run",
      "-A",
      "--quiet",
      ...program.flags,
      "--config",
      join(ROOT, "deno.json"),
      join(ROOT, "server", program.file),
    ],
    {
      stdio: ["pipe", "pipe", "inherit"],
      // Ctrl-C in a terminal reaches the whole group; the worker waits for our word instead.
      detached: true,
      // Where that opens a window: nobody would look into it.
      windowsHide: true,
      env: {
        ...program.environment,
        ...environment,
        DATABASE_URL: databaseUrl,
        CULPRIT_SUPERVISED: "1",
        DENO_NO_UPDATE_CHECK: "1",
      },
    },
  );
  child.stdin?.on("error", () => {});
  return child;
}

/**
 * Ends a process that leaves out too many beats while `isBound` to send them. Beats are counted, not timed: a machine
 * that slept has not hung.
 */
function watchBeats(worker: ChildProcess, mostSilent: number, isBound: () => boolean) {
  let silent = 0;
  let hung = false;
  const watch = setInterval(() => {
    if (!isBound() || ++silent <= mostSilent) return;
    hung = true;
    worker.kill("SIGKILL");
  }, BEAT_MS);
  watch.unref();
  return {
    heard: () => {
      silent = 0;
    },
    stop: () => clearInterval(watch),
    hung: () => hung,
  };
}

/** Lets a process hand its task back and end; ends it where that takes too long. */
function endProcess(worker: ChildProcess): Promise<void> {
  return new Promise<void>((done) => {
    const force = setTimeout(() => worker.kill("SIGKILL"), STOP_MS);
    worker.on("exit", () => {
      clearTimeout(force);
      done();
    });
    // Both ask it to hand its task back; Windows has but the first, and would end it at once by the second.
    worker.stdin?.end();
    if (process.platform !== "win32") worker.kill("SIGTERM");
  });
}

/** What a line of a process says to us; undefined for any other line. */
function messageOf(line: string): WorkerMessage | undefined {
  try {
    const value = JSON.parse(line) as Partial<WorkerMessage> | null;
    return typeof value?.event === "string" ? value as WorkerMessage : undefined;
  } catch {
    return undefined;
  }
}

/** Starts a program, the worker by default, on this database. */
export function startSupervisor(databaseUrl: string, options: SupervisorOptions = {}): Supervisor {
  const { program = WORKER, environment = process.env, onRefusal = () => {}, onFall } = options;
  const { mostSilent = MOST_SILENT } = options;
  const log = getLogger(["culprit", "supervisor"]);
  const { name } = program;
  let state: WorkerState = { kind: "starting" };
  let delay = FIRST_DELAY_MS;
  let restarts = 0;
  let child: ChildProcess | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stopped = false;
  let advised = false;

  const hear = (message: WorkerMessage, pid: number): void => {
    if (message.event === "ready") {
      state = { kind: "ready", adapter: message.adapter ?? "", pid, restarts };
      if (message.advice !== undefined && !advised) log.info(message.advice);
      advised = true;
    }
    if (message.event === "memory" && state.kind === "ready") state = { ...state, gpuBytes: message.gpuBytes };
  };

  const startLater = (reason: string): void => {
    restarts++;
    state = { kind: "restarting", reason, restarts };
    const seconds = delay / 1000;
    log.error("The {name} died: {reason}; starting another in {seconds} s", { name, reason, seconds });
    timer = setTimeout(start, delay);
    delay = Math.min(2 * delay, LONGEST_DELAY_MS);
  };

  const start = (): void => {
    const started = Date.now();
    const working = new Map<string, readonly WorkedTask[]>();
    const worker = spawnProgram(program, environment, databaseUrl);
    const beats = watchBeats(worker, mostSilent, () => state.kind === "ready");
    child = worker;
    createInterface({ input: worker.stdout! }).on("line", (line) => {
      const message = messageOf(line);
      // A driver or a package may print what it likes; that is no sign of life.
      if (message === undefined) {
        return log.warn("The {name} said: {line}", { name, line: line.slice(0, LONGEST_LINE) });
      }
      beats.heard();
      if (message.event === "tasks") working.set(message.consumer, message.tasks);
      hear(message, worker.pid ?? 0);
    });
    worker.on("error", ({ message }) => log.error("The {name} did not start: {message}", { name, message }));
    worker.on("exit", (code, signal) => {
      child = undefined;
      beats.stop();
      if (stopped) return;
      if (code === BAD_INPUT_CODE) {
        state = { kind: "restarting", reason: "it refused its settings" };
        return onRefusal();
      }
      if (code === REPLACE_CODE) {
        state = { kind: "starting", restarts };
        return start();
      }
      if (Date.now() - started > HEALTHY_MS) delay = FIRST_DELAY_MS;
      const ended = signal ? `it was ended by ${signal}` : `it ended with exit code ${code}`;
      const reason = beats.hung() ? `it hung for ${mostSilent * BEAT_MS / 1000} s` : ended;
      if (beats.hung() || !signal || !FROM_OUTSIDE.has(signal)) {
        onFall?.([...working.values()].flat(), reason)
          .catch((error) => log.error("{message}", { message: error.message }));
      }
      startLater(reason);
    });
  };
  start();
  return {
    state: () => state,
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      if (child) await endProcess(child);
    },
  };
}
