/** `culprit graph` on models whose edges a foreign implementation computed (golden data of LXT). */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GRAPH_DEFAULTS } from "../gpu/explanation/graph.ts";
import type { StoredGraphMetrics } from "../schema/tables/analysis_values.ts";
import { ROOT } from "../server/base/settings.ts";
import { writeTinyModel, writeTinyTokenizer } from "./model_folder.ts";
import { culprit, golden, refused } from "./command_line.ts";
import { relativeError } from "./compare.ts";

/** Largest error relative to the largest value: float32 in another order of summation. */
const TOLERANCE = 1e-4;
const RULES = ["attnlrp", "cplrp", "gradient"];
/** Nothing is pruned. */
const EVERYTHING = ["--mass", "1", "--min-relevance", "0", "--reach", "all"];

let folder: string;
let model: string;
let ids: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "culprit-graph-"));
  model = writeTinyModel(join(folder, "tiny"));
  writeTinyTokenizer(model);
  ids = join(folder, "ids.json");
  writeFileSync(ids, "[1, 2, 3]");
});
afterAll(() => rmSync(folder, { recursive: true }));

interface TransitionJson {
  readonly source: number;
  readonly target: number;
  readonly keptMass: number;
  readonly columnError: number;
  readonly candidates: number;
  readonly droppedByBudget: number;
  readonly edges: readonly (readonly [number, number, number])[];
  readonly headEdges?: readonly (readonly [number, number, number, number, number])[];
}

interface GraphJson {
  readonly inputIds: readonly number[];
  readonly nodes: readonly { readonly layer: number; readonly token: number; readonly relevance: number }[];
  readonly transitions: readonly TransitionJson[];
}

/** Runs `culprit graph` and expects JSON alone. */
async function graph(args: readonly string[]): Promise<GraphJson> {
  const { code, out, err } = await culprit(["graph", ...args]);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out.endsWith("}\n")).toBe(true);
  return JSON.parse(out);
}

/** [targets, sources] as the golden edges are, zero where there is none. */
function dense({ edges }: TransitionJson, tokens: number): Float32Array {
  const matrix = new Float32Array(tokens * tokens);
  for (const [source, target, weight] of edges) matrix[target * tokens + source] = weight;
  return matrix;
}

describe.each(["qwen3-a", "qwen3-b", "olmo3-a"])("%s", (name) => {
  test.each(RULES)("%s: every edge between adjacent layers is the golden one", async (rule) => {
    const { json, args, tensor } = golden(name, folder);
    const { transitions } = await graph([...args, "--target", `${json.target}`, "--rule", rule, ...EVERYTHING]);
    const layers = Array.from({ length: json.layers }, (_, layer) => [layer, layer + 1]);
    expect(transitions.map(({ source, target }) => [source, target])).toEqual(layers);
    for (const transition of transitions) {
      const expected = tensor(`${rule}.edges.${transition.source}`);
      expect(relativeError(dense(transition, json.input_ids.length), expected)).toBeLessThan(TOLERANCE);
      expect(transition.keptMass).toBeCloseTo(1, 6);
      expect(transition.columnError).toBeLessThan(TOLERANCE);
    }
  });

  test.each(RULES)("%s: --transitions joins the listed layers, over blocks too", async (rule) => {
    const { json, args, tensor } = golden(name, folder);
    const listed = [...args, "--target", `${json.target}`, "--rule", rule, ...EVERYTHING, "--transitions"];
    const { transitions } = await graph([...listed, `0,2,${json.layers}`]);
    expect(transitions.map(({ source, target }) => [source, target])).toEqual([[0, 2], [2, json.layers]]);
    const expected = tensor(`${rule}.edges_skip.0_2`);
    expect(relativeError(dense(transitions[0]!, json.input_ids.length), expected)).toBeLessThan(TOLERANCE);
  });
});

test("the fields are those of attribute without relevance, then nodes and transitions", async () => {
  const { json, args } = golden("qwen3-a", folder);
  const fields = ["rule", "inputIds", "tokens", "target", "contrast", "logitDifference"];
  const result = await graph([...args, "--target", `${json.target}`]);
  expect(Object.keys(result)).toEqual([...fields, "adapter", "seconds", "nodes", "transitions"]);
  expect(Object.keys(result.transitions[0]!).sort()).toEqual([
    "candidates",
    "columnError",
    "droppedByBudget",
    "droppedByReach",
    "edges",
    "keptMass",
    "rows",
    "source",
    "target",
    "threshold",
    "totalMass",
  ]);
  const layered = await graph([...args, "--target", `${json.target}`, "--layers"]);
  expect(Object.keys(layered)).toEqual([...fields, "nodeRelevance", "adapter", "seconds", "nodes", "transitions"]);
  const { inputIds, target } = result as unknown as { inputIds: number[]; target: { id: number } };
  expect({ inputIds, target: target.id }).toEqual({ inputIds: json.input_ids, target: json.target });
});

