/// <reference lib="dom" />
/** What keeps people out: axe-core over every room in both themes, reading on a phone, and words nobody explains. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchChromium } from "./browser_chromium.ts";
import { eq } from "drizzle-orm";
import { GLOSSARY } from "../figures/glossary.ts";
import { modelSeries, objectiveAttributions, studies, studyPairs } from "../schema/tables/analysis_tables.ts";
import { attributions, failureCases, responses, tokenPairs } from "../schema/tables/tables.ts";
import { storeModel, storePair, testDatabase } from "./database.ts";
import { type LongCase, storeLongCase } from "./long_case.ts";
import { type PageServer, startPageServer } from "./page_server.ts";

const database = testDatabase();
const PHONE = { width: 360, height: 740 };

let server: PageServer;
let browser: Browser;
let short: LongCase;
let long: LongCase;

beforeAll(async () => {
  short = await storeLongCase(database.connection.db, { tokens: 300, blocks: 4, edges: 400 }, "short");
  long = await storeLongCase(database.connection.db, { tokens: 3000, blocks: 4, edges: 4000 }, "long");
  const modelId = await storeModel(database);
  for (let index = 0; index < 60; index++) await storePair(database, modelId, `a-case-with-a-name-as-long-as-${index}`);
  await database.connection.db.insert(responses).values({
    modelId,
    benchmark: "a-benchmark",
    task: "task",
    key: "an-answer-with-a-name-as-long-as-the-names-of-others/task/0123456789ab",
    filter: "none",
    docHash: "",
    promptHash: "",
    prompt: "",
    promptIds: [],
    completion: "An answer that goes on for a while, so that a line of it is not enough on a phone.",
    completionIds: [],
    passed: false,
    disagrees: true,
    verdict: {
      passed: false,
      reason: "for a reason in one line",
      detail: { log: { passed: true }, counts: "checker" },
    },
    source: "imported",
    contentHash: "",
  });
  await storeStudyOf("short", modelId);
  server = await startPageServer(database.url);
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

/** A study of the pair of a stored case over its own model and another, and an objective at that pair. */
async function storeStudyOf(key: string, otherModel: number): Promise<void> {
  const { db } = database.connection;
  const [row] = await db.select({ pair: tokenPairs.id, attribution: attributions })
    .from(failureCases)
    .innerJoin(tokenPairs, eq(tokenPairs.failureCaseId, failureCases.id))
    .innerJoin(attributions, eq(attributions.tokenPairId, tokenPairs.id))
    .where(eq(failureCases.key, key));
  const { pair, attribution: { id: _id, ...attribution } } = row!;
  await db.insert(attributions).values({ ...attribution, modelId: otherModel, logitDifference: -1.5 });
  const members = [attribution.modelId, otherModel].map((modelId, position) => ({
    modelId,
    label: `a member with a long name, ${position}`,
    position,
  }));
  const [series] = await db.insert(modelSeries).values({ name: "a-series-of-models", kind: "scaling", members })
    .returning({ id: modelSeries.id });
  const [study] = await db.insert(studies).values({ seriesId: series!.id, rule: "attnlrp", name: "a-study" })
    .returning({ id: studies.id });
  await db.insert(studyPairs).values({ studyId: study!.id, tokenPairId: pair });
  await db.insert(objectiveAttributions).values({
    tokenPairId: pair,
    modelId: attribution.modelId,
    rule: "attnlrp",
    objective: { kind: "logit" },
    objectiveHash: "logit",
    value: 3,
    terms: [],
    inputIds: [1, 2, 3],
    tokenTexts: ["a-token-without-any-space-in-it-that-is-long", " b", " c"],
    relevance: [1, -2, 0.5],
    branches: [],
    adapter: "random numbers",
    engine: attribution.engine,
    seconds: 1,
  });
}

const VIEWS: Readonly<Record<string, { readonly address: () => string; readonly ready: string }>> = {
  cases: { address: () => "#/cases", ready: ".cases tbody tr" },
  answers: { address: () => "#/cases?list=answers", ready: ".answer-table tbody tr" },
  heatmap: { address: () => `#/case/${encodeURIComponent(short.id)}`, ready: "[role=option].heated" },
  "long heatmap": { address: () => `#/case/${encodeURIComponent(long.id)}`, ready: "[role=option].heated" },
  graph: { address: () => `#/case/${encodeURIComponent(short.id)}?view=graph`, ready: ".graph-canvas" },
  masking: { address: () => `#/case/${encodeURIComponent(short.id)}?view=masking`, ready: ".masking" },
  compare: {
    address: () => `#/case/${encodeURIComponent(short.id)}?view=compare`,
    ready: "main .notice, .compare-side",
  },
  run: { address: () => "#/run", ready: "main section >> visible=true" },
  studies: { address: () => "#/studies", ready: ".study .drawing" },
  ask: { address: () => "#/ask", ready: ".ask-form textarea" },
  glossary: { address: () => "#/glossary", ready: ".glossary dt" },
  "graph file": { address: () => "#/graph", ready: "input[type=file]" },
};

async function open(page: Page, view: string): Promise<void> {
  const { address, ready } = VIEWS[view] ?? { address: () => "", ready: "main" };
  await page.goto(`${server.address}/${address()}`);
  await page.waitForSelector(ready);
  for (const [fold, inside] of FOLDS[view] ?? []) {
    await page.click(`summary:has-text('${fold}')`);
    await page.waitForSelector(inside);
  }
}

