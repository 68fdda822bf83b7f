/** `--components`, `--nodes`, `--into` and `--from` of attribute and graph. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeTinyModel, writeTinyTokenizer } from "./model_folder.ts";
import { culprit, golden, refused } from "./command_line.ts";
import { relativeError } from "./compare.ts";

let folder: string;
let model: string;
let ids: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "culprit-components-"));
  model = writeTinyModel(join(folder, "tiny"));
  writeTinyTokenizer(model);
  ids = join(folder, "ids.json");
  writeFileSync(ids, "[1, 2, 3]");
});
afterAll(() => rmSync(folder, { recursive: true }));

async function json(args: readonly string[]) {
  const { code, out, err } = await culprit(args);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return JSON.parse(out);
}

interface ComponentsJson {
  readonly layer: number;
  readonly token: number;
  readonly relevance: number;
  readonly heads: readonly { readonly index: number; readonly relevance: number }[];
  readonly neurons: readonly { readonly index: number; readonly relevance: number }[];
}

test("attribute --components: the last token of every layer, or the nodes that are named", async () => {
  const { json: { layers, input_ids, target }, args } = golden("qwen3-a", folder);
  const attribute = ["attribute", ...args, "--target", `${target}`, "--layers", "--components", "2"];
  const result = await json(attribute);
  const last = input_ids.length - 1;
  const places = (list: readonly ComponentsJson[]) => list.map(({ layer, token }) => [layer, token]);
  expect(places(result.components)).toEqual(Array.from({ length: layers }, (_, block) => [block + 1, last]));
  for (const { layer, token, relevance, heads, neurons } of result.components as ComponentsJson[]) {
    expect(relevance).toBe(result.nodeRelevance[layer][token]);
    expect([heads.length, neurons.length]).toEqual([2, 2]);
  }
  const named = await json([...attribute, "--nodes", "2:5,1:0"]);
  expect(places(named.components)).toEqual([[2, 5], [1, 0]]);
});

test("graph --components: the nodes that its edges touch", async () => {
  const { json: { target }, args } = golden("qwen3-a", folder);
  const { nodes, components } = await json(["graph", ...args, "--target", `${target}`, "--components", "1"]);
  const above = nodes.filter(({ layer }: { layer: number }) => layer > 0);
  expect(components.map(({ layer, token, relevance }: ComponentsJson) => ({ layer, token, relevance }))).toEqual(above);
  expect(above.length).toBeGreaterThan(3);
});

test("--into: edges into all heads and around the attention sum to the golden edges of the node", async () => {
  const { json: { target, input_ids }, args, tensor } = golden("qwen3-a", folder);
  const [layer, token, tokens] = [2, 11, input_ids.length];
  const heads = Array.from({ length: 4 }, (_, head) => `${layer}:${token}:head:${head}`);
  const into = [...heads, `${layer}:${token}:around-attention`].join(",");
  const command = ["attribute", ...args, "--target", `${target}`, "--into", into, "--from", "0,1"];
  const { componentEdges } = await json(command);
  expect(componentEdges.map(({ kind, index }: { kind: string; index?: number }) => [kind, index])).toEqual([
    ...heads.map((_, head) => ["head", head]),
    ["around-attention", undefined],
  ]);
  const expected = { 0: tensor("attnlrp.edges_skip.0_2"), 1: tensor("attnlrp.edges.1") };
  for (const [index, source] of ([0, 1] as const).entries()) {
    const sums = new Float64Array(token + 1);
    for (const { sources } of componentEdges) {
      expect(sources[index].layer).toBe(source);
      sources[index].weights.forEach((weight: number, at: number) => sums[at]! += weight);
    }
    expect(relativeError(sums, expected[source].slice(token * tokens, token * tokens + token + 1))).toBeLessThan(1e-4);
  }
});

test("for people: heads, neurons and the largest edges, with token texts", async () => {
  const args = ["attribute", "--model", model, "--prompt", "ab cab", "--target", "1", "--contrast", "text:d"];
  const { code, out } = await culprit([...args, "--components", "1", "--into", "1:2:neuron:0"]);
  expect(code).toBe(0);
  expect(out).toMatch(/\nHeads and neurons, nodes of largest relevance first \(2 of 2 nodes\):\n/);
  expect(out).toMatch(
    /\n {2}layer 2, token 3 8 "ab": [-+]\d+\.\d{4}\n {4}attention [-+][\d.]+, heads:\n +\d [-+]\d+\.\d{4}\n/,
  );
  expect(out).toMatch(/\nEdges into neuron 0, layer 1, token 2 \d+ ".": [-+][\d.]+\n {4}from layer 0, token \d/);
});

describe("refused before a model is loaded", () => {
  const with_ = (verb: string, more: readonly string[], line: RegExp) =>
    refused([verb, "--model", model, "--ids", ids, "--contrast", "1", ...more], line);

  test("counts, nodes and components that are none", async () => {
    await with_("graph", ["--components", "few"], /^--components: "few" is not a whole number; give digits/);
    await with_("attribute", ["--nodes", "1:1"], /^--nodes: says nothing without --components; give/);
    await with_("attribute", ["--components", "1", "--nodes", "1-1"], /^--nodes: "1-1" is no node; give layer:token/);
    await with_("attribute", ["--components", "1", "--nodes", "9:1"], /^--nodes: there is no block that ends at/);
    await with_(
      "attribute",
      ["--into", "1:1:neuron"],
      /^--into: "1:1:neuron" is no component; give layer:token:neuron/,
    );
    await with_("graph", ["--into", "1:1:head:99"], /^--into: there is no head 99; use/);
    await with_("graph", ["--into", "1:1:head:0", "--from", "1"], /^--from: \[1\] are not ascending node layers/);
    await with_("graph", ["--from", "0"], /^--from: says nothing without --into; give/);
  });
});