test("nodes are those that kept edges touch, and the last token of the last listed layer", async () => {
  const { json, args, tensor } = golden("qwen3-a", folder);
  const tokens = json.input_ids.length;
  const relevance = tensor("attnlrp.node_relevance");
  const largest = relevance.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  for (const more of [[], ["--transitions", "0,2"], ["--min-relevance", "1000000"]]) {
    const { nodes, transitions } = await graph([...args, "--target", `${json.target}`, ...more]);
    const last = transitions.at(-1)!.target;
    const expected = new Set([`${last},${tokens - 1}`]);
    for (const { source, target, edges } of transitions) {
      for (const [i, j] of edges) expected.add(`${source},${i}`).add(`${target},${j}`);
    }
    expect(nodes.map(({ layer, token }) => `${layer},${token}`).toSorted()).toEqual([...expected].toSorted());
    for (const node of nodes) {
      const difference = node.relevance - relevance[node.layer * tokens + node.token]!;
      expect(Math.abs(difference) / largest).toBeLessThan(TOLERANCE);
    }
  }
});

test("--mass, --reach and --edge-budget keep fewer edges", async () => {
  const { json, args } = golden("qwen3-b", folder);
  const common = [...args, "--target", `${json.target}`, "--min-relevance", "0"];
  const count = async (...more: string[]) => {
    const { transitions } = await graph([...common, ...more]);
    return transitions.reduce((sum, { edges }) => sum + edges.length, 0);
  };
  const all = await count("--reach", "all", "--mass", "1");
  const most = await count("--reach", "all", "--mass", "0.85");
  const reaching = await count();
  expect(most).toBeLessThan(all);
  expect(reaching).toBeLessThan(most);
  expect(await count("--edge-budget", "5")).toBeLessThanOrEqual(5);
  const { transitions } = await graph([...common, "--reach", "all", "--edge-budget", "7"]);
  expect(transitions.reduce((sum, { droppedByBudget }) => sum + droppedByBudget, 0)).toBe(most - 7);
});

test("--metrics measures the golden edges and relevance", async () => {
  const { json, args, tensor } = golden("olmo3-a", folder);
  const tokens = json.input_ids.length;
  const result = await graph([...args, "--target", `${json.target}`, ...EVERYTHING, "--metrics"]) as GraphJson & {
    readonly metrics: StoredGraphMetrics;
  };
  const { transitions, layers, transfer, reduced } = result.metrics;
  expect(transitions).toHaveLength(json.layers);
  const relevance = tensor("attnlrp.node_relevance").map(Math.abs);
  const close = (value: number | null, expected: number) =>
    expect(Math.abs(value! - expected)).toBeLessThan(TOLERANCE * Math.max(1, Math.abs(expected)));
  for (const { layer, sinkShare } of layers) {
    const own = relevance.subarray(layer * tokens, (layer + 1) * tokens);
    close(sinkShare, own[0]! / own.reduce((sum, value) => sum + value, 0));
  }
  expect(layers).toHaveLength(json.layers + 1);
  const handed = new Float64Array(tokens);
  for (const [index, { source, verticality, sinkShare, lookBack }] of transitions.entries()) {
    const edges = tensor(`attnlrp.edges.${source}`);
    let [mass, vertical, sink, distance] = [0, 0, 0, 0];
    edges.forEach((weight, at) => {
      const [target, from] = [Math.floor(at / tokens), at % tokens];
      mass += Math.abs(weight);
      if (from === target) vertical += Math.abs(weight);
      if (from === 0) sink += Math.abs(weight);
      distance += (target - from) * Math.abs(weight);
      if (target === tokens - 1 && from !== target) handed[from]! += weight;
    });
    close(verticality, vertical / mass);
    close(sinkShare, sink / mass);
    close(lookBack, distance / mass);
    for (const { token, cumulative } of transfer.tokens) {
      expect(Math.abs(cumulative[index]! - handed[token]!)).toBeLessThan(TOLERANCE * Math.max(...relevance));
    }
  }
  // The dominant tokens are those that hand most to the last position.
  const order = [...handed.keys()].sort((a, b) => Math.abs(handed[b]!) - Math.abs(handed[a]!));
  expect(reduced.tokens.map(({ token }) => token)).toEqual(order.slice(0, reduced.tokens.length));
  expect(reduced.paths).toHaveLength(5);
  for (const { nodes } of reduced.paths) {
    expect(nodes.map(({ layer }) => layer)).toEqual(layers.map(({ layer }) => layer));
    expect(nodes.at(-1)!.token).toBe(tokens - 1);
  }
});

