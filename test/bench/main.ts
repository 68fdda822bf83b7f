/**
 * Measures kernels, attributions and graphs on one adapter, and prints a JSON line for each:
 *
 *   npm run bench -- [--quick] [--only matmul,attention,...] [--runs N] [--adapter NAME]
 *   npm run bench -- page
 *
 * README.md says what each line means.
 */
import { ENCODINGS, isBlockEncoding } from "../../gpu/model/encodings.ts";
import { parseArgs } from "node:util";
import type { Device } from "../../gpu/device/device.ts";
import { openDevice } from "../../gpu/device/dawn.ts";
import type { AttributionResult, GenerateResult, GraphResult, LoadedModel } from "../../gpu/engine.ts";
import { InputError } from "../../gpu/errors.ts";
import { GRAPH_DEFAULTS } from "../../gpu/explanation/graph.ts";
import { loadModel } from "../../gpu/loaded_model.ts";
import { PANEL, panelBytes } from "../../gpu/kernels/panels.ts";
import { type ModelConfig, parseConfig } from "../../gpu/model/config.ts";
import { blockMatrices, prepareAttention, prepareWeightProduct, type WeightProduct } from "./kernels.ts";
import { machineName, type Measurement, oneMinuteLoad, time, type Timing, watchMemory } from "./measurement.ts";
import {
  type Case,
  DEMO_MODEL,
  demoCase,
  FULL_CONFIG,
  QUICK_CONFIG,
  randomCase,
  randomModel,
  skipLayers,
} from "./models.ts";
import { skipGraphOperations } from "./operations.ts";
import {
  attentionCost,
  attributionCost,
  completionsCost,
  type Cost,
  forwardCost,
  leastSeconds,
  productCost,
} from "./roofline.ts";

const GROUPS = ["matmul", "attention", "forward", "attribution", "pack", "graph", "skip", "decode", "demo"] as const;
type Group = (typeof GROUPS)[number];
/** The groups that need the big model. */
const MODEL_GROUPS: readonly Group[] = ["forward", "attribution", "pack", "graph", "skip", "decode"];

const TOKENS = 54;
const PACKED_CASES = 8;
/** Completions in a batch, and new tokens of each. */
const COMPLETIONS = 4;
const NEW_TOKENS = 16;
/** Products of at least so many rows count for the peak. */
const PEAK_ROWS = 512;
/** Bytes that are copied to find the memory's bandwidth: more than caches hold. */
const COPIED_BYTES = 2 ** 26;
/** Bytes of a weight of the models that are measured. */
const WEIGHT_BYTES = 2;
const RULE = "attnlrp";

interface Settings {
  readonly only: ReadonlySet<Group>;
  readonly runs: number;
  readonly quick: boolean;
  readonly adapter: string | undefined;
}

function readSettings(args: readonly string[]): Settings {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string" },
      runs: { type: "string", default: "5" },
      quick: { type: "boolean", default: false },
      adapter: { type: "string" },
    },
  });
  const only = values.only?.split(",") ?? GROUPS;
  const wrong = only.find((name) => !(GROUPS as readonly string[]).includes(name));
  if (wrong !== undefined) throw new InputError(`${wrong} is not measured`, "--only", `use ${GROUPS.join(", ")}`);
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) {
    throw new InputError(`${values.runs} is no number of runs`, "--runs", "use 1 or more");
  }
  return { only: new Set(only as Group[]), runs, quick: values.quick, adapter: values.adapter };
}

/** What is measured, and with what. */
interface Bench {
  readonly settings: Settings;
  readonly device: Device;
  readonly config: ModelConfig;
  /** Times `work` and gives its measurement; `cost` is asked afterwards, null where nothing is counted. */
  measure(
    name: string,
    shape: string,
    cost: () => Cost | null,
    work: (repeats: number) => Promise<unknown>,
    how?: { readonly repeatable?: boolean; readonly once?: boolean },
  ): Promise<Measurement>;
  print(measurement: Measurement): void;
  /** Best gflops of a product; later measurements are printed with their share of it. */
  peak: number | undefined;
  /** Bytes a second that a copy moves, reading and writing. */
  bandwidth: number | undefined;
}

