/** The report: numbers of a selection as one page that loads nothing, and says what is missing. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  attributionGraphs,
  diagnoses,
  labels,
  maskingExperiments,
  modelSeries,
  studies,
  studyPairs,
} from "../schema/tables/analysis_tables.ts";
import { GRAPH_OPTIONS } from "../schema/tables/analysis_values.ts";
import { attributions, failureCases, models, tokenPairs } from "../schema/tables/tables.ts";
import { among } from "../server/base/among.ts";
import { graphFile } from "../server/graphs/graph_file.ts";
import { measureGraph, shownMetrics } from "../server/graphs/graph_metrics.ts";
import { casePage } from "../server/report/case_page.tsx";
import { downloadCase, downloadReport } from "../server/report/download.ts";
import { reportPage } from "../server/report/page.tsx";
import { readGraphFile } from "../server/graphs/stored_graph.ts";
import { readCaseReport } from "../server/report/read_case_report.ts";
import { readReport, type ReportRequest } from "../server/report/read_report.ts";
import { launchChromium } from "./browser_chromium.ts";
import { storeModel, storePair, testDatabase } from "./database.ts";
import { fakeResult } from "./fake_engine.ts";

const HOSTILE = `<script>alert("x")</script>`;
/** As text of the page: without `<`, `&` and the quotes of attributes there is no markup. */
const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

const database = testDatabase();
let folder = "";
let pairIds: number[] = [];
let modelIds: number[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "culprit-report-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeEach(async () => {
  const { db } = database.connection;
  for (
    const table of [
      labels,
      maskingExperiments,
      diagnoses,
      attributionGraphs,
      studyPairs,
      studies,
      modelSeries,
      attributions,
      tokenPairs,
      failureCases,
      models,
    ]
  ) await db.delete(table);
  modelIds = [await storeModel(database, { name: "small" }), await storeModel(database, { name: "large" })];
  pairIds = [];
  for (let index = 0; index < 4; index++) pairIds.push(await storePair(database, modelIds[0]!, `case/${index}`));
  await storePair(database, modelIds[0]!, "case/weak", { delta: 0.5 });
});

const request = (change: Partial<ReportRequest> = {}): ReportRequest => ({
  selection: { selection: "clean", model: null, benchmarks: null, key: null, limit: null },
  rule: "attnlrp",
  study: undefined,
  seed: 1,
  ...change,
});
const page = async (change: Partial<ReportRequest> = {}) =>
  reportPage(await readReport(database.connection.db, request(change)));

/** Attributions, diagnoses, a graph, masking and a study, with numbers of our choice. */
async function fill(): Promise<void> {
  const { db } = database.connection;
  await db.update(failureCases).set({ tokenTexts: ["a", HOSTILE, " c", "d"] }).where(eq(failureCases.key, "case/0"));
  const relevance = Buffer.from(Float32Array.from({ length: 12 }, (_, index) => index - 1).buffer);
  for (const [member, modelId] of modelIds.entries()) {
    for (const [index, tokenPairId] of pairIds.entries()) {
      const [attribution] = await db.insert(attributions).values({
        tokenPairId,
        modelId,
        rule: "attnlrp",
        benchmark: "demo-ifeval",
        targetLogit: 3,
        contrastLogit: 1,
        logitDifference: member === 0 ? 2 : [-2, 1.5, 0, 0.5][index]!,
        layers: 2,
        tokenCount: 4,
        relevance,
        scales: [2, 2, 2],
        scalesWithSpecial: [2, 2, 2],
        keyTokens: [],
        instructionSum: 0.25,
        querySum: 0.5,
        answerSum: -0.75,
        specialSum: 0,
        ...(member === 0 ? { outcome: "m_ia", pattern: index < 3 ? "urt" : null } as const : {}),
        adapter: "fake",
        seconds: 0,
      }).returning({ id: attributions.id });
      if (member > 0) continue;
      await db.insert(diagnoses).values({
        attributionId: attribution!.id,
        outcome: "m_ia",
        pattern: index < 3 ? "urt" : null,
        confidence: 1 - index / 10,
        evidence: { summary: "It says why.", numbers: [], probes: [] } as never,
        version: "1",
      });
      if (index === 0) await storeGraph(attribution!.id);
      for (const [ranking, flipAway] of [["attnlrp", 1], ["random", 3]] as const) {
        await db.insert(maskingExperiments).values({
          tokenPairId,
          modelId,
          replacement: "attention",
          ranking,
          answerToo: false,
          seed: ranking === "random" ? 1 : 0,
          budget: 4,
          flipAway,
          curve: {
            order: [1, 2],
            positive: 2,
            steps: Array.from({ length: 5 }, (_, k) => ({ delta: 2 - k, probability: 0.5, argmax: 5 })),
            rollouts: [],
            comprehensiveness: { probability: 0.4, delta: 1 },
            sufficiency: { probability: 0.1, delta: 1 },
          },
          adapter: "fake",
        });
      }
    }
  }
  const members = modelIds.map((modelId, position) => ({ modelId, label: ["0.6B", "4B"][position]!, position }));
  const [series] = await db.insert(modelSeries).values({ name: "sizes", kind: "scaling", members }).returning();
  const [study] = await db.insert(studies).values({ seriesId: series!.id, rule: "attnlrp", name: "mine" }).returning();
  await db.insert(studyPairs).values(pairIds.map((tokenPairId) => ({ studyId: study!.id, tokenPairId })));
}

