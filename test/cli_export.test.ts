/** The verbs study, run and export, each on the database of a test, the demo model and a copy of it. */
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { ablationExperiments } from "../schema/tables/ablation_tables.ts";
import { attributionGraphs, diagnoses, maskingExperiments } from "../schema/tables/analysis_tables.ts";
import { attributions, failureCases } from "../schema/tables/tables.ts";
import { summariseAblations } from "../server/ablation/ablation_job.ts";
import { ROOT } from "../server/base/settings.ts";
import { mean } from "../server/base/statistics/bootstrap.ts";
import { parseGraphFile } from "../web/src/graph/graph_data.ts";
import { culprit as runCommand, refused } from "./command_line.ts";
import { testDatabase } from "./database.ts";
import { globalId, graphqlClient } from "./graphql_client.ts";

const DEMO = join(ROOT, "models", "demo-1m");

const database = testDatabase();
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "culprit-export-"));
  vi.stubEnv("DATABASE_URL", database.url);
  vi.stubEnv("CULPRIT_HOME", folder);
  await cp(DEMO, join(folder, "copy"), { recursive: true });
  const lines = (await readFile(join(DEMO, "failure-cases-divergence.jsonl"), "utf8")).split("\n").slice(0, 3);
  await writeFile(join(folder, "cases.jsonl"), lines.join("\n"));
  await culprit("model", "add", DEMO);
  await culprit("import", "--from", "culprit", join(folder, "cases.jsonl"));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

/** Runs `culprit` on the test's database; gives its exit code, its lines of JSON, and what else it said. */
async function culprit(...args: string[]) {
  const { code, out, err: note } = await runCommand([...args, "--json"]);
  const lines = out.trim().split("\n").filter(Boolean).map((line) => JSON.parse(line) as Record<string, unknown>);
  return { code, lines, note };
}

test("run marks, attributes, builds graphs, diagnoses and masks, a line for each and totals; again nothing is new", async () => {
  const { db } = database.connection;
  const args = ["run", "--limit", "2", "--budget", "3", "--max-tokens", "0"];
  const first = await culprit(...args);
  expect(first.note).toBe("");
  const items = first.lines.slice(0, -1);
  expect(items.map(({ kind, status }) => `${kind} ${status}`)).toEqual(
    ["mark", "attribute", "graph", "diagnose", "mask"].flatMap((kind) => Array(2).fill(`${kind} COMPLETED`)),
  );
  for (const { id, key } of items) {
    expect(atob(id as string)).toMatch(/^TokenPair:\d+$/);
    expect(key).toMatch(/^demo-/);
  }
  expect(first.lines.at(-1)).toMatchObject({ total: 2, failed: 0, stages: { mask: { total: 2, done: 2, failed: 0 } } });
  const counts = async () => [
    await db.$count(attributions),
    await db.$count(attributionGraphs),
    await db.$count(diagnoses),
    await db.$count(maskingExperiments),
  ];
  const stored = await counts();
  expect(stored.every((count) => count >= 2)).toBe(true);
  expect(await culprit(...args)).toMatchObject({ code: 0 });
  expect(await counts()).toEqual(stored);
});