function openBench(settings: Settings, opened: Device): Bench {
  const { device, peak: memory } = watchMemory(opened);
  const bench: Bench = {
    settings,
    device,
    config: parseConfig(settings.quick ? QUICK_CONFIG : FULL_CONFIG, "bench"),
    async measure(name, shape, cost, work, { repeatable = false, once = false } = {}) {
      console.error(`measuring ${name}, ${shape}`);
      memory.reset();
      const timing = once ? await timeOnce(work) : await time(work, settings.runs, repeatable);
      const counted = cost();
      return {
        name,
        adapter: device.info.name,
        shape,
        ...timing,
        gflops: counted && counted.operations / timing.seconds / 1e9,
        bytes: counted && counted.bytes,
        shareOfRoofline: null,
        shareOfPeak: null,
        peakBytes: memory.read(),
        targets: null,
        machine: machineName(),
        load: oneMinuteLoad(),
      };
    },
    print(measurement) {
      const { gflops } = measurement;
      const shareOfPeak = gflops !== null && bench.peak !== undefined ? gflops / bench.peak : null;
      const shareOfRoofline = round(ofRoofline(bench, measurement));
      const rounded = { ...measurement, gflops: round(gflops), shareOfPeak: round(shareOfPeak), shareOfRoofline };
      console.log(JSON.stringify({
        ...rounded,
        seconds: round(measurement.seconds),
        firstSeconds: round(measurement.firstSeconds),
      }));
    },
    peak: undefined,
    bandwidth: undefined,
  };
  return bench;
}

/** The share of what peak and bandwidth allow; null before they are known and where nothing is counted. */
function ofRoofline({ peak, bandwidth }: Bench, { gflops, bytes, seconds }: Measurement): number | null {
  if (peak === undefined || bandwidth === undefined || gflops === null || bytes === null) return null;
  const f32 = peak * 1e9;
  const chip = { name: "this adapter", bandwidth, f32, matrix: f32, source: "measured" };
  return leastSeconds(chip, { operations: gflops * 1e9 * seconds, bytes }, "f32").seconds / seconds;
}

/** Measures a copy between buffers and sets the bandwidth. */
async function measureCopy(bench: Bench): Promise<void> {
  const { device } = bench;
  const [from, to] = ["from", "to"].map((label) => device.allocate(COPIED_BYTES, `copied ${label}`)) as [
    GPUBuffer,
    GPUBuffer,
  ];
  const work = async (repeats: number) => {
    for (let repeat = 0; repeat < repeats; repeat++) device.copy(from, 0, to, 0, COPIED_BYTES);
    await device.flush();
  };
  const cost = () => ({ operations: 0, bytes: 2 * COPIED_BYTES });
  const measured = await bench.measure("copy", `${COPIED_BYTES / 2 ** 20} MiB`, cost, work, { repeatable: true });
  bench.bandwidth = 2 * COPIED_BYTES / measured.seconds;
  [from, to].forEach((buffer) => device.free(buffer));
  bench.print(measured);
}

/** Four digits are more than a shared machine repeats. */
const round = (value: number | null) => value === null ? null : Number(value.toPrecision(4));

async function timeOnce(work: (repeats: number) => Promise<unknown>): Promise<Timing> {
  const start = performance.now();
  await work(1);
  const seconds = (performance.now() - start) / 1000;
  return { seconds, firstSeconds: seconds, runs: 1 };
}

/** How weights are stored that are timed. */
const WEIGHT_TYPES = ["f32", "bf16", "Q8_0", "Q4_1"] as const;

