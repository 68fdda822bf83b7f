/**
 * Many mixed requests in one process: numbers never change, memory stays flat, and a lost device is reported and replaced.
 *
 *   npm run soak -- --requests 500
 *
 * Prints JSON lines and exits with 1 when something does not hold.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openDevice } from "../../gpu/device/dawn.ts";
import { type AttributionRequest, type LoadedModel, RULES } from "../../gpu/engine.ts";
import { loadModel } from "../../gpu/loaded_model.ts";
import { seededRandom } from "../random.ts";

const ROOT = join(import.meta.dirname as string, "..", "..");
const MODELS = ["models/demo-1m", "test/data/golden/qwen3-b", "test/data/golden/olmo3-a"];
/** Requests in the first and in the last window whose memory is compared. */
const WINDOW_SHARE = 5;
const LARGEST_GROWTH = 1.05;
const SEED = 500;

const { values } = parseArgs({ options: { requests: { type: "string", default: "500" } } });
const requests = Number(values.requests);
const window = Math.floor(requests / WINDOW_SHARE);
let failed = false;
function report(line: Readonly<Record<string, unknown>>, holds: boolean): void {
  failed ||= !holds;
  console.log(JSON.stringify({ ...line, holds }));
}

const residentBytes = () => Number(/VmRSS:\s+(\d+)/.exec(Deno.readTextFileSync("/proc/self/status"))?.[1]) * 1024;
const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? NaN;

/** A request that `index` alone decides; indices come again, so that their numbers can be compared. */
function work(models: readonly LoadedModel[], index: number): () => Promise<ArrayLike<number>> {
  const random = seededRandom(SEED + index);
  const model = models[index % models.length] as LoadedModel;
  const { vocabulary } = model.config;
  const ids = (length: number) => Array.from({ length }, () => random.integer(0, vocabulary - 1));
  const one = (): AttributionRequest => {
    const target = random.integer(0, vocabulary - 2);
    const rule = RULES[index % RULES.length] ?? "attnlrp";
    return { inputIds: ids(random.integer(1, 90)), target, contrast: target + 1, rule };
  };
  switch (index % 4) {
    case 0: {
      const request = { ...one(), minRelevance: 0 };
      return async () => (await model.graph(request)).transitions.flatMap(({ edges }) => [...edges.weights]);
    }
    case 1: {
      const rule = one().rule;
      const pack = Array.from({ length: 3 }, () => ({ ...one(), rule }));
      return async () => (await model.attributeMany(pack)).flatMap(({ nodeRelevance }) => [...nodeRelevance]);
    }
    case 2: {
      const batch = Array.from({ length: 3 }, () => ({ inputIds: ids(random.integer(1, 40)), maxTokens: 8 }));
      return async () => (await model.generate(batch)).flatMap((result) => [...result.ids]);
    }
    default: {
      const request = one();
      return async () => (await model.attribute(request)).nodeRelevance;
    }
  }
}

const equal = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  a.length === b.length && Array.from(a).every((value, index) => Object.is(value, b[index]));

const loadAll = async (device: Awaited<ReturnType<typeof openDevice>>) => {
  const models: LoadedModel[] = [];
  for (const path of MODELS) models.push(await loadModel(device, join(ROOT, path)));
  return models;
};

const KINDS = 24;
const device = await openDevice();
const models = await loadAll(device);
const first: ArrayLike<number>[] = [];
for (let index = 0; index < KINDS; index++) first.push(await work(models, index)());

const deviceBytes = device.allocatedBytes();
const resident: number[] = [];
let different = 0;
const wasteBefore = device.wasteBytes();
const start = performance.now();
for (let done = 0; done < requests; done++) {
  const index = done % KINDS;
  if (!equal(await work(models, index)(), first[index] as ArrayLike<number>)) different++;
  resident.push(residentBytes());
}
const [before, after] = [median(resident.slice(0, window)), median(resident.slice(-window))];
report({ name: "numbers", adapter: device.info.name, requests, different }, different === 0);
report(
  { name: "device memory", before: deviceBytes, after: device.allocatedBytes() },
  device.allocatedBytes() === deviceBytes,
);
report(
  {
    name: "resident memory",
    before,
    after,
    ratio: after / before,
    wasteOfEach: Math.round((device.wasteBytes() - wasteBefore) / requests),
    seconds: (performance.now() - start) / 1000,
  },
  after / before <= LARGEST_GROWTH,
);

// The device goes in the middle of a request.
const interrupted = work(models, 0)().then(() => "an answer", (error: Error) => error.message);
device.close();
const [answer, reason] = await Promise.all([interrupted, device.lost]);
report({ name: "lost device", answer, reason }, /lost|destroyed/.test(answer));
const later = await work(models, 3)().then(() => "an answer", (error: Error) => error.message);
report({ name: "request after the loss", answer: later }, /lost|destroyed/.test(later));
const next = await openDevice();
const again = await loadAll(next);
let recovered = 0;
for (let index = 0; index < KINDS; index++) {
  if (equal(await work(again, index)(), first[index] as ArrayLike<number>)) recovered++;
}
report({ name: "numbers on a new device", equal: recovered, of: KINDS }, recovered === KINDS);
next.close();
Deno.exit(failed ? 1 : 0);