test("run sets heads to zero where it is asked to; what is stored is kept, read over GraphQL and summarised", async () => {
  const { db } = database.connection;
  const args = [
    ...["run", "--stages", "ablate", "--limit", "2", "--heads", "1,4", "--neurons", "0"],
    ...["--rankings", "attnlrp,random"],
  ];
  const first = await culprit(...args);
  expect(first.note).toBe("");
  expect(first.lines.at(-1)).toMatchObject({ total: 2, failed: 0, stages: { ablate: { done: 2 } } });
  const stored = await db.select().from(ablationExperiments).orderBy(ablationExperiments.id);
  expect(stored.map(({ unit, ranking, seed, counts }) => `${unit} ${ranking} ${seed} ${counts}`).slice(0, 4)).toEqual(
    ["attnlrp 0", "random 1", "random 2", "random 3"].map((order) => `heads ${order} 1,4`),
  );
  expect(stored).toHaveLength(8);
  await culprit(...args);
  expect(await db.select().from(ablationExperiments).orderBy(ablationExperiments.id)).toEqual(stored);

  const ask = graphqlClient(database, {
    summariseAblations: (condition, seed) => summariseAblations(db, condition, seed),
    showTokens: (_model, ids) => Promise.resolve(ids.map((id) => ({ text: `<${id}>`, special: false }))),
  });
  const { tokenPairId, curve, flipAway } = stored[0]!;
  const { data } = await ask(
    `query Read($id: ID!) {
      node(id: $id) {
        ... on TokenPair {
          ablationExperiments {
            unit ranking seed components flipAway
            steps { ablated delta argmax argmaxText concentration }
            ablated(count: 1) { layer index expert relevance }
          }
        }
      }
      ablationSummary { rankings { unit ranking counts cases away { rate } lost { value } concentration { value } } }
      other: ablationSummary(filter: { benchmark: "none", outcome: M_IA }) { rankings { cases } }
    }`,
    { id: globalId("TokenPair", tokenPairId) },
  );
  const own = data.node.ablationExperiments.find((one: { ranking: string }) => one.ranking === "ATTNLRP");
  const lead = curve.order[0]!;
  expect(own).toMatchObject({ unit: "HEADS", seed: 0, components: 16, flipAway });
  expect(own.ablated).toEqual([{ ...lead, expert: null, relevance: curve.relevance![0] }]);
  expect(own.steps.map(({ ablated }: { ablated: number }) => ablated)).toEqual([0, 1, 4]);
  expect(own.steps[1]).toMatchObject({
    delta: curve.steps[1]!.delta,
    argmaxText: `<${curve.steps[1]!.argmax}>`,
    concentration: curve.relevance![0]! / curve.positive!,
  });
  const { rankings } = data.ablationSummary;
  expect(rankings.map((one: { ranking: string; cases: number }) => `${one.ranking} ${one.cases}`))
    .toEqual(["ATTNLRP 2", "RANDOM 2"]);
  expect(rankings[0].counts).toEqual([1, 4]);
  expect(rankings[1].concentration).toBeNull();
  expect(data.other.rankings).toEqual([]);
});

test("graphs are written as files that the page reads, with a list", async () => {
  const out = join(folder, "graphs");
  const { code, lines } = await culprit("export", "graphs", "--out", out);
  expect(code).toBe(0);
  expect(lines.at(-1)).toEqual({ total: 2, folder: out });
  const listed = (await readFile(join(out, "graphs.jsonl"), "utf8")).trim().split("\n").map((line) => JSON.parse(line));
  expect(listed).toEqual(lines.slice(0, -1));
  expect((await readdir(out)).toSorted()).toEqual([...listed.map(({ file }) => file), "graphs.jsonl"].toSorted());
  for (const { file, rule, edges } of listed) {
    const bytes = await readFile(join(out, file));
    const graph = parseGraphFile(
      bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer,
    );
    expect(graph.rule).toBe(rule);
    expect(graph.transitions.reduce((sum, transition) => sum + transition.edges, 0)).toBe(edges);
  }
});

test("cases are written as they were imported, and change nothing when they are imported again", async () => {
  const out = join(folder, "again.jsonl");
  expect(await culprit("export", "cases", "--out", out)).toMatchObject({ code: 0 });
  const read = async (path: string) =>
    (await readFile(path, "utf8")).trim().split("\n").map((line) => JSON.parse(line));
  const [given, written] = [await read(join(folder, "cases.jsonl")), await read(out)];
  expect(written).toHaveLength(3);
  for (const [index, line] of written.entries()) {
    for (const field of ["key", "inputIds", "completionIds", "target", "contrast", "delta", "candidates"]) {
      expect(line[field], field).toEqual(given[index][field]);
    }
  }
  const { lines } = await culprit("import", "--from", "culprit", out);
  expect(lines.at(-1)).toMatchObject({ total: 3, inserted: 0, failed: 0 });
  expect(await database.connection.db.$count(failureCases)).toBe(3);
});

test("a study of a file's series: the same model twice has the same deltas", async () => {
  const path = join(folder, "series.json");
  const members = [{ model: "copy", label: "first" }, { model: "demo-1m", label: "second" }];
  await writeFile(path, JSON.stringify({ name: "twins", kind: "training", members }));
  const { code, lines, note } = await culprit("study", "--series", path);
  expect([code, note]).toEqual([0, ""]);
  expect(lines.slice(0, -1).filter(({ kind, status }) => kind === "study" && status === "COMPLETED")).toHaveLength(6);
  const { summary, total } = lines.at(-1) as {
    total: number;
    summary: { counts: object; members: { delta: { value: number; count: number } }[] };
  };
  expect(total).toBe(6);
  expect(summary.counts).toEqual({ corrected: 0, not_corrected: 3, undecided: 0 });
  const [one, other] = summary.members.map(({ delta }) => delta);
  expect(one!.value).toBe(other!.value);
  expect(one!.count).toBe(3);
});

