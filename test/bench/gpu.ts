/**
 * What the engine is held to on an NVIDIA GPU, in one command: each ratio beside the one that is wanted.
 *
 *   npm run bench:gpu -- [--quick] [--adapter NAME] [--only matmul,attribution,pack,graph,decode,long]
 *
 * Prints a JSON line for each. PYTHON names the Python that has torch (with CUDA), transformers and lxt. With --quick
 * everything is tiny and the reference runs where it can: that tests this file, and its ratios say nothing.
 */
import { parseArgs } from "node:util";
import type { Device } from "../../gpu/device/device.ts";
import { openDevice } from "../../gpu/device/dawn.ts";
import type { LoadedModel } from "../../gpu/engine.ts";
import { InputError } from "../../gpu/errors.ts";
import { loadModel } from "../../gpu/loaded_model.ts";
import { parseConfig } from "../../gpu/model/config.ts";
import { blockMatrices, prepareWeightProduct } from "./kernels.ts";
import { machineName, time, watchMemory } from "./measurement.ts";
import { type Case, FULL_CONFIG, QUICK_CONFIG, randomCase, randomModel } from "./models.ts";
import { matmulOperations } from "./operations.ts";
import { openReference, type Reference, type Run } from "./python.ts";
import { attributionCost, CHIPS, type Cost, decodingCost, leastSeconds } from "./roofline.ts";

const GROUPS = ["matmul", "attribution", "pack", "graph", "decode", "long"] as const;
const RULE = "attnlrp";
const SHORT_TOKENS = 54;
const BATCH = 16;
/** Bytes of a weight of the random models. */
const BF16 = 2;
const GIB = 2 ** 30;

interface Setting {
  readonly device: Device;
  readonly quick: boolean;
  readonly only: ReadonlySet<string>;
}

function print(device: Device, line: Readonly<Record<string, unknown>>): void {
  console.log(JSON.stringify({ ...line, adapter: device.info.name, machine: machineName() }));
}

/** What roofline.ts says of an operation, where the adapter's name is that of a chip it knows. */
function byModel({ info }: Device, cost: Cost, seconds: number) {
  const chip = CHIPS.find(({ name }) => info.name.includes(name));
  if (!chip) return {};
  const least = leastSeconds(chip, cost, "f32").seconds;
  return { leastSeconds: least, timesLeast: seconds / least };
}

/** Products of 2,048 rows with a block's largest matrix, against torch in float32 without TF32 and in bf16. */
async function compareProducts({ device, quick }: Setting, places: readonly Reference[]): Promise<void> {
  const rows = quick ? 64 : 2048;
  const weight = blockMatrices(parseConfig(quick ? QUICK_CONFIG : FULL_CONFIG, "bench"))
    .reduce((most, one) => one.input * one.output > most.input * most.output ? one : most);
  for (const [type, dtype, wanted] of [["f32", "float32", 0.6], ["bf16", "bfloat16", 0.5]] as const) {
    const prepared = prepareWeightProduct(device, { mode: "nt", type, rows, weight });
    const { seconds } = await time(prepared.run, 10, true);
    prepared.free();
    const [reference] = places;
    if (!reference) return;
    const request = { name: "matmul", rows, columns: weight.output, inner: weight.input, dtype };
    const theirs = await reference.ask<{ seconds: number }>(request);
    const gflops = matmulOperations(rows, weight.output, weight.input) / 1e9;
    print(device, {
      name: `matmul ${type}`,
      shape: `${rows} rows x ${weight.input}x${weight.output}, torch ${dtype}`,
      gflops: gflops / seconds,
      referenceGflops: gflops / theirs.seconds,
      ratio: theirs.seconds / seconds,
      wanted: `at least ${wanted}`,
      holds: theirs.seconds / seconds >= wanted,
    });
  }
}

