/**
 * Attributes random token ids in a process of its own and prints what it took, for tests of memory:
 *
 *   deno run -A test/attribute_once.ts MODEL TOKENS
 */
import { openEngine } from "../gpu/mod.ts";
import { seededRandom } from "./random.ts";

const [directory = "", tokens = "54"] = Deno.args;
const engine = await openEngine();
const start = performance.now();
const model = await engine.loadModel(directory);
const loadSeconds = (performance.now() - start) / 1000;
const random = seededRandom(54);
const inputIds = Array.from({ length: Number(tokens) }, () => random.integer(0, model.config.vocabulary - 1));
const { nodeRelevance, logitDifference, seconds, adapter } = await model.attribute({
  inputIds,
  target: 1,
  contrast: 2,
  rule: "cplrp",
});
// The process's largest resident memory so far, as the operating system counts it.
const peak = /VmHWM:\s+(\d+) kB/.exec(Deno.readTextFileSync("/proc/self/status"))?.[1];
console.log(JSON.stringify({
  adapter,
  loadSeconds,
  seconds,
  logitDifference,
  layerSums: Array.from(
    { length: model.config.layers + 1 },
    (_, layer) =>
      nodeRelevance.subarray(layer * inputIds.length, (layer + 1) * inputIds.length).reduce(
        (sum, value) => sum + value,
        0,
      ),
  ),
  largest: nodeRelevance.reduce((most, value) => Math.max(most, Math.abs(value)), 0),
  peakBytes: Number(peak) * 1024,
}));
engine.close();
Deno.exit(0);
