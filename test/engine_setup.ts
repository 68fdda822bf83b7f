/**
 * The engine's own tests run with Dawn's clamps around each index of a buffer, and with freed buffers kept for reuse as on
 * hardware. All others run as users do: both give the same numbers.
 */
import { expect } from "vitest";

if (/\/gpu\/.*\.test\.ts$/.test(expect.getState().testPath ?? "")) {
  Deno.env.set("CULPRIT_ROBUST", "on");
  Deno.env.set("CULPRIT_KEEP", "on");
}