/** One attribution against LXT, and 32 packed ones against its throughput. */
async function compareAttributions(setting: Setting, model: LoadedModel, places: readonly Reference[]): Promise<void> {
  const { device, only } = setting;
  const cases = Array.from({ length: 32 }, (_, index) => randomCase(model.config, SHORT_TOKENS, SHORT_TOKENS + index));
  const requests = cases.map((one) => ({ ...one, rule: RULE } as const));
  for (const reference of places) {
    const runs: number[] = [];
    for (let run = 0; run < 6; run++) runs.push((await reference.ask<Run>({ name: "attribution" })).seconds);
    const theirs = Math.min(...runs.slice(1));
    if (only.has("attribution")) {
      const { seconds } = await time(() => model.attribute(requests[0] as typeof requests[number]), 10);
      print(device, {
        name: "attribution",
        shape: `${SHORT_TOKENS} tokens against ${reference.adapter}`,
        seconds,
        ...byModel(device, attributionCost(model.config, SHORT_TOKENS, BF16), seconds),
        referenceSeconds: theirs,
        ratio: seconds / theirs,
        wanted: "at most 1 against bfloat16",
        holds: seconds <= theirs,
      });
    }
    if (only.has("pack")) {
      const { seconds } = await time(() => model.attributeMany(requests), 5);
      print(device, {
        name: "pack",
        shape: `${requests.length} cases of ${SHORT_TOKENS} tokens against ${reference.adapter}, one after the other`,
        seconds,
        ...byModel(device, attributionCost(model.config, SHORT_TOKENS, BF16, requests.length), seconds),
        referenceSeconds: requests.length * theirs,
        ratio: requests.length * theirs / seconds,
        wanted: "at least 8",
        holds: requests.length * theirs >= 8 * seconds,
      });
    }
  }
}

/** The whole graph of a long prompt against the packed reference; one run each after the engine's first. */
async function compareGraph({ device, quick }: Setting, model: LoadedModel, directory: string): Promise<void> {
  const one = randomCase(model.config, quick ? 40 : 1508);
  const layers = Array.from({ length: model.config.layers + 1 }, (_, layer) => layer);
  const work = () => model.graph({ ...one, rule: RULE, minRelevance: 0 });
  const { seconds } = await time(work, 3);
  await withReference(directory, one, undefined, async (reference) => {
    const theirs = (await reference.ask<Run>({ name: "graph", layers, minRelevance: 0 })).seconds;
    print(device, {
      name: "graph",
      shape: `${one.inputIds.length} tokens, all targets, against ${reference.adapter}, batches of ${BATCH}`,
      seconds,
      ...byModel(device, attributionCost(model.config, one.inputIds.length, BF16), seconds),
      referenceSeconds: theirs,
      ratio: theirs / seconds,
      wanted: "at least 50",
      holds: theirs >= 50 * seconds,
    });
  });
}

/** Greedy decoding of 32 prompts, prompts included. A step's least time is that of the middle of the completions. */
async function measureDecoding({ device, quick }: Setting, model: LoadedModel): Promise<void> {
  const maxTokens = quick ? 4 : 64;
  const requests = Array.from(
    { length: 32 },
    (_, index) => ({ inputIds: randomCase(model.config, SHORT_TOKENS, index).inputIds, maxTokens }),
  );
  let tokens = 0;
  const { seconds } = await time(async () => {
    tokens = (await model.generate(requests)).reduce((sum, { ids }) => sum + ids.length, 0);
  }, 3);
  const step = decodingCost(model.config, requests.length, SHORT_TOKENS + maxTokens / 2, BF16);
  print(device, {
    name: "decode",
    shape: `${requests.length} prompts of ${SHORT_TOKENS} tokens, ${maxTokens} new ones each`,
    seconds,
    tokensPerSecond: tokens / seconds,
    ...byModel(device, { operations: maxTokens * step.operations, bytes: maxTokens * step.bytes }, seconds),
  });
}