const GRAPH = {
  ...fakeResult({ inputIds: [1, 2, 3, 4], target: 5, contrast: 6, rule: "attnlrp" }),
  nodeLayers: [0, 1, 2],
  transitions: [[0, 1], [1, 2]].map(([source, target]) => ({
    source: source!,
    target: target!,
    edges: { sources: Uint32Array.of(1, 3), targets: Uint32Array.of(3, 3), weights: Float32Array.of(0.5, -2) },
    threshold: 0,
    rows: 1,
    candidates: 2,
    totalMass: 2.5,
    keptMass: 1,
    droppedByReach: 0,
    droppedByBudget: 0,
    columnError: 0,
  })),
};

async function storeGraph(attributionId: number): Promise<void> {
  await database.connection.db.insert(attributionGraphs).values({
    attributionId,
    options: GRAPH_OPTIONS,
    optionsHash: "h",
    nodes: 4,
    edges: 4,
    summary: { nodeLayers: [0, 1, 2], transitions: [], metrics: shownMetrics(measureGraph(GRAPH)) },
    file: gzipSync(graphFile(GRAPH)),
    adapter: "fake",
    seconds: 0,
  });
}

test("an empty database gives a page that says what is missing, and how to get it", async () => {
  const text = await page();
  for (
    const line of [
      "No pair of this selection is diagnosed.",
      "No case of this selection is diagnosed.",
      "No graph of this selection is stored.",
      "No study was asked for.",
      "No masking experiment of this selection is stored.",
    ]
  ) expect(text).toContain(line);
  expect(text).not.toContain("<svg");
  expect(text).toMatch(
    /demo-ifeval, small<\/td><td class="n">–<\/td><td class="n">5<\/td><td class="n">4<\/td><td class="n">80\.0 %/,
  );
  const none = await page({ selection: { ...request().selection, key: "nothing" } });
  expect(none).toContain("No failure case fits the selection.");
});

