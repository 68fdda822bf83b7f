/**
 * The engine and the PyTorch reference in one run, on the same model and the same ids, taking turns:
 *
 *   npm run bench:compare -- [--quick] [--model DIR] [--tokens N] [--runs N] [--only attribution,graph,...]
 *                            [--adapter NAME] [--on cpu-float32,cuda-bfloat16,...] [--batch N]
 *
 * Prints a JSON line for each comparison on standard output, and a table on standard error. PYTHON names the Python that
 * has torch, transformers and lxt (default python3). README.md says what is compared.
 */
import { parseArgs } from "node:util";
import { openDevice } from "../../gpu/device/dawn.ts";
import type { GraphResult, LoadedModel } from "../../gpu/engine.ts";
import { InputError } from "../../gpu/errors.ts";
import { GRAPH_DEFAULTS } from "../../gpu/explanation/graph.ts";
import { loadModel } from "../../gpu/loaded_model.ts";
import { relativeError } from "../compare.ts";
import { LONGEST_SECONDS, machineName, median, oneMinuteLoad, type PeakMemory, watchMemory } from "./measurement.ts";
import { openReference, type Reference, type Run } from "./python.ts";
import { type Case, randomCase, randomModel, skipLayers } from "./models.ts";

/** `-all`: every token is a target, not only those above the default bound. */
const NAMES = ["attribution", "graph", "graph-all", "skip", "skip-all"] as const;
type Name = (typeof NAMES)[number];
const isSkip = (name: Name) => name.startsWith("skip");
const minRelevanceOf = (name: Name) => name.endsWith("-all") ? 0 : GRAPH_DEFAULTS.minRelevance;

const RULE = "attnlrp";
/** Both do the same arithmetic in float32: beyond this difference their times say nothing. */
const TOLERANCE = 1e-3;

interface Side {
  readonly adapter: string;
  run(name: Name, layers: readonly number[]): Promise<Run>;
}

interface Comparison {
  readonly name: Name;
  readonly shape: string;
  readonly adapter: string;
  readonly reference: string;
  /** Medians, and their ratio: below 1 the engine is faster. */
  readonly seconds: number;
  readonly referenceSeconds: number;
  readonly ratio: number;
  /** Smallest and largest ratio of one round. */
  readonly ratios: readonly [number, number];
  readonly runs: number;
  readonly firstSeconds: number;
  readonly referenceFirstSeconds: number;
  readonly peakBytes: number | null;
  readonly referencePeakBytes: number | null;
  /** Tokens that have edges, over all transitions, on both sides. */
  readonly targets: readonly [number, number];
  /** Largest difference of node relevance and of the transitions' mass, relative to the largest value. */
  readonly difference: number;
  readonly machine: string;
  readonly load: number;
}

function readSettings(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      model: { type: "string" },
      tokens: { type: "string", default: "54" },
      runs: { type: "string", default: "3" },
      only: { type: "string", default: NAMES.join(",") },
      adapter: { type: "string" },
      on: { type: "string" },
      batch: { type: "string", default: "16" },
    },
  });
  const count = (name: "tokens" | "runs" | "batch") => {
    const number = Number(values[name]);
    if (Number.isInteger(number) && number > 0) return number;
    throw new InputError(`${values[name]} is no count`, `--${name}`, "use a whole number from 1");
  };
  const only = values.only.split(",");
  const wrong = only.find((name) => !(NAMES as readonly string[]).includes(name));
  if (wrong !== undefined) throw new InputError(`${wrong} is not compared`, "--only", `use ${NAMES.join(", ")}`);
  return {
    ...values,
    only: only as Name[],
    tokens: count("tokens"),
    runs: count("runs"),
    batch: count("batch"),
    on: values.on?.split(","),
  };
}

type Settings = ReturnType<typeof readSettings>;

const asSide = ({ adapter, ask }: Reference): Side => ({
  adapter,
  run: (name, layers) => ask<Run>({ name, layers, minRelevance: minRelevanceOf(name) }),
});

function openOurs(model: LoadedModel, memory: PeakMemory, one: Case): Side {
  return {
    adapter: model.adapter.name,
    async run(name, layers) {
      memory.reset();
      const start = performance.now();
      const result = name === "attribution"
        ? await model.attribute({ ...one, rule: RULE })
        : await model.graph({ ...one, rule: RULE, transitions: layers, minRelevance: minRelevanceOf(name) });
      const seconds = (performance.now() - start) / 1000;
      const transitions = "transitions" in result ? (result as GraphResult).transitions : [];
      return {
        seconds,
        peakBytes: memory.read(),
        nodeRelevance: result.nodeRelevance,
        totalMass: transitions.map(({ totalMass }) => totalMass),
        targets: transitions.reduce((sum, { rows }) => sum + rows, 0),
      };
    },
  };
}

