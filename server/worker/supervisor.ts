/** Keeps one worker process alive: starts it, restarts it when it dies, ever more slowly while it dies at once. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { getLogger } from "@logtape/logtape";
import { REPLACE_CODE, WORKER_ENVIRONMENT, WORKER_FLAGS } from "../deno_binary.mjs";
import { ROOT } from "../base/settings.ts";
import type { WorkerMessage } from "./messages.ts";

export type WorkerState =
  & {
    /** Times that it died. */
    readonly restarts?: number;
  }
  & (
    | { readonly kind: "starting" }
    | {
      readonly kind: "ready";
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

/**
 * Starts the worker with the settings of this process, on this database. `onRefusal` is called when the worker refuses
 * its settings, having said why on standard error; it is not started again.
 */
export function startSupervisor(
  databaseUrl: string,
  onRefusal: () => void,
  environment: NodeJS.ProcessEnv = process.env,
): Supervisor {
  const log = getLogger(["culprit", "supervisor"]);
  let state: WorkerState = { kind: "starting" };
  let delay = FIRST_DELAY_MS;
  let restarts = 0;
  let child: ChildProcess | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stopped = false;
  let advised = false;

  const start = (): void => {
    const started = Date.now();
    const worker = spawn(
      process.execPath,
      ["run", "-A", "--quiet", ...WORKER_FLAGS, "--config", join(ROOT, "deno.json"), join(ROOT, "server", "worker.ts")],
      {
        stdio: ["pipe", "pipe", "inherit"],
        // Ctrl-C in a terminal reaches the whole group; the worker waits for our word instead.
        detached: true,
        // Where that opens a window: nobody would look into it.
        windowsHide: true,
        env: {
          ...WORKER_ENVIRONMENT,
          ...environment,
          DATABASE_URL: databaseUrl,
          CULPRIT_SUPERVISED: "1",
          DENO_NO_UPDATE_CHECK: "1",
        },
      },
    );
    child = worker;
    worker.stdin?.on("error", () => {});
    createInterface({ input: worker.stdout! }).on("line", (line) => {
      const message = JSON.parse(line) as WorkerMessage;
      if (message.event === "ready") {
        state = { kind: "ready", adapter: message.adapter, pid: worker.pid ?? 0, restarts };
        if (message.advice !== undefined && !advised) log.info(message.advice);
        advised = true;
      }
      if (message.event === "memory" && state.kind === "ready") state = { ...state, gpuBytes: message.gpuBytes };
    });
    worker.on("error", (error) => log.error("The worker did not start: {message}", { message: error.message }));
    worker.on("exit", (code, signal) => {
      child = undefined;
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
      const reason = signal ? `it was ended by ${signal}` : `it ended with exit code ${code}`;
      restarts++;
      state = { kind: "restarting", reason, restarts };
      log.error("The worker died: {reason}; starting another in {seconds} s", { reason, seconds: delay / 1000 });
      timer = setTimeout(start, delay);
      delay = Math.min(2 * delay, LONGEST_DELAY_MS);
    });
  };
  start();
  return {
    state: () => state,
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      const worker = child;
      if (!worker) return;
      await new Promise<void>((done) => {
        const force = setTimeout(() => worker.kill("SIGKILL"), STOP_MS);
        worker.on("exit", () => {
          clearTimeout(force);
          done();
        });
        // Both ask it to hand its task back; Windows has but the first, and would end it at once by the second.
        worker.stdin?.end();
        if (process.platform !== "win32") worker.kill("SIGTERM");
      });
    },
  };
}