/** Qwen3-4B's shape at 12,374 tokens: attribution and pruned graph within 24 GB of GPU memory. */
async function measureLong({ device, quick }: Setting): Promise<void> {
  const { device: watched, peak } = watchMemory(device);
  const model = await loadModel(watched, randomModel(quick ? "quick-random" : "qwen3-4b-random"));
  const one = randomCase(model.config, quick ? 300 : 12_374);
  for (const name of ["attribution", "graph"] as const) {
    peak.reset();
    const memory = watchNvidia();
    const start = performance.now();
    if (name === "graph") await model.graph({ ...one, rule: RULE });
    else await model.attribute({ ...one, rule: RULE });
    const seconds = (performance.now() - start) / 1000;
    const nvidiaBytes = await memory.stop();
    print(device, {
      name: `long ${name}`,
      shape: `${one.inputIds.length} tokens, ${quick ? "tiny model" : "Qwen3-4B's shape"}`,
      seconds,
      ...byModel(device, attributionCost(model.config, one.inputIds.length, BF16), seconds),
      peakBytes: peak.read(),
      nvidiaBytes,
      wanted: "at most 24 GB in nvidia-smi, at most 3 times the model's least seconds",
      holds: nvidiaBytes === null ? null : nvidiaBytes <= 24 * GIB,
    });
  }
  model.dispose();
}

/** Largest memory in use on the first GPU as nvidia-smi tells it, asked every half second; null where there is none. */
function watchNvidia(): { stop(): Promise<number | null> } {
  let running = true;
  let most: number | null = null;
  const watching = (async () => {
    while (running) {
      try {
        const { stdout } = await new Deno.Command("nvidia-smi", {
          args: ["--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0"],
        }).output();
        most = Math.max(most ?? 0, Number(new TextDecoder().decode(stdout)) * 2 ** 20);
      } catch {
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  })();
  return {
    async stop() {
      running = false;
      await watching;
      return most;
    },
  };
}

async function withReference(
  model: string,
  one: Case,
  on: string | undefined,
  work: (reference: Reference) => Promise<void>,
): Promise<void> {
  const idsFile = Deno.makeTempFileSync({ suffix: ".json" });
  Deno.writeTextFileSync(
    idsFile,
    JSON.stringify({ input_ids: one.inputIds, target: one.target, contrast: one.contrast }),
  );
  try {
    const reference = await openReference({ model, idsFile, batch: BATCH, on });
    await work(reference);
    await reference.close();
  } finally {
    Deno.removeSync(idsFile);
  }
}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { quick: { type: "boolean", default: false }, adapter: { type: "string" }, only: { type: "string" } },
  });
  const only = new Set(values.only?.split(",") ?? GROUPS);
  const wrong = [...only].find((name) => !(GROUPS as readonly string[]).includes(name));
  if (wrong !== undefined) throw new InputError(`${wrong} is not measured`, "--only", `use ${GROUPS.join(", ")}`);
  const device = await openDevice(values.adapter ?? (values.quick ? undefined : "hardware"));
  const setting: Setting = { device, quick: values.quick, only };
  const directory = randomModel(values.quick ? "quick-random" : "qwen3-0.6b-random");
  const wants = (...names: readonly string[]) => names.some((name) => only.has(name));
  if (wants("matmul", "attribution", "pack", "graph", "decode")) {
    const model = await loadModel(device, directory);
    if (wants("matmul", "attribution", "pack")) {
      await withReference(directory, randomCase(model.config, SHORT_TOKENS), undefined, async (reference) => {
        if (only.has("matmul")) await compareProducts(setting, [reference]);
        if (wants("attribution", "pack")) await compareAttributions(setting, model, [reference]);
      });
    }
    if (only.has("decode")) await measureDecoding(setting, model);
    if (only.has("graph")) await compareGraph(setting, model, directory);
    model.dispose();
  }
  if (only.has("long")) await measureLong(setting);
}

try {
  await main(Deno.args);
  Deno.exit(0);
} catch (error) {
  if (!(error instanceof Error)) throw error;
  const ours = error instanceof InputError || String((error as { code?: string }).code).startsWith("ERR_PARSE_ARGS");
  console.error(ours ? error.message : error);
  Deno.exit(ours ? 2 : 1);
}