/** Runs both, each once to warm up, then in rounds whose order alternates. */
async function compare(
  name: Name,
  shape: string,
  layers: readonly number[],
  ours: Side,
  reference: Side,
  runs: number,
): Promise<Comparison> {
  console.error(`comparing ${name}, ${shape}`);
  const start = performance.now();
  const first = await ours.run(name, layers);
  const referenceFirst = await reference.run(name, layers);
  const rounds: { ours: Run; reference: Run }[] = [];
  // Two sides share the time that a measurement may take.
  while (
    rounds.length === 0 || (rounds.length < runs && performance.now() - start < 2 * LONGEST_SECONDS * 1000)
  ) {
    if (rounds.length % 2 === 0) {
      const own = await ours.run(name, layers);
      rounds.push({ ours: own, reference: await reference.run(name, layers) });
    } else {
      const other = await reference.run(name, layers);
      rounds.push({ ours: await ours.run(name, layers), reference: other });
    }
  }
  const seconds = median(rounds.map((round) => round.ours.seconds));
  const referenceSeconds = median(rounds.map((round) => round.reference.seconds));
  const ratios = rounds.map((round) => round.ours.seconds / round.reference.seconds);
  return {
    name,
    shape,
    adapter: ours.adapter,
    reference: reference.adapter,
    seconds,
    referenceSeconds,
    ratio: seconds / referenceSeconds,
    ratios: [Math.min(...ratios), Math.max(...ratios)],
    runs: rounds.length,
    firstSeconds: first.seconds,
    referenceFirstSeconds: referenceFirst.seconds,
    peakBytes: largest(rounds.map((round) => round.ours.peakBytes)),
    referencePeakBytes: largest(rounds.map((round) => round.reference.peakBytes)),
    targets: [first.targets, referenceFirst.targets],
    difference: Math.max(
      relativeError(first.nodeRelevance, referenceFirst.nodeRelevance),
      relativeError(first.totalMass, referenceFirst.totalMass),
    ),
    machine: machineName(),
    load: oneMinuteLoad(),
  };
}

/** Four digits are more than a shared machine repeats; bytes stay whole. */
function fourDigits(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(4));
}

function largest(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}

/** A table for people. */
function table(comparisons: readonly Comparison[]): string {
  const digits = (value: number) => value.toPrecision(3);
  const rows = [
    ["", "engine s", "reference s", "engine / reference", "rounds from .. to", "runs", "difference", "reference"],
    ...comparisons.map((one) => [
      one.name,
      digits(one.seconds),
      digits(one.referenceSeconds),
      digits(one.ratio),
      one.ratios.map(digits).join(" .. "),
      String(one.runs),
      one.difference.toExponential(1),
      one.reference,
    ]),
  ];
  const widths = (rows[0] as string[]).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] as number)).join("  ").trimEnd())
    .join("\n");
}

async function main(args: readonly string[]): Promise<boolean> {
  const settings = readSettings(args);
  const directory = settings.model ?? randomModel(settings.quick ? "quick-random" : "qwen3-0.6b-random");
  const { device, peak } = watchMemory(await openDevice(settings.adapter));
  const model = await loadModel(device, directory);
  const { layers } = model.config;
  const one = randomCase(model.config, settings.tokens);
  const ours = openOurs(model, peak, one);
  const idsFile = Deno.makeTempFileSync({ suffix: ".json" });
  Deno.writeTextFileSync(
    idsFile,
    JSON.stringify({ input_ids: one.inputIds, target: one.target, contrast: one.contrast }),
  );
  const comparisons: Comparison[] = [];
  const waiting: (string | undefined)[] = [...settings.on ?? [undefined]];
  try {
    while (waiting.length > 0) {
      const on = waiting.shift();
      const reference = await openReference({ model: directory, idsFile, batch: settings.batch, on });
      if (on === undefined) waiting.push(...reference.places.slice(1));
      for (const name of settings.only) {
        const listed = isSkip(name) ? skipLayers(layers) : Array.from({ length: layers + 1 }, (_, layer) => layer);
        const edges = name === "attribution"
          ? ""
          : `, node layers ${isSkip(name) ? listed : "all"}, relevance above ${
            minRelevanceOf(name)
          }, batches of ${settings.batch} in the reference`;
        const shape = `${settings.tokens} tokens, ${RULE}, ${layers} blocks${edges}`;
        const comparison = await compare(name, shape, listed, ours, asSide(reference), settings.runs);
        comparisons.push(comparison);
        console.log(JSON.stringify(comparison, (_, value) => typeof value === "number" ? fourDigits(value) : value));
      }
      await reference.close();
    }
  } finally {
    Deno.removeSync(idsFile);
    device.close();
  }
  console.error(table(comparisons));
  const apart = comparisons.filter(({ reference, difference }) =>
    reference.endsWith("float32") && !(difference < TOLERANCE)
  );
  for (const { name, difference } of apart) console.error(`${name}: results differ by ${difference}`);
  return apart.length === 0;
}

try {
  Deno.exit(await main(Deno.args) ? 0 : 1);
} catch (error) {
  if (!(error instanceof Error)) throw error;
  const ours = error instanceof InputError || String((error as { code?: string }).code).startsWith("ERR_PARSE_ARGS");
  console.error(ours ? error.message : error);
  Deno.exit(ours ? 2 : 1);
}
