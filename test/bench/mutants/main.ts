/**
 * Which test fails when a kernel's numbers are off: each store of each kernel is made wrong by itself, and the tests that
 * use the kernel are run on it. `deno run -A test/bench/mutants/main.ts [ARGUMENTS]` runs the tests of gpu/kernels, or
 * what Vitest is told, and writes mutants.md; what other runs noticed stays in it. Says which stores no test noticed, and
 * ends with 1 where there are some.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { kernelNames, kernelText, storesOf } from "./stores.ts";
import { type MutantRow, readMutantTable, UNREACHED, writeMutantTable } from "./table.ts";

const ROOT = join(import.meta.dirname!, "../../..");
const TABLE = join(import.meta.dirname!, "mutants.md");

const folder = mkdtempSync(join(tmpdir(), "culprit-mutants-"));
const report = join(folder, "noticed.jsonl");
writeFileSync(report, "");
const asked = process.argv.slice(2);
spawnSync(process.execPath, [
  ...["run", "-A", join(ROOT, "node_modules/vitest/vitest.mjs"), "run"],
  ...["--config", "test/bench/mutants/vitest.config.ts", ...asked.length === 0 ? ["gpu/kernels/"] : asked],
], { cwd: ROOT, stdio: "inherit", env: { ...process.env, CULPRIT_MUTANT_REPORT: report } });
const before = existsSync(TABLE) ? readMutantTable(readFileSync(TABLE, "utf8")) : [];
const now = readFileSync(report, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line) as MutantRow);
rmSync(folder, { recursive: true });
const rows: MutantRow[] = [];
const unnoticed: string[] = [];
for (const kernel of kernelNames().filter((name) => !UNREACHED.has(name))) {
  for (const store of storesOf(kernelText(kernel)).keys()) {
    const row = [...now, ...before].find((one) => one.kernel === kernel && one.store === store);
    if (row) rows.push(row);
    else unnoticed.push(`${kernel} ${store}`);
  }
}
writeFileSync(TABLE, writeMutantTable(rows));
for (const one of unnoticed) console.log(`unnoticed: ${one}`);
process.exit(unnoticed.length > 0 ? 1 : 0);
