import { spawnSync } from "node:child_process";
import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../server/base/settings.ts";

test("the migrations lead to the tables of schema/tables/*tables.ts", async () => {
  const folder = await mkdtemp(join(tmpdir(), "culprit-migrations-"));
  try {
    await cp(join(ROOT, "migrations"), folder, { recursive: true });
    const { stdout, stderr, status } = spawnSync("node", [
      join("node_modules", "drizzle-kit", "bin.cjs"),
      "generate",
      "--dialect=postgresql",
      "--schema=schema/tables/*tables.ts",
      `--out=${folder}`,
    ], { cwd: ROOT, encoding: "utf8" });
    expect(status, `${stdout}${stderr}`).toBe(0);
    expect(await readdir(folder), "run: npm run migration").toEqual(await readdir(join(ROOT, "migrations")));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
