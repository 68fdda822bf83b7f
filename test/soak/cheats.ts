/**
 * All answers that cheat fail in the sandbox, where the gate tries a third of them.
 *
 *   npm run soak -- cheats
 *
 * Prints a JSON line, after what the tests say, and exits with 1 when one of them passes.
 */
import { join } from "node:path";

const root = join(import.meta.dirname as string, "..", "..");
const started = performance.now();
const { code } = await new Deno.Command(Deno.execPath(), {
  args: ["run", "-A", join(root, "node_modules/vitest/vitest.mjs"), "run", "test/cheats.test.ts"],
  cwd: root,
  env: { CULPRIT_CHEATS: "all" },
  stdout: "inherit",
  stderr: "inherit",
}).spawn().status;
const seconds = Math.round((performance.now() - started) / 1000);
console.log(JSON.stringify({ part: "cheats", seconds, holds: code === 0 }));
Deno.exit(code === 0 ? 0 : 1);
