/**
 * Long tests, each a program of its own:
 *
 *   npm run soak                      all of them
 *   npm run soak -- engine --requests 500
 *   npm run soak -- import --bytes 1000000000
 *
 * Exits with 1 when one of them does not hold.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { WORKER_ENVIRONMENT, WORKER_FLAGS } from "../../server/deno_binary.mjs";

const PARTS = [
  "engine",
  "import",
  "upload",
  "fuzz",
  "grammar",
  "solutions",
  "cheats",
  "shapes",
  "faults",
  "away",
  "clock",
  "load",
] as const;

const [first, ...rest] = Deno.args;
const named = PARTS.find((part) => part === first);
if (first !== undefined && named === undefined && !first.startsWith("--")) {
  console.error(`${first}: there is no such part; give one of: ${PARTS.join(", ")}`);
  Deno.exit(2);
}
// Options without a part are the engine's, as they always were.
const chosen = named !== undefined ? [named] : first === undefined ? PARTS : ["engine"];
const options = named !== undefined ? rest : Deno.args;
let failed = false;
for (const part of chosen) {
  const program = join(import.meta.dirname as string, `${part}.ts`);
  // The engine's part stands for a worker.
  const flags = part === "engine" ? WORKER_FLAGS : [];
  const env = part === "engine" ? { ...Deno.env.toObject(), ...WORKER_ENVIRONMENT } : Deno.env.toObject();
  const { status } = spawnSync(Deno.execPath(), ["run", "-A", ...flags, program, ...options], {
    stdio: "inherit",
    env,
  });
  failed ||= status !== 0;
}
Deno.exit(failed ? 1 : 0);
