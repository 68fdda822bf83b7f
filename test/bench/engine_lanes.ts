/**
 * How long an attribution that a person waits for takes in the engine while a batch runs, without queue, server and
 * database: what of `bench:lanes` is the engine's.
 *
 *   deno run -A test/bench/engine_lanes.ts [--pack 32] [--waits 24] [MODEL]
 *
 * Prints a JSON line: medians and the longest in milliseconds, idle and beside packs of `--pack` attributions of 45
 * tokens each, and how many of these were done in a second. The person's work is what a heatmap of a typed prompt is: an
 * attribution, logits, and questions to a database between them, which here are pauses; `hurried`: all of it in a hurry.
 */
import { basename, join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { openEngine } from "../../gpu/mod.ts";
import { machineName, oneMinuteLoad } from "./measurement.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { pack: { type: "string", default: "32" }, waits: { type: "string", default: "24" } },
});
/** Pauses between two calls of the person, in milliseconds. */
const PAUSE_MS = [300, 800] as const;
/** Ids that every tokenizer has. */
const VOCABULARY = 1500;

const request = (tokens: number, seed: number) => ({
  inputIds: Array.from({ length: tokens }, (_, at) => 20 + (at * 37 + seed * 101) % VOCABULARY),
  target: 40,
  contrast: 30,
  rule: "attnlrp" as const,
});
const [pack, waits] = [Number(values.pack), Number(values.waits)];
const batch = Array.from({ length: pack }, (_, seed) => request(45, seed));

const engine = await openEngine();
const directory = positionals[0] ?? join("models", "demo-1m");
const model = await engine.loadModel(directory);

/** Questions to a database before, between and after what is computed, and how long each takes idle, in milliseconds. */
const QUESTIONS = [8, 2, 10] as const;
const QUESTION_MS = 2;

async function explain(): Promise<void> {
  const ask = async (count: number) => {
    for (let at = 0; at < count; at++) await new Promise((done) => setTimeout(done, QUESTION_MS));
  };
  const [before, between, after] = QUESTIONS;
  const asked = request(28, 999);
  await ask(before);
  await model.attribute(asked, { lane: "interactive" });
  await ask(between);
  await model.logits(asked.inputIds, { lane: "interactive" });
  await ask(after);
}

async function waitOnce(hurry: boolean): Promise<number> {
  const begin = performance.now();
  await (hurry ? engine.hurry(explain) : explain());
  return performance.now() - begin;
}

function summary(times: readonly number[]) {
  const sorted = times.toSorted((a, b) => a - b);
  return { medianMs: Math.round(sorted[Math.floor(sorted.length / 2)]!), longestMs: Math.round(sorted.at(-1)!) };
}

async function waitOften(hurry: boolean): Promise<readonly number[]> {
  const times: number[] = [];
  for (let at = 0; at < waits; at++) {
    const [least, most] = PAUSE_MS;
    await new Promise((done) => setTimeout(done, least + Math.random() * (most - least)));
    times.push(await waitOnce(hurry));
  }
  return times;
}

// Pipelines are compiled.
await model.attributeMany(batch.slice(0, 4));
await waitOnce(false);
const idle = await waitOften(false);
let [going, done] = [true, 0];
const begin = performance.now();
const running = (async () => {
  while (going) done += (await model.attributeMany(batch)).length;
})();
const busy = await waitOften(false);
const hurried = await waitOften(true);
going = false;
await running;
console.log(JSON.stringify({
  name: "engine lanes",
  model: basename(directory),
  pack,
  waits,
  idle: summary(idle),
  busy: summary(busy),
  hurried: summary(hurried),
  batchPerSecond: Number((1000 * done / (performance.now() - begin)).toPrecision(3)),
  adapter: engine.adapter.name,
  load: oneMinuteLoad(),
  machine: machineName(),
}));
engine.close();
process.exit(0);
