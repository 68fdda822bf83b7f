/**
 * The engine's own tests run with Dawn's clamps around each index of a buffer. All others run as users do: both give the
 * same numbers.
 */
import { expect } from "vitest";

const path = expect.getState().testPath ?? "";
/** Files share processes: what the one before had is taken back. */
function have(name: string, value: string, here: boolean): void {
  if (here) Deno.env.set(name, value);
  else Deno.env.delete(name);
}
// No test asks a hub but the one that it opens itself.
Deno.env.set("HF_HUB_OFFLINE", "1");
have("CULPRIT_ROBUST", "on", /\/gpu\/.*\.test\.ts$/.test(path));
// Tuning takes longer than all that is computed then, and changes no number; its own test says so.
have("CULPRIT_AUTOTUNE", "off", !/\/autotune\.test\.ts$/.test(path));
