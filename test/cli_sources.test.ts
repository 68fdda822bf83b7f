/** Models from adapters and GGUF files on the command line: what is computed is what the whole float32 folder gives. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { culprit, refused } from "./command_line.ts";
import { relativeError } from "./compare.ts";

const DATA = new URL("data/", import.meta.url).pathname;
const LORA = join(DATA, "lora");
/** Largest difference of node relevance, relative to the largest relevance. */
const TOLERANCE = 1e-4;

let folder: string;
let ids: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "culprit-sources-"));
  ids = join(folder, "ids.json");
  writeFileSync(ids, JSON.stringify([5, 11, 3, 40, 22, 9, 60]));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Attributed {
  readonly nodeRelevance: readonly (readonly number[])[];
  readonly logitDifference: number;
  readonly target: { readonly id: number };
}

async function attributed(...model: readonly string[]): Promise<Attributed> {
  const args = ["attribute", "--model", ...model, "--ids", ids, "--contrast", "7", "--layers", "--json"];
  const { code, out, err } = await culprit(args);
  expect({ code, err }).toEqual({ code: 0, err: expect.stringMatching(/^(note: .*\n)*$/) });
  return JSON.parse(out) as Attributed;
}

describe("adapters", () => {
  const adapters = ["--lora", join(LORA, "stabilised"), "--lora", join(LORA, "whole")];

  test("node relevance is that of the folder into which PEFT merged them", async () => {
    const [found, merged, base] = [
      await attributed(join(LORA, "base"), ...adapters),
      await attributed(join(LORA, "merged-both")),
      await attributed(join(LORA, "base")),
    ];
    expect(found.target.id).toBe(merged.target.id);
    expect(relativeError(found.nodeRelevance.flat(), merged.nodeRelevance.flat())).toBeLessThan(TOLERANCE);
    // The adapters do change what the model says.
    expect(relativeError(base.nodeRelevance.flat(), merged.nodeRelevance.flat())).toBeGreaterThan(0.1);
  });

  test("inspect, generate and plan take them too", async () => {
    const model = [join(LORA, "base"), ...adapters];
    const { out: inspected } = await culprit(["inspect", ...model, "--json"]);
    const names = (JSON.parse(inspected) as { tensors: { name: string }[] }).tensors.map(({ name }) => name);
    expect(names).toContain("lm_head.weight");
    const run = async (path: readonly string[]) => {
      const { out } = await culprit(["generate", "--model", ...path, "--ids", ids, "--max-tokens", "4", "--json"]);
      return (JSON.parse(out) as { ids: number[] }).ids;
    };
    expect(await run(model)).toEqual(await run([join(LORA, "merged-both")]));
    const planned = await culprit([
      "plan",
      "attribute",
      "--model",
      ...model,
      "--ids",
      ids,
      "--contrast",
      "7",
      "--json",
    ]);
    expect((JSON.parse(planned.out) as { fits: boolean }).fits).toBe(true);
  });

  test("a folder that is no adapter is one line", async () => {
    await refused(["inspect", join(LORA, "base"), "--lora", join(LORA, "dora")], /dora\/adapter_config\.json: DoRA/);
    await refused(["inspect", join(LORA, "base"), "--lora", folder], /adapter_config\.json: there is no such file/);
  });
});