test.each(["attnlrp", "cplrp"])("--heads splits the edges of %s; off the diagonal they add up", async (rule) => {
  const { json, args } = golden("qwen3-a", folder);
  const { transitions } = await graph([...args, "--target", `${json.target}`, "--rule", rule, "--heads"]);
  for (const { edges, headEdges } of transitions) {
    const heads = headEdges!.length / edges.length;
    expect(heads).toBeGreaterThan(1);
    edges.forEach(([i, j, weight], index) => {
      const terms = headEdges!.slice(index * heads, (index + 1) * heads);
      expect(terms.map((row) => row.slice(0, 3))).toEqual(Array.from({ length: heads }, (_, head) => [i, j, head]));
      if (i === j) return;
      expect(terms.reduce((sum, [, , , ov, qk]) => sum + ov + qk, 0)).toBeCloseTo(weight, 5);
      if (rule === "cplrp") expect(terms.every(([, , , , qk]) => qk === 0)).toBe(true);
    });
  }
});

test("--objective: the graph of one logit, of means, with autograd's relevance", async () => {
  const goldens = JSON.parse(readFileSync(join(ROOT, "test/data/objectives.json"), "utf8")) as readonly {
    readonly model: string;
    readonly rule: string;
    readonly inputIds: readonly number[];
    readonly objective: { readonly kind: string; readonly target: number };
    readonly value: number;
    readonly relevance: readonly (readonly number[])[];
  }[];
  const ids = join(folder, "objective.json");
  const command = ["graph", "--model", "models/demo-1m", "--ids", ids];
  for (
    const { inputIds, objective: { kind, target }, value, relevance } of goldens.filter(({ model, rule, objective }) =>
      model === "demo-1m" && rule === "attnlrp" && objective.kind !== "sequence"
    )
  ) {
    writeFileSync(ids, JSON.stringify(inputIds));
    const objective = kind === "top" ? "top:4" : kind;
    const { code, out } = await culprit([
      ...command,
      "--objective",
      objective,
      "--target",
      `${target}`,
      "--layers",
      "--json",
    ]);
    expect(code).toBe(0);
    const found = JSON.parse(out);
    expect(Object.keys(found)).toEqual([
      ...["rule", "objective", "value", "terms", "inputIds", "tokens", "nodeRelevance", "adapter", "seconds", "nodes"],
      "transitions",
    ]);
    expect(found.value).toBeCloseTo(value, 3);
    expect(relativeError(found.nodeRelevance.flat(), relevance.flat())).toBeLessThan(1e-4);
    expect(found.transitions).toHaveLength(relevance.length - 1);
  }
  const { out } = await culprit([...command, "--objective", "mean"]);
  expect(out).toMatch(/^value -?[\d.]+, against the mean of all logits\n[\s\S]*\n\d+ nodes, \d+ edges\n/);
  await refused(
    [...command, "--objective", "sequence"],
    /^--objective: a graph is of one run of tokens, and two .*; explain/,
  );
  await refused(
    [...command, "--objective", "mean", "--contrast", "5"],
    /^--contrast: says nothing with --objective mean/,
  );
  await refused(
    [...command, "--objective", "mean", "--metrics"],
    /^--metrics: measures graphs of token pairs only; leave/,
  );
  await refused([...command, "--objective", "mean", "--mass", "2"], /^--mass: 2 is not a share/);
});

