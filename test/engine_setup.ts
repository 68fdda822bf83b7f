/**
 * The engine's own tests run with Dawn's clamps around each index of a buffer. All others run as users do: both give the
 * same numbers.
 */
import { expect } from "vitest";

// No test asks a hub but the one that it opens itself.
Deno.env.set("HF_HUB_OFFLINE", "1");
if (/\/gpu\/.*\.test\.ts$/.test(expect.getState().testPath ?? "")) Deno.env.set("CULPRIT_ROBUST", "on");