/** Measures products and sets the peak. All of a block's, or where they aren't asked for the largest few. */
async function measureProducts(bench: Bench): Promise<void> {
  const { settings, device, config } = bench;
  const all = settings.only.has("matmul");
  const rowCounts = [...(all ? [1] : []), TOKENS, PEAK_ROWS, ...device.info.kind === "hardware" ? [4 * PEAK_ROWS] : []];
  const matrices = blockMatrices(config);
  const products: WeightProduct[] = rowCounts.flatMap((rows) =>
    matrices.flatMap((weight) =>
      (["nt", "nn"] as const).flatMap((mode) => WEIGHT_TYPES.map((type) => ({ mode, type, rows, weight })))
    )
  ).filter(({ rows, weight, type }) =>
    (all || (rows >= PEAK_ROWS && weight.name === "gate,up")) &&
    (!isBlockEncoding(type) || weight.input % ENCODINGS[type].elements === 0)
  );

  const measured: Measurement[] = [];
  for (const product of products) {
    const { mode, type, rows, weight: { name, input, output } } = product;
    const shape = `${rows} rows x ${input}x${output} (${name}), ${mode}, ${type}`;
    const prepared = prepareWeightProduct(device, product);
    const cost = () => productCost(rows, output, input, panelBytes(PANEL, input, type) / (PANEL * input));
    measured.push(await bench.measure("matmul", shape, cost, prepared.run, { repeatable: true }));
    prepared.free();
  }
  const best = measured.filter((_, index) => (products[index] as WeightProduct).rows >= PEAK_ROWS)
    .sort((a, b) => (b.gflops as number) - (a.gflops as number))[0] as Measurement;
  bench.peak = best.gflops as number;
  if (all) measured.forEach(bench.print);
  bench.print({ ...best, name: "peak" });
}

async function measureAttention(bench: Bench): Promise<void> {
  const { device, config, settings } = bench;
  for (const tokens of settings.quick ? [16, TOKENS] : [TOKENS, 512, 2048]) {
    const attention = prepareAttention(device, config, tokens);
    const shape = `${tokens} tokens, ${config.heads} heads of ${config.headDimension}, 1 block`;
    bench.print(
      await bench.measure("attention", shape, () => attentionCost(config, tokens), attention.run, { repeatable: true }),
    );
    attention.free();
  }
}

async function measureModel(bench: Bench): Promise<void> {
  const { settings: { only, quick }, config } = bench;
  const name = quick ? "quick-random" : "qwen3-0.6b-random";
  console.error(`opening the random model ${name} (its first use writes it)`);
  const model = await load(bench, randomModel(name), name);
  const cases = Array.from({ length: PACKED_CASES }, (_, index) => randomCase(config, TOKENS, TOKENS + index));
  const first = cases[0] as Case;
  const onModel = `${TOKENS} tokens, ${name}`;

  if (only.has("forward")) {
    const cost = () => forwardCost(config, TOKENS, WEIGHT_BYTES);
    bench.print(await bench.measure("forward", onModel, cost, () => model.logits(first.inputIds)));
  }
  if (only.has("attribution")) await measureAttribution(bench, model, first, name, "attribution");
  if (only.has("pack")) {
    const shape = `${PACKED_CASES} cases of ${TOKENS} tokens, ${RULE}, ${name}`;
    const cost = () => attributionCost(config, TOKENS, WEIGHT_BYTES, PACKED_CASES);
    const requests = cases.map((one) => ({ ...one, rule: RULE } as const));
    bench.print(await bench.measure("pack", shape, cost, () => model.attributeMany(requests)));
  }
  if (only.has("graph")) await measureGraph(bench, model, first, name, "graph");
  if (only.has("skip")) await measureGraph(bench, model, first, name, "skip", skipLayers(config.layers));
  if (only.has("decode")) await measureDecode(bench, model, cases.slice(0, COMPLETIONS), name);
  model.dispose();
}

/** Greedy completions of several prompts at once, prefill included. */
async function measureDecode(bench: Bench, model: LoadedModel, cases: readonly Case[], name: string): Promise<void> {
  const requests = cases.map(({ inputIds }) => ({ inputIds, maxTokens: NEW_TOKENS }));
  let found: readonly GenerateResult[] = [];
  const work = async () => found = await model.generate(requests);
  const cost = () =>
    completionsCost(
      model.config,
      requests.map(({ inputIds }) => inputIds.length),
      // The token that ends a completion is computed too.
      found.map(({ ids, stop }) => ids.length + (stop === "eos" ? 1 : 0)),
      WEIGHT_BYTES,
    );
  const shape = `${cases.length} prompts of ${TOKENS} tokens, at most ${NEW_TOKENS} new ones each, ${name}`;
  bench.print(await bench.measure("decode", shape, cost, work));
}

