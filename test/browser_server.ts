/** The real server as people start it: a process of its own with an empty home folder, asked over HTTP. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { ROOT } from "../server/base/settings.ts";

export interface RunningServer {
  readonly address: string;
  /** Asks the API. Throws with the server's words when it answers with errors. */
  query<Data>(document: string, variables?: Readonly<Record<string, unknown>>): Promise<Data>;
  stop(): Promise<void>;
}

const READY_MS = 150_000;
const STOP_MS = 20_000;

/**
 * Starts the server, with more settings where they are given, and waits until it is ready to work. Throws with its last
 * words when it ends before.
 */
export async function startServerProcess(settings: Readonly<Record<string, string>> = {}): Promise<RunningServer> {
  const home = mkdtempSync(join(tmpdir(), "culprit-browser-"));
  // Under root the database runs as another user, who must be able to enter.
  chmodSync(home, 0o755);
  const { DATABASE_URL: _database, CULPRIT_TOKENS: _tokens, ...environment } = process.env;
  const child = spawn(
    process.execPath,
    ["run", "-A", "--quiet", "--config", join(ROOT, "deno.json"), join(ROOT, "server", "cli.ts"), "serve", "--json"],
    {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...environment,
        CULPRIT_HOME: home,
        PORT: "0",
        HOST: "127.0.0.1",
        DENO_NO_UPDATE_CHECK: "1",
        ...settings,
      },
    },
  );
  let words = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Uint8Array) => words = (words + new TextDecoder().decode(chunk)).slice(-4000));
  }
  const stop = async () => {
    await end(child);
    rmSync(home, { recursive: true, force: true });
  };
  try {
    const address = await addressOf(child);
    await waitUntilReady(address, child);
    return { address, query: (document, variables = {}) => ask(address, document, variables), stop };
  } catch (error) {
    await stop();
    throw new Error(`${(error as Error).message}; the server said:\n${words}`);
  }
}

/** The address in the first line that it writes: a port that we chose could be another's by the time it is opened. */
function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: child.stdout! });
    lines.once("line", (line) => resolve((JSON.parse(line) as { readonly address: string }).address));
    child.once("exit", () => reject(new Error("The server ended while starting")));
  });
}

async function waitUntilReady(address: string, child: ChildProcess): Promise<void> {
  const end = Date.now() + READY_MS;
  while (Date.now() < end) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error("The server ended while starting");
    const status = await fetch(`${address}/ready`).then(async (response) => {
      await response.body?.cancel();
      return response.status;
    }, () => 0);
    if (status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`The server was not ready after ${READY_MS / 1000} s`);
}

async function ask<Data>(address: string, query: string, variables: object): Promise<Data> {
  const response = await fetch(`${address}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json() as { data: Data; errors?: readonly { message: string }[] };
  if (errors !== undefined) throw new Error(errors.map(({ message }) => message).join("; "));
  return data;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  await ended;
  clearTimeout(timer);
}
