/**
 * Runs each test as it is, then again with one store wrong of each kernel that it used, as long as no test has noticed
 * that store, then as it is: a test that still failed then would have noticed something else.
 */
import { appendFileSync } from "node:fs";
import { basename } from "node:path";
import { type RunnerTestCase, TestRunner } from "vitest";
import { mutantState } from "./state.ts";
import { kernelText, storesOf } from "./stores.ts";
import type { MutantRow } from "./table.ts";

const state = mutantState();
const noticed = new Set<string>();

export default class MutantRunner extends TestRunner {
  async runTask(test: RunnerTestCase): Promise<void> {
    const run = TestRunner.getTestFn(test);
    state.used.clear();
    await run();
    const found: MutantRow[] = [];
    for (const kernel of [...state.used].sort()) {
      for (const store of storesOf(kernelText(kernel)).keys()) {
        if (noticed.has(`${kernel} ${store}`)) continue;
        state.mutant = { kernel, store };
        try {
          await run();
        } catch {
          found.push({ kernel, store, test: `${basename(test.file.filepath)}: ${test.fullTestName}` });
        }
      }
    }
    state.mutant = undefined;
    if (found.length === 0) return;
    await run();
    for (const row of found) {
      noticed.add(`${row.kernel} ${row.store}`);
      appendFileSync(Deno.env.get("CULPRIT_MUTANT_REPORT")!, `${JSON.stringify(row)}\n`);
    }
  }
}