async function measureDemo(bench: Bench): Promise<void> {
  const found = demoCase();
  if (!found) {
    console.error("no demo model at models/demo-1m");
    return;
  }
  const model = await load(bench, DEMO_MODEL, "demo-1m");
  await measureAttribution(bench, model, found, "demo-1m", "demo-attribution");
  await measureGraph(bench, model, found, "demo-1m", "demo-graph");
  await measureGraph(bench, model, found, "demo-1m", "demo-skip", skipLayers(model.config.layers));
  model.dispose();
}

async function load(bench: Bench, directory: string, name: string): Promise<LoadedModel> {
  let model: LoadedModel | undefined;
  const work = async () => model = await loadModel(bench.device, directory);
  bench.print(await bench.measure("load", name, () => null, work, { once: true }));
  return model as LoadedModel;
}

async function measureAttribution(
  bench: Bench,
  model: LoadedModel,
  one: Case,
  modelName: string,
  name: string,
): Promise<void> {
  const tokens = one.inputIds.length;
  const cost = () => attributionCost(model.config, tokens, WEIGHT_BYTES);
  const work = () => model.attribute({ ...one, rule: RULE });
  bench.print(await bench.measure(name, `${tokens} tokens, ${RULE}, ${modelName}`, cost, work));
}

async function measureGraph(
  bench: Bench,
  model: LoadedModel,
  one: Case,
  modelName: string,
  name: string,
  transitions?: readonly number[],
): Promise<void> {
  const tokens = one.inputIds.length;
  const layers = transitions ? `node layers ${transitions}` : `all ${model.config.layers} transitions`;
  let result: GraphResult | undefined;
  const work = async () => {
    result = await model.graph({ ...one, rule: RULE, ...(transitions ? { transitions } : {}) });
  };
  const cost = () => {
    const whole = attributionCost(model.config, tokens, WEIGHT_BYTES);
    if (!transitions) return whole;
    // What packs of targets move is not counted: they are compared by their operations.
    return { ...whole, operations: skipGraphOperations(model.config, tokens, skippedBlocks(result as GraphResult)) };
  };
  const shape = `${tokens} tokens, ${RULE}, ${layers}, ${modelName}`;
  const measurement = await bench.measure(name, shape, cost, work);
  const targets = (result as GraphResult).transitions.reduce((sum, { rows }) => sum + rows, 0);
  bench.print({ ...measurement, targets });
}

/** The transitions of a graph that skip blocks, with the tokens that have edges. */
function skippedBlocks({ transitions, ...result }: GraphResult) {
  return transitions.filter(({ source, target }) => target - source > 1).map(({ source, target }) => ({
    source,
    target,
    targets: activeTokens(result, target),
  }));
}

/** Tokens of a node layer whose relevance makes them targets of edges. */
function activeTokens(
  { nodeRelevance, inputIds, layers }: Omit<AttributionResult, "transitions">,
  layer: number,
): number[] {
  return [...inputIds.keys()].filter((token) =>
    Math.abs(nodeRelevance[layer * inputIds.length + token] as number) > GRAPH_DEFAULTS.minRelevance ||
    (layer === layers && token === inputIds.length - 1)
  );
}

try {
  if (Deno.args[0] === "page") {
    const { measurePage } = await import("./page.ts");
    await measurePage();
    Deno.exit(0);
  }
  const settings = readSettings(Deno.args);
  const bench = openBench(settings, await openDevice(settings.adapter));
  await measureCopy(bench);
  await measureProducts(bench);
  if (settings.only.has("attention")) await measureAttention(bench);
  if (MODEL_GROUPS.some((group) => settings.only.has(group))) await measureModel(bench);
  if (settings.only.has("demo")) await measureDemo(bench);
  bench.device.close();
  Deno.exit(0);
} catch (error) {
  if (!(error instanceof Error)) throw error;
  const ours = error instanceof InputError || String((error as { code?: string }).code).startsWith("ERR_PARSE_ARGS");
  console.error(ours ? error.message : error);
  Deno.exit(ours ? 2 : 1);
}
