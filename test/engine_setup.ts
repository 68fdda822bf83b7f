/**
 * The engine's own tests run with Dawn's clamps around each index of a buffer. All others run as users do: both give the
 * same numbers.
 */
import { expect } from "vitest";

if (/\/gpu\/.*\.test\.ts$/.test(expect.getState().testPath ?? "")) Deno.env.set("CULPRIT_ROBUST", "on");
