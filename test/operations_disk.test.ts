/**
 * A disk that is full: said clearly, nothing lost, and work goes on when there is room again. Home and database lie on a
 * file system of their own in memory, which only root may make: skipped elsewhere.
 */
import { spawnSync } from "node:child_process";
import { closeSync, openSync, statfsSync, writeSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { failureCases, jobs } from "../schema/tables/tables.ts";
import { startServer } from "../server/serve.ts";
import { readSettings, ROOT } from "../server/base/settings.ts";

const folder = await mkdtemp(join(tmpdir(), "culprit-disk-"));
const home = join(folder, "home");
await mkdir(home);
const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=192m", "culprit-test", home]).status === 0;
afterAll(async () => {
  if (mounted) spawnSync("umount", ["-l", home]);
  await rm(folder, { recursive: true, force: true });
});

/** Room that is left, in bytes. */
function room(): number {
  const { bavail, bsize } = statfsSync(home);
  return bavail * bsize;
}

/** Takes all room but so much. */
function fill(left: number): void {
  const file = openSync(join(home, "ballast"), "w");
  const block = new Uint8Array(1 << 16);
  while (room() > left + block.length) writeSync(file, block);
  closeSync(file);
}

const CASES = 1200;

test.skipIf(!mounted)("a full disk is said to be, changes nothing, and work goes on when there is room", async () => {
  const files = join(folder, "files");
  await mkdir(files);
  const settings = { ...readSettings({ PORT: "0", CULPRIT_MODELS: `models:${files}` }), home };
  const server = await startServer(settings, { worker: false });
  const { connection: { db }, services, address } = server;
  try {
    await services.addModel({ directory: "models/demo-1m", name: undefined });
    const text = await readFile(join(ROOT, "models", "demo-1m", "failure-cases.jsonl"), "utf8");
    const lines = text.trim().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
    const many = Array.from(
      { length: CASES },
      (_, index) => ({ ...lines[index % lines.length]!, key: `case/${index}` }),
    );
    const path = join(files, "many.jsonl");
    await writeFile(path, many.map((line) => JSON.stringify(line)).join("\n"));
    fill(300_000);

    const upload = await fetch(`${address}/imports?from=culprit&name=large.jsonl`, {
      method: "POST",
      headers: { "x-requested-with": "test" },
      body: new Uint8Array(2_000_000).fill(32),
    });
    expect(upload.status).toBe(503);
    expect((await upload.json()).errors[0]).toMatchObject({
      message: "The disk is full; nothing was changed. Make room and ask again",
      extensions: { code: "DISK_FULL" },
    });
    expect(await readdir(join(home, "uploads"))).toEqual([]);

    await services.importFailureCases({
      file: undefined,
      path,
      idempotencyKey: undefined,
      choices: { from: "culprit" },
    });
    // Longer than it would take to use up all tries of a task that fails.
    await wait(8000);
    const [waiting] = await db.select().from(jobs);
    expect(["queued", "running"]).toContain(waiting!.status);
    expect(await db.$count(failureCases)).toBeLessThan(CASES);
    expect((await fetch(`${address}/ready`)).status).toBe(200);

    await rm(join(home, "ballast"));
    for (const deadline = Date.now() + 60_000; Date.now() < deadline; await wait(200)) {
      const [job] = await db.select().from(jobs);
      if (!["queued", "running"].includes(job!.status)) break;
    }
    const [job] = await db.select().from(jobs);
    expect(job).toMatchObject({ status: "completed", report: { lines: CASES, inserted: CASES, failedCount: 0 } });
    expect(await db.$count(failureCases)).toBe(CASES);
  } finally {
    await server.stop();
  }
});
