/** Processes that hang, and a home that cannot be written: real processes, real file systems. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../server/base/settings.ts";
import type { WorkedTask } from "../server/jobs/messages.ts";
import { startSupervisor } from "../server/worker/supervisor.ts";
import { testDatabase } from "./database.ts";

const database = testDatabase();
let home = "";
beforeAll(async () => void (home = await mkdtemp(join(tmpdir(), "culprit-crash-"))));
afterAll(() => rm(home, { recursive: true, force: true }));

const LONG = { timeout: 600_000 };
const soon = () => new Promise((go) => setTimeout(go, 50));

test("a process that hangs is ended, what it worked on is blamed, and another one is started", LONG, async () => {
  const records: LogRecord[] = [];
  await configure({
    sinks: { kept: (record) => void records.push(record) },
    loggers: [
      { category: ["culprit"], sinks: ["kept"], lowestLevel: "warning" },
      { category: ["logtape", "meta"], sinks: [] },
    ],
  });
  const falls: (readonly [tasks: readonly WorkedTask[], reason: string])[] = [];
  const supervisor = startSupervisor(database.url, {
    program: { name: "hanging process", file: join("..", "test", "hanging_process.ts"), flags: [], environment: {} },
    mostSilent: 1,
    onFall: (tasks, reason) => Promise.resolve(void falls.push([tasks, reason])),
  });
  try {
    const pids = new Set<number>();
    while (pids.size < 2) {
      const state = supervisor.state();
      if (state.kind === "ready") pids.add(state.pid);
      await soon();
    }
    expect(falls[0]).toEqual([[{ queue: "analyse/test", id: "a", retryCount: 0 }], "it hung for 5 s"]);
    expect(existsSync(`/proc/${[...pids][0]}`)).toBe(false);
    // What else it printed is logged as it stands, and stops nobody.
    const said = records.map(({ properties }) => properties["line"]).filter((line) => line !== undefined);
    expect(said.slice(0, 3)).toEqual(["a line that is no message", "[1]", "null"]);
  } finally {
    await supervisor.stop();
    await reset();
  }
});

/** Whether file systems can be mounted here, for a process alone. */
const mounts = spawnSync("unshare", ["-m", "true"]).status === 0;

test.runIf(mounts)("a home on a file system that is read-only is one line that names the setting", LONG, async () => {
  const folder = join(home, "read-only");
  await mkdir(folder);
  const script = `mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"`;
  const serve = ["run", "-A", "--quiet", "--config", join(ROOT, "deno.json"), join(ROOT, "server", "cli.ts"), "serve"];
  const { status, stdout, stderr } = spawnSync(
    "unshare",
    ["-m", "bash", "-c", script, folder, Deno.execPath(), ...serve],
    { env: { ...process.env, CULPRIT_HOME: folder, DATABASE_URL: "", PORT: "0" } },
  );
  expect({ status, out: stdout.toString(), err: stderr.toString() }).toEqual({
    status: 2,
    out: "",
    err: `CULPRIT_HOME: ${folder} cannot be written (EROFS); name a folder that can be written\n`,
  });
});
