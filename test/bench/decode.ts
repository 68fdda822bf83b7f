/**
 * Greedy decoding of the same prompts by the engine and by transformers, taking turns on the same cores:
 *
 *   npm run --silent bench:decode -- MODEL FOLDER [--prompts 32] [--tokens 24] [--rounds 1]
 *
 * MODEL is what the engine loads (GGUF or a folder), FOLDER what transformers does, of the same model. Prompts are ids of
 * 8 to 16 tokens. Prints a JSON line: new tokens a second by the clock and by the processor's time (user and system, in
 * which a software adapter computes), medians over rounds; `ratio` is engine / transformers, above 1 the engine is faster.
 * `same` counts sequences whose ids are equal: weights in blocks and bf16 differ, so not all need to be.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { InputError, openEngine } from "../../gpu/mod.ts";
import { machineName, median, oneMinuteLoad } from "./measurement.ts";
import { openPython } from "./python.ts";

interface Completed {
  readonly ids: readonly (readonly number[])[];
  readonly seconds: number;
  readonly processorSeconds: number;
}

const SHORTEST = 8;
const LENGTHS = 9;

async function main(args: readonly string[]): Promise<void> {
  const { values, positionals: [path, folder] } = parseArgs({
    args: [...args],
    options: {
      prompts: { type: "string", default: "32" },
      tokens: { type: "string", default: "24" },
      rounds: { type: "string", default: "1" },
    },
    allowPositionals: true,
  });
  if (!path || !folder) throw new InputError("needs a model and its folder", "bench:decode", "give both paths");
  const engine = await openEngine();
  const model = await engine.loadModel(path);
  const reference = await openPython("decode_reference.py", ["--model", folder]);
  const { vocabulary } = model.config;
  const maxTokens = Number(values.tokens);
  const prompts = Array.from(
    { length: Number(values.prompts) },
    (_, index) =>
      Array.from(
        { length: SHORTEST + (7 * index) % LENGTHS },
        (_, at) => 100 + (index * 7919 + at * 104_729) % (vocabulary - 100),
      ),
  );
  const ours = async (): Promise<Completed> => {
    const before = process.cpuUsage();
    const start = performance.now();
    const results = await model.generate(prompts.map((inputIds) => ({ inputIds, maxTokens })));
    const { user, system } = process.cpuUsage(before);
    const seconds = (performance.now() - start) / 1000;
    return { ids: results.map(({ ids }) => ids), seconds, processorSeconds: (user + system) / 1e6 };
  };
  const theirs = () => reference.ask<Completed>({ prompts, maxTokens });
  // Once to warm up: kernels are compiled, memory is touched.
  await ours();
  const first = await theirs();
  const own: Completed[] = [];
  const other: Completed[] = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    if (round % 2 === 0) own.push(await ours());
    other.push(await theirs());
    if (round % 2 === 1) own.push(await ours());
  }
  await reference.close();
  const rate = (runs: readonly Completed[], of: "seconds" | "processorSeconds") =>
    median(runs.map((run) => run.ids.flat().length / run[of]));
  const rates = (of: "seconds" | "processorSeconds") => {
    const [engineRate, referenceRate] = [rate(own, of), rate(other, of)];
    return { engine: engineRate, reference: referenceRate, ratio: engineRate / referenceRate };
  };
  console.log(JSON.stringify({
    name: "decode",
    adapter: engine.adapter.name,
    reference: reference.adapter,
    shape: `${prompts.length} prompts of ${SHORTEST} to ${SHORTEST + LENGTHS - 1} tokens, ${maxTokens} new`,
    clock: rates("seconds"),
    processor: rates("processorSeconds"),
    same: own[0]!.ids.filter((ids, index) => JSON.stringify(ids) === JSON.stringify(first.ids[index])).length,
    rounds: own.length,
    machine: machineName(),
    load: oneMinuteLoad(),
  }));
  engine.close();
}

await main(Deno.args);
Deno.exit(0);