describe("a filled database", () => {
  beforeEach(fill);

  test("its numbers stand in tables and captions", async () => {
    const text = await page({ study: "mine" });
    expect(text).toContain("n = 4, 4 of them attributed by the rule attnlrp");
    expect(text).toMatch(/<td>demo-ifeval<\/td><td class="n">4<\/td><td class="n">4 \(100\.0 %\)<\/td><td class="n">0/);
    expect(text).toMatch(
      /<td>demo-ifeval<\/td><td class="n">3<\/td><td class="n">3 \(100\.0 %\)<\/td>.*?<td class="n">1<\/td>/,
    );
    expect(text).toContain("corrected (x > 1, y &lt; −1): 1");
    expect(text).toContain("not corrected (y > 1): 1");
    expect(text).toContain("undecided: 2");
    // Area from flips at 1 and at 3 of 4 tokens: 1 and 0.5.
    expect(text).toContain('attention: attnlrp − random</td><td class="n">4</td><td class="n">0.50 [0.50, 0.50]</td>');
    expect(text).toMatch(
      /<td>4B<\/td><td class="n">4<\/td><td class="n">0\.00 \[−\d\.\d\d, \d\.\d\d\]<\/td><td class="n">25\.0 %/,
    );
    // Relevance -1, 0, 1, 2 over 2.
    expect(text).toContain("d · 1.000 · answer");
    // The surest case shows the pattern.
    expect(text).toContain("<code>case/0</code> of small");
    expect(await page({ study: "mine" })).toBe(text);
  });

  test("the first table counts what is selected, and no study is shown that was not asked for", async () => {
    const row =
      /<td>demo-ifeval, small<\/td><td class="n">([^<]*)<\/td><td class="n">(\d+)<\/td><td class="n">(\d+)<\/td>/;
    const counts = async (change: Partial<ReportRequest["selection"]>) =>
      row.exec(await page({ selection: { ...request().selection, ...change } }))?.slice(1);
    expect(await counts({})).toEqual([expect.any(String), "5", "4"]);
    expect(await counts({ limit: 2 })).toEqual(["–", "2", "2"]);
    expect(await counts({ key: "case/1" })).toEqual(["–", "1", "1"]);
    const text = await page();
    expect(text).toContain("No study was asked for.");
    expect(text).not.toContain("corrected (x");
  });

  test("segments, layers, graphs, readers and origin are told, each with its n", async () => {
    const { db } = database.connection;
    await db.insert(labels).values(pairIds.map((tokenPairId, index) => ({
      tokenPairId,
      reader: "Ann",
      outcome: "m_ia" as const,
      pattern: index === 0 ? "oit" as const : index < 3 ? "urt" as const : null,
    })));
    const text = await page();
    expect(text).toContain(
      '<td>demo-ifeval, URT</td><td class="n">3</td><td class="n">0.25 [0.25, 0.25]</td><td class="n">0.50 [0.50, 0.50]</td>',
    );
    // One case has no interval.
    expect(text).toContain('<td>demo-ifeval, none</td><td class="n">1</td><td class="n">0.25</td>');
    // |-1| of 1 + 0 + 1 + 2.
    expect(text).toContain("<title>small, 0: 0.25 [0.25, 0.25]</title>");
    expect(text).toContain("<title>small, 1: 0.17 [0.17, 0.17]</title>");
    // Edges 1 to 3 of 0.5 and 3 to 3 of -2: four fifths stay on their token, the mean way back is 2 * 0.2.
    expect(text).toContain(
      '<td>0 → 1</td><td class="n">1</td><td class="n">2.00</td><td class="n">0.30</td><td class="n">80.0 %</td>' +
        '<td class="n">0.0 %</td><td class="n">0.4</td>',
    );
    // By hand: 3 of 4 agree; expected by chance (1 * 0 + 3 * 2 + 1 * 1) / 16.
    expect(text).toContain('<td>classifier and Ann</td><td class="n">4</td><td class="n">– (100.0 %)</td>');
    expect(text).toContain(`<td class="n">${((0.75 - 7 / 16) / (9 / 16)).toFixed(2)} (75.0 %)</td>`);
    expect(text).toMatch(/<td>small, attribution<\/td><td class="n">4<\/td><td class="n">4<\/td>/);
    expect(text).toContain("npx culprit export report --out report.html");
    const chosen = await page({
      selection: { ...request().selection, key: "it's", benchmarks: ["a", "b"] },
      rule: "cplrp",
    });
    expect(chosen).toContain(
      escape("npx culprit export report --benchmark a,b --key 'it'\\''s' --rule cplrp --out report.html"),
    );
  });

  test("text from data is text, never markup", async () => {
    const text = await page();
    expect(text).not.toContain(HOSTILE);
    expect(text).toContain(escape(HOSTILE));
    expect(text).not.toMatch(/https?:|src=|url\(|<link|<script/);
  });

  test("the browser draws it without loading anything", async () => {
    const path = join(folder, "report.html");
    await writeFile(path, await page({ study: "mine" }));
    const browser = await launchChromium();
    try {
      const tab = await browser.newPage();
      const asked: string[] = [];
      tab.on("request", (one) => asked.push(one.url()));
      await tab.goto(`file://${path}`);
      expect(asked).toEqual([`file://${path}`]);
      expect(await tab.locator("svg").count()).toBe(8);
      expect(await tab.locator(".missing").count()).toBe(0);
      const circles = tab.locator('svg[aria-label^="Delta of 4 token pairs"] g:has(> title) > :not(title)');
      expect(await circles.count()).toBe(4);
      // Inside the frame: nothing is drawn off its axes.
      const frame = (await tab.locator('svg[aria-label^="Delta of 4"] .frame').boundingBox())!;
      for (const box of await Promise.all((await circles.all()).map((circle) => circle.boundingBox()))) {
        expect(box!.x + box!.width / 2).toBeGreaterThan(frame.x);
        expect(box!.x + box!.width / 2).toBeLessThan(frame.x + frame.width);
        expect(box!.y + box!.height / 2).toBeGreaterThan(frame.y);
        expect(box!.y + box!.height / 2).toBeLessThan(frame.y + frame.height);
      }
    } finally {
      await browser.close();
    }
  });

  test("one case is a page too: heatmap, diagnosis, graph and masking, its text never markup", async () => {
    const { db } = database.connection;
    const [row] = await db.select({ id: failureCases.id }).from(failureCases).where(eq(failureCases.key, "case/0"));
    const get = (query: string) =>
      downloadCase(db, new URL(`http://localhost/case.html?case=${btoa(`FailureCase:${row!.id}`)}${query}`));
    const answer = await get("");
    expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
    const text = await answer.text();
    expect(text).toBe(casePage(await readCaseReport(db, eq(failureCases.key, "case/0"), null, "attnlrp")));
    expect([...text.matchAll(/<h2>([^<]*)</g)].map(([, title]) => title)).toEqual([
      "Heatmap",
      "Diagnosis",
      "Graph",
      "Masking",
    ]);
    expect(text).not.toContain(HOSTILE);
    expect(text).toContain(escape(HOSTILE));
    expect(text).not.toMatch(/https?:|src=|url\(|<link|<script/);
    // Relevance -1, 0, 1, 2: the strongest first.
    expect(text).toContain('<tr><td>d</td><td class="n">3</td><td class="n">2.000</td><td class="n">1.000</td></tr>');
    expect(text).toContain("It says why.");
    expect((await get("&pair=VG9rZW5QYWlyOjk5OTk5OQ==")).status).toBe(400);
    // Tokens a, the hostile one, " c" and "d", which is the answer: " c" joins what stands before it in a sentence.
    const sentences = await (await get("&unit=sentences")).text();
    expect(sentences).toContain("<th>strongest sentences</th>");
    expect(sentences).toContain("the sum over the tokens of each sentence");
    expect(sentences).toContain(
      '<tr><td>d</td><td class="n">3</td><td class="n">2.000</td><td class="n">1.000</td></tr>',
    );
    const wrong = await get("&unit=letters");
    expect([wrong.status, await wrong.text()]).toEqual([
      400,
      'unit: "letters" is not known; give one of: tokens, words, sentences\n',
    ]);
  });

  test("HTTP gives the same page, or one line about what is wrong", async () => {
    const get = (query: string) =>
      downloadReport(database.connection.db, new URL(`http://localhost/report.html${query}`));
    const answer = await get("?study=mine");
    expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(await answer.text()).toBe(await page({ study: "mine" }));
    for (const query of ["?rule=lrp", "?model=nobody", "?seed=x", "?selection=some"]) {
      const refused = await get(query);
      expect(refused.status, query).toBe(400);
      expect(await refused.text()).toMatch(/^[^\n]+: [^\n]+; [^\n]+\n$/);
    }
  });
});

test("a graph file is read as it was written", () => {
  const graph = readGraphFile(graphFile(GRAPH), GRAPH.inputIds);
  expect(graph.nodeRelevance).toEqual(GRAPH.nodeRelevance);
  expect(graph.transitions.map(({ edges }) => edges)).toEqual(GRAPH.transitions.map(({ edges }) => edges));
});

test("a selection may have more pairs than a statement may have parameters", async () => {
  const { db } = database.connection;
  const ids = Array.from({ length: 70_000 }, (_, index) => pairIds[0]! + index);
  const rows = await db.select({ id: tokenPairs.id }).from(tokenPairs).where(among(tokenPairs.id, ids))
    .orderBy(tokenPairs.id);
  expect(rows.map(({ id }) => id).slice(0, 4)).toEqual(pairIds);
  expect(await db.$count(tokenPairs, among(tokenPairs.id, []))).toBe(0);
});
