/** The family of demo models as it lies in models/: series, weights, failure rates. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openModelDirectory } from "../gpu/model/directory.ts";
import { culprit } from "./command_line.ts";

const MODELS = new URL("../models/", import.meta.url).pathname;

interface Member {
  readonly model: string;
  readonly label: string;
  readonly position: number;
  readonly parameters: number;
}
interface Series {
  readonly tokenizerSha256: string;
  readonly benchmarks: readonly string[];
  readonly series: readonly {
    readonly name: string;
    readonly kind: "scaling" | "training";
    readonly members: readonly Member[];
  }[];
  readonly others: readonly Member[];
}
interface Evaluation {
  readonly model: string;
  readonly benchmarks: Readonly<Record<string, Tally>>;
}
interface Tally {
  readonly items: number;
  readonly failures: number;
  readonly failureRate: number;
  readonly byLabel: Readonly<Record<string, readonly [number, number]>>;
}

/** Items of a benchmark. */
const count = (name: string): number =>
  readFileSync(join(MODELS, "benchmarks", `${name}.jsonl`), "utf8").trimEnd().split("\n").length;
const json = <T>(...path: string[]): T => JSON.parse(readFileSync(join(MODELS, ...path), "utf8")) as T;
/** The series ship when their weights are final; until then there is nothing to hold to account. */
const SHIPPED = existsSync(join(MODELS, "series.json"));
const index = SHIPPED
  ? json<Series>("series.json")
  : { tokenizerSha256: "", benchmarks: [], series: [], others: [] } satisfies Series;
const members = [
  ...new Map([...index.series.flatMap((s) => s.members), ...index.others].map((m) => [m.model, m])).values(),
];

describe.skipIf(!SHIPPED)("members of the family", () => {
  test("a scaling series of three sizes and a training series from early steps to rejection sampling, in order", () => {
    const [scaling, training] = ["scaling", "training"].map((kind) => index.series.find((s) => s.kind === kind)!);
    expect(scaling!.members.map(({ label }) => label)).toEqual(["0.3M", "1M", "4M"]);
    expect(training!.members.length).toBeGreaterThanOrEqual(8);
    expect(training!.members.slice(-2).map(({ label }) => label)).toEqual(["DPO", "RS"]);
    expect(index.others.map(({ label }) => label)).toContain("Olmo-3");
    for (const { members } of index.series) {
      const positions = members.map(({ position }) => position);
      expect(positions).toEqual(positions.toSorted((a, b) => a - b));
      expect(new Set(positions).size).toBe(positions.length);
    }
    const sizes = new Set(training!.members.map(({ parameters }) => parameters));
    expect([...sizes]).toEqual([scaling!.members[1]!.parameters]);
  });

  test("the engine reads each: parameters as said, bf16, one tokenizer for all", async () => {
    for (const { model, parameters } of members) {
      const directory = await openModelDirectory(join(MODELS, model));
      directory.close();
      expect(directory.parameters).toBe(parameters);
      expect(directory.tokenizerHash).toBe(index.tokenizerSha256);
      expect(new Set([...directory.tensors.values()].map(({ info }) => info.dtype))).toEqual(new Set(["BF16"]));
      expect(directory.config.maxPositions).toBeGreaterThanOrEqual(2048);
    }
  });

  test("inspect shows each", async () => {
    for (const { model, parameters } of members) {
      const { code, out } = await culprit(["inspect", join(MODELS, model), "--json"]);
      expect(code).toBe(0);
      expect((JSON.parse(out) as { parameters: number }).parameters).toBe(parameters);
    }
  });

  test("every folder with weights is named, and all weights together stay under 40 MB", () => {
    const found = readdirSync(MODELS).filter((name) => existsSync(join(MODELS, name, "model.safetensors")));
    expect(found.toSorted()).toEqual(members.map(({ model }) => model).toSorted());
    const bytes = found.reduce((sum, name) => sum + statSync(join(MODELS, name, "model.safetensors")).size, 0);
    expect(bytes).toBeLessThanOrEqual(40e6);
  });

  test("each evaluation counts every item of the benchmarks once", () => {
    for (const { model } of members) {
      const { benchmarks, model: name } = json<Evaluation>(model, "evaluation.json");
      expect(name).toBe(model);
      for (const [benchmark, tally] of Object.entries(benchmarks)) {
        expect(index.benchmarks).toContain(benchmark);
        expect(tally.items).toBe(count(benchmark));
        expect(tally.failureRate).toBeCloseTo(tally.failures / tally.items, 4);
        if (benchmark === "demo-ifeval") continue; // its labels are instructions, one or two an item
        const sums = Object.values(tally.byLabel).reduce(
          ([f, n], [a, b]) => [f + a, n + b],
          [0, 0] as [number, number],
        );
        expect(sums).toEqual([tally.failures, tally.items]);
      }
    }
  });

  test("failure rates fall with size and supervised steps, and every benchmark tells sizes and steps apart", () => {
    const rate = (model: string, benchmark: string) =>
      json<Evaluation>(model, "evaluation.json").benchmarks[benchmark]!.failureRate;
    const mean = (model: string) =>
      index.benchmarks.reduce((sum, name) => sum + rate(model, name), 0) / index.benchmarks.length;
    for (const { members } of index.series) {
      // DPO mends one benchmark at the cost of others: its mean is that of the checkpoint before it.
      const means = members.filter(({ model }) => model !== "demo-1m-dpo").map(({ model }) => mean(model));
      expect(means).toEqual(means.toSorted((a, b) => b - a));
    }
    for (const name of index.benchmarks) {
      for (const { members } of index.series) {
        const rates = members.map(({ model }) => rate(model, name));
        expect(Math.max(...rates) - Math.min(...rates)).toBeGreaterThan(0.1);
        expect(rates.filter((one) => one > 0 && one < 0.95).length).toBeGreaterThanOrEqual(2);
      }
    }
  });
});
