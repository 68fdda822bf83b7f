/** The server and its workers as processes of their own, so that a kill reaches them and their memory can be read. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { SERVER_FLAGS } from "../../server/deno_binary.mjs";
import { ROOT } from "../../server/base/settings.ts";

export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Address that it listens at, with a number for its name; empty for a worker. */
  readonly address: string;
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
  /** Ends it as a service manager does, and by force when it takes longer than 15 s. */
  stop(): Promise<void>;
}

const STOP_MS = 15_000;

/** What is seen of a process's log, the last of it. */
const LOG_CHARACTERS = 200_000;

/**
 * Starts `culprit VERB --json` and waits for its first line. `log` is given what it writes on standard error, which goes
 * to our own when left out. Rejects when the process ends first.
 */
export async function startProcess(
  verb: readonly string[],
  environment: Readonly<Record<string, string>>,
  log?: (text: string) => void,
): Promise<Running> {
  const child = spawn(
    Deno.execPath(),
    [
      ...["run", "-A", "--quiet", ...SERVER_FLAGS, "--config", join(ROOT, "deno.json")],
      join(ROOT, "server", "cli.ts"),
      ...verb,
      "--json",
    ],
    {
      env: { ...process.env, DENO_NO_UPDATE_CHECK: "1", ...environment },
      stdio: ["ignore", "pipe", log === undefined ? "inherit" : "pipe"],
    },
  );
  child.stderr?.on("data", (chunk: Uint8Array) => log?.(new TextDecoder().decode(chunk)));
  const ended = new Promise<void>((done) => child.on("exit", () => done()));
  const address = await new Promise<string>((done, fail) => {
    let out = "";
    child.stdout!.on("data", (chunk: Uint8Array) => {
      out = (out + new TextDecoder().decode(chunk)).slice(-LOG_CHARACTERS);
      const line = /^\{"event":.*\}$/m.exec(out);
      if (line) done((JSON.parse(line[0]) as { address?: string }).address?.replace("localhost", "127.0.0.1") ?? "");
    });
    ended.then(() => fail(new Error(`culprit ${verb.join(" ")} ended with ${child.exitCode ?? child.signalCode}`)));
  });
  return {
    child,
    pid: child.pid!,
    address,
    ended,
    stop: async () => {
      const force = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      child.kill("SIGTERM");
      await ended;
      clearTimeout(force);
    },
  };
}

/** A field of /proc/PID/status that is counted in kB, in bytes: VmRSS is resident memory now, VmHWM at its largest. */
export async function memoryOf(pid: number, field: "VmRSS" | "VmHWM"): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1] ?? NaN) * 1024;
}