test("preferences are written with a line for each pair", async () => {
  const out = join(folder, "pairs.jsonl");
  const { lines } = await culprit("export", "preferences", "--out", out, "--limit", "1", "--weights", "uniform");
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatchObject({ kind: "preference", status: "COMPLETED" });
  expect(lines[1]).toMatchObject({ total: 1, rows: 1, failed: 0, leftOut: {}, format: "trl-weighted", file: out });
  const row = JSON.parse(await readFile(out, "utf8"));
  expect(new Set(row.chosen_weights)).toEqual(new Set([1]));
});

test.each(["divergence/1", "uncertainty/1"])("preferences are written by %s", async (formula) => {
  const out = join(folder, "pairs.jsonl");
  const { lines } = await culprit("export", "preferences", "--out", out, "--limit", "1", "--formula", formula);
  expect(lines.at(-1)).toMatchObject({ total: 1, rows: 1, failed: 0, leftOut: {}, formula });
  const row = JSON.parse(await readFile(out, "utf8"));
  expect(row).toMatchObject({ formula, marks: "none" });
  for (const side of ["chosen", "rejected"]) {
    const weights = row[`${side}_weights`] as number[];
    expect(weights).toHaveLength(row[`${side}_ids`].length);
    expect(mean(weights)).toBeCloseTo(1, 9);
    expect(new Set(weights).size).toBeGreaterThan(1);
  }
});

describe("refuses with one line", () => {
  test.each<[string, string[], RegExp]>([
    ["no file", ["export", "cases"], /^--out: is missing/],
    [
      "a format that is none",
      ["export", "preferences", "--out", "x", "--format", "csv"],
      /^--format: "csv" is not known/,
    ],
    [
      "a formula that is none",
      ["export", "preferences", "--out", "x", "--formula", "entropy"],
      /^--formula: "entropy" is not known; give one of: instruction-share\/1, .*, divergence\/1, uncertainty\/1/,
    ],
    [
      "a stage that is none",
      ["run", "--stages", "attribute,guess"],
      /^--stages: "guess" is not known; give of: mark, attribute/,
    ],
    ["an outcome that is none", ["run", "--outcome", "maybe"], /^--outcome: "maybe" is no outcome; give of: M-IA/],
    ["counts that fall", ["run", "--heads", "4,2"], /^--heads: "2" is no count above the one before it; give whole/],
    ["a selection that is none", ["run", "--selection", "some"], /^--selection: "some" is no selection/],
    ["a rule that is none", ["study", "--series", "x", "--rule", "lrp"], /^--rule: "lrp" is no rule/],
    ["no series", ["study"], /^--series: is missing/],
    [
      "a file of series that is not there",
      ["study", "--series", "no.json"],
      /^--series: no\.json cannot be read; give/,
    ],
    [
      "preferences that cannot be written, before any work",
      ["export", "preferences", "--out", "/no/such/x"],
      /^--out: \/no\/such\/x cannot be written \(ENOENT\); name a file in a folder that is there/,
    ],
    ["a report that cannot be written", ["export", "report", "--out", "/no/such/x"], /^--out: .* cannot be written/],
    [
      "nothing to export",
      ["export"],
      /^culprit: there is no verb "export"; give one of: export cases, export graphs, /,
    ],
    [
      "something else to export",
      ["export", "all"],
      /^culprit: there is no verb "export all"; give one of: export cases/,
    ],
  ])("%s", async (_, args, line) => {
    await refused(args, line);
  });

  test("a model that is not there, and a selection of nothing", async () => {
    const nobody = await culprit("export", "cases", "--out", join(folder, "x"), "--model", "nobody");
    expect(nobody).toMatchObject({
      code: 2,
      lines: [],
      note: expect.stringMatching(/^--model: there is no model "nobody"/),
    });
    const nothing = await culprit("export", "cases", "--out", join(folder, "x"), "--key", "no such key");
    expect(nothing).toMatchObject({
      code: 2,
      note: expect.stringMatching(/^--key: no token pair fits; ask for fewer/),
    });
  });
});
