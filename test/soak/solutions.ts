/**
 * All 164 canonical solutions of HumanEval pass in the sandbox, each in an interpreter of its own.
 *
 *   npm run soak -- solutions
 *
 * Prints a JSON line with what it saw, and exits with 1 when one does not pass.
 */
import { failingSolutions, PROBLEMS } from "../canonical_solutions.ts";

const started = performance.now();
const failing = await failingSolutions(PROBLEMS);
const faults = failing.map(({ task, verdict }) => `${task}: ${verdict.reason}`);
const holds = faults.length === 0 && PROBLEMS.length === 164;
const seconds = Math.round((performance.now() - started) / 1000);
console.log(JSON.stringify({ part: "solutions", solutions: PROBLEMS.length, seconds, faults, holds }));
Deno.exit(holds ? 0 : 1);
