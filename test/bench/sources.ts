/**
 * The same model from several sources (a bf16 folder, GGUF files of other types), taking turns, so that what else the
 * machine does falls on all alike: device bytes of the weights, the least processor time of an attribution and of decoding
 * (a software adapter computes in the process; others get the time of the clock), and how far node relevance is from the
 * first one's.
 *
 *     npm run --silent bench:sources -- MODEL MODEL ... [--rounds 8]
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { type Engine, InputError, type LoadedModel, openEngine } from "../../gpu/mod.ts";
import { relativeError } from "../compare.ts";

const TOKENS = 64;
const PROMPT = 8;
const NEW_TOKENS = 24;

interface Source {
  readonly path: string;
  readonly model: LoadedModel;
  readonly weightBytes: number;
  attribution: number;
  decode: number;
  relevance: Float32Array;
}

async function seconds(engine: Engine, work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  const start = performance.now();
  await work();
  const { user, system } = process.cpuUsage(before);
  return engine.adapter.kind === "hardware" ? (performance.now() - start) / 1000 : (user + system) / 1e6;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { rounds: { type: "string", default: "8" } },
    allowPositionals: true,
  });
  if (positionals.length < 2) throw new InputError("needs two models or more", "bench:sources", "give their paths");
  const engine = await openEngine();
  const sources: Source[] = [];
  for (const path of positionals) {
    const before = engine.gpuBytes();
    const model = await engine.loadModel(path);
    const weightBytes = engine.gpuBytes() - before;
    sources.push({ path, model, weightBytes, attribution: Infinity, decode: Infinity, relevance: new Float32Array() });
  }
  const { vocabulary } = sources[0]!.model.config;
  const inputIds = Array.from({ length: TOKENS }, (_, i) => (i * 7919 + 13) % vocabulary);
  // The first round compiles and counts for nothing.
  for (let round = 0; round <= Number(values.rounds); round++) {
    for (const source of sources) {
      const attribution = await seconds(engine, async () => {
        const request = { inputIds, target: 10, contrast: 20, rule: "attnlrp" } as const;
        source.relevance = (await source.model.attribute(request)).nodeRelevance;
      });
      const decode = await seconds(
        engine,
        () => source.model.generate([{ inputIds: inputIds.slice(0, PROMPT), maxTokens: NEW_TOKENS }]),
      );
      if (round === 0) continue;
      source.attribution = Math.min(source.attribution, attribution);
      source.decode = Math.min(source.decode, decode);
    }
  }
  for (const { path, weightBytes, attribution, decode, relevance } of sources) {
    const difference = relativeError(relevance, sources[0]!.relevance);
    console.log(JSON.stringify({ adapter: engine.adapter.name, path, weightBytes, attribution, decode, difference }));
  }
  engine.close();
}

await main();
Deno.exit(0);