test("without --json a summary for people, with progress on a terminal", async () => {
  const args = ["graph", "--model", model, "--prompt", "ab cab", "--target", "1", "--contrast", "text:d"];
  const { code, out, err } = await culprit([...args, "--min-relevance", "0"], [], { progress: true });
  expect(code).toBe(0);
  expect(out).toMatch(/^delta -?\d+\.\d{4} = -?\d+\.\d{4} \(target 1 "b"\) - -?\d+\.\d{4} \(contrast 3 "d"\)\n/);
  expect(out).toMatch(/\nattnlrp, 4 tokens, /);
  expect(out).toMatch(/\n\d+ nodes, \d+ edges\n/);
  expect(out).toMatch(/\n {3}0 > 1 +4 +\d+ +10 +\d+\.\d% /);
  expect(out).toContain('\nLast token (position 3): 8 "ab"\n');
  expect(err).toMatch(/\r(load|forward|backward) +\[#*-*\] +\d+ %/);
  expect(err.slice(0, err.lastIndexOf("\r"))).toMatch(/\r +$/);
});

test("--metrics adds tables of metrics, paths and hubs for people", async () => {
  const { json, args } = golden("qwen3-a", folder);
  const { code, out } = await culprit([
    "graph",
    ...args.filter((one) => one !== "--json"),
    "--target",
    `${json.target}`,
    "--metrics",
  ]);
  expect(code).toBe(0);
  expect(out).toMatch(/\n +layers +fan-in +fan-out +Gini +vertical +first token +look-back\n +0 > 1 /);
  expect(out).toMatch(/\nstrongest paths into the last token, [^\n]+\n[^\n]+\)\n +\d+\.\d% +\d+ /);
  expect(out).toMatch(/\nhubs: [^\n]+\n/);
});

test("the help names the engine's defaults", async () => {
  const { out: wrapped } = await culprit(["graph", "--help"]);
  const out = wrapped.replaceAll(/\n {3,}/g, " ");
  for (
    const [option, standard] of [
      ["--mass SHARE", GRAPH_DEFAULTS.mass],
      ["--min-relevance LOGITS", GRAPH_DEFAULTS.minRelevance],
      ["--reach REACH", GRAPH_DEFAULTS.reach],
      ["--edge-budget N", GRAPH_DEFAULTS.edgeBudget],
    ] as const
  ) expect(out).toMatch(new RegExp(`\n  ${option} .*\\(default: ${standard}\\)\n`));
});

describe("graph refuses, before a model is loaded,", () => {
  const refusedWith = (more: readonly string[], line: RegExp) =>
    refused(["graph", "--model", model, "--ids", ids, "--contrast", "1", ...more], line);

  test("what attribute refuses, in its own name", async () => {
    await refused(["graph"], /^--model: is missing/);
    await refused(["graph", "--model", model, "--contrast", "1"], /^culprit graph: no input is given; give one of/);
    await refusedWith(["more"], /^culprit graph: "more" is not an option; quote/);
    await refusedWith(["--target", "1"], /^--contrast: target and contrast are the same token 1; give/);
    await refusedWith(["--rule", "lrp"], /^--rule: there is no rule "lrp"; give one of/);
  });

  test("transitions that are no ascending layers of the model", async () => {
    for (const text of ["", "0,,2", "0,x", "0;2", "0,1.5", "-1,2", "0,"]) {
      await refusedWith([`--transitions=${text}`], /^--transitions: ".*" is no list of layers; give whole numbers/);
    }
    for (const text of ["1", "2,1", "0,1,1", "0,99", "0,99999999999999999999"]) {
      await refusedWith(
        ["--transitions", text],
        /^--transitions: \[\d.*\] are not two or more ascending node layers; /,
      );
    }
    await refusedWith(["--transitions", "0,3"], /; use numbers from 0 \(embeddings\) to 2 \(after the last block\)\n$/);
  });

  test("numbers that are none, or out of range", async () => {
    for (const option of ["--mass", "--min-relevance", "--edge-budget"]) {
      for (const text of ["", "much", "0x1", "1,5", "NaN", "1e999"]) {
        await refusedWith([option, text], new RegExp(`^${option}: "${text}" is not a number; give a number, as `));
      }
    }
    for (const text of ["0", "-0.5", "1.01", "85"]) {
      await refusedWith([`--mass=${text}`], /^--mass: .* is not a share; use more than 0, at most 1/);
    }
    await refusedWith(["--min-relevance=-0.1"], /^--min-relevance: -0\.1 is no bound; use 0 or a positive number/);
    for (const text of ["0", "-1", "1.5"]) {
      await refusedWith([`--edge-budget=${text}`], /^--edge-budget: .* is no number of edges; use a positive whole/);
    }
  });

  test("a reach that is none, heads where edges have none", async () => {
    await refusedWith(["--reach", "first"], /^--reach: there is no reach "first"; give one of: last, all/);
    await refusedWith(
      ["--heads", "--rule", "gradient"],
      /^--heads: plain gradients do not split by head; use the rule/,
    );
    await refusedWith(["--heads", "--transitions", "0,2"], /^--heads: transitions that skip blocks .*; list adjacent/);
  });
});
