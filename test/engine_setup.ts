/**
 * The engine's own tests run with Dawn's clamps around each index of a buffer. All others run as users do: both give the
 * same numbers.
 */
import { expect } from "vitest";

const path = expect.getState().testPath ?? "";
// No test asks a hub but the one that it opens itself.
Deno.env.set("HF_HUB_OFFLINE", "1");
if (/\/gpu\/.*\.test\.ts$/.test(path)) Deno.env.set("CULPRIT_ROBUST", "on");
// Tuning takes longer than all that is computed then, and changes no number; its own test says so.
if (!/\/autotune\.test\.ts$/.test(path)) Deno.env.set("CULPRIT_AUTOTUNE", "off");
