/**
 * All models of test/real_shapes.ts, real shapes with random weights, equal transformers.
 *
 *   npm run soak -- shapes
 *
 * Prints a JSON line with the largest error of each, and exits with 1 when one is 1e-3 or more.
 */
import { allOf, beyond, runRealShape, shapeErrors } from "../real_shape_errors.ts";
import { LONG, REAL_SHAPES, type RealShape } from "../real_shapes.ts";

const started = performance.now();
const largest: Record<string, number> = {};
const faults: string[] = [];
for (const name of Object.keys(REAL_SHAPES) as RealShape[]) {
  const errors = shapeErrors(name, await runRealShape(name, allOf(LONG)));
  largest[name] = Math.max(...Object.values(errors));
  faults.push(...beyond(errors, 1e-3).map((fault) => `${name}: ${fault}`));
  console.error(JSON.stringify({ name, error: largest[name] }));
}
const holds = faults.length === 0;
const seconds = Math.round((performance.now() - started) / 1000);
console.log(JSON.stringify({ part: "shapes", seconds, largest, faults, holds }));
Deno.exit(holds ? 0 : 1);
