/**
 * Runs one request in a process of its own and prints its result and what it took, for tests of memory:
 *
 *   deno run -A test/attribute_once.ts MODEL REQUEST.json
 */
import { openEngine } from "../gpu/mod.ts";

const [directory = "", path = ""] = Deno.args;
const requests = JSON.parse(Deno.readTextFileSync(path));
const engine = await openEngine();
const start = performance.now();
const model = await engine.loadModel(directory);
const loadSeconds = (performance.now() - start) / 1000;
const results = [];
for (const request of requests) {
  const { nodeRelevance, logitDifference, target, contrast, seconds, transitions } = await model.graph(request);
  const edges = transitions.map(({ source, edges: { sources, targets, weights } }) => ({
    source,
    edges: Array.from(weights, (weight, index) => [sources[index], targets[index], weight]),
  }));
  results.push({ nodeRelevance: [...nodeRelevance], logitDifference, target, contrast, seconds, transitions: edges });
}
// The process's largest resident memory so far, as the operating system counts it.
const peak = /VmHWM:\s+(\d+) kB/.exec(Deno.readTextFileSync("/proc/self/status"))?.[1];
console.log(JSON.stringify({ adapter: engine.adapter.name, loadSeconds, results, peakBytes: Number(peak) * 1024 }));
engine.close();
Deno.exit(0);