/** What is only there when somebody opens it. */
const FOLDS: Readonly<Record<string, readonly (readonly [fold: string, inside: string])[]>> = {
  cases: [["Run on these", ".list .filter"]],
  heatmap: [
    ["Label outcome and pattern yourself", ".label-panel"],
    ["Explain something else", ".objectives article"],
    ["Say which tokens of the prompt", ".annotate-buttons"],
  ],
};

interface Finding {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// Pages stay open: where the browser is a single process, the last one that closes ends it.

/** Serious and critical findings of axe-core, one line each. */
async function audit(page: Page): Promise<readonly string[]> {
  await page.evaluate(AXE);
  const violations = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: readonly Finding[] }> } };
    return (await axe.run()).violations;
  });
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) =>
      `${id}: ${nodes.slice(0, 3).map(({ html, failureSummary }) => `${html} ${failureSummary}`)}`
    );
}

for (const colorScheme of ["light", "dark"] as const) {
  test(`axe-core finds nothing serious in any view, ${colorScheme}`, async () => {
    // The script comes from this test, which the page's content security policy would refuse.
    const page = await browser.newPage({ colorScheme, bypassCSP: true });
    for (const view of Object.keys(VIEWS)) {
      await open(page, view);
      if (view === "cases") await page.click("button:has-text('Jobs')");
      expect(await audit(page), view).toEqual([]);
    }
  });
}

test("the audit finds what is wrong when there is something", async () => {
  const page = await browser.newPage({ bypassCSP: true });
  await open(page, "cases");
  await page.evaluate(() => document.querySelector("main")?.append(document.createElement("select")));
  expect(await audit(page)).toEqual([expect.stringMatching(/^select-name/)]);
});

test("a word says what it means to the mouse, to keys and to a finger, and Escape puts it away", async () => {
  const page = await browser.newPage();
  await open(page, "cases");
  const tip = page.locator("[role=tooltip]");
  await page.hover(".cases th .term[data-term=delta]");
  await tip.waitFor();
  expect(await tip.textContent()).toBe(`${GLOSSARY.delta.name}${GLOSSARY.delta.meaning}`);
  // Who reads it may go over it; elsewhere it goes.
  await tip.hover();
  expect(await tip.count()).toBe(1);
  await page.hover(".count-line");
  await tip.waitFor({ state: "detached" });
  await page.focus(".cases th .term[data-term=target]");
  await page.keyboard.press("Tab");
  expect(await tip.locator("strong").textContent()).toBe(GLOSSARY.contrast.name);
  await page.keyboard.press("Escape");
  expect(await tip.count()).toBe(0);
  // Without pointing, too: what a screen reader says of it.
  const said = await page.$$eval("[data-term] [aria-description], [data-term][aria-description]", (all) => all.length);
  expect(said).toBeGreaterThan(10);
  const phone = await browser.newPage({ viewport: PHONE, hasTouch: true, isMobile: true });
  await open(phone, "heatmap");
  await phone.tap(".verdict .term[data-term=contrast]");
  await phone.waitForSelector(`[role=tooltip]:has-text("${GLOSSARY.contrast.name}")`);
  await phone.tap(".controls label[data-term=normalised]");
  await phone.waitForSelector(`[role=tooltip]:has-text("${GLOSSARY.normalised.meaning.slice(0, 20)}")`);
  expect(await phone.isChecked(".controls label[data-term=normalised] input")).toBe(true);
  await phone.tap("h1");
  await phone.waitForSelector("[role=tooltip]", { state: "detached" });
});

test("on a phone of 360 pixels no room scrolls sideways, nor does it when the numbers of a token are shown", async () => {
  const page = await browser.newPage({ viewport: PHONE, hasTouch: true, isMobile: true });
  /** What reaches beyond the window's width, and whether the page does. */
  const wide = () =>
    page.evaluate((width) =>
      document.documentElement.scrollWidth <= width ? [] : [
        `${document.documentElement.scrollWidth} pixels`,
        ...[...document.querySelectorAll("main *, header *")]
          .filter((element) => element.getBoundingClientRect().right > width + 1 && element.closest(".scroll") === null)
          .slice(0, 5).map((element) => element.outerHTML.slice(0, 120)),
      ], PHONE.width);
  for (const view of Object.keys(VIEWS)) {
    await open(page, view);
    expect(await wide(), view).toEqual([]);
    expect(await page.evaluate(() => innerWidth), view).toBe(PHONE.width);
    const chip = await page.$("[role=option]");
    if (chip === null) continue;
    await chip.tap();
    await page.waitForSelector("[role=tooltip]");
    expect(await wide(), view).toEqual([]);
  }
});

test("first load: all scripts together are at most 170 kB compressed", async () => {
  const page = await browser.newPage();
  const scripts: string[] = [];
  page.on("request", (request) => request.resourceType() === "script" && scripts.push(request.url()));
  await open(page, "cases");
  expect(scripts.length).toBeGreaterThan(0);
  let bytes = 0;
  for (const url of scripts) {
    const { body } = await fetch(url, { headers: { "accept-encoding": "identity" } });
    const compressed = new Response(body?.pipeThrough(new CompressionStream("gzip")) ?? null);
    bytes += (await compressed.arrayBuffer()).byteLength;
  }
  expect(bytes).toBeGreaterThan(10_000);
  expect(bytes).toBeLessThanOrEqual(170_000);
});
