/// <reference lib="dom" />
/** What keeps people out: axe-core over the main views in both themes, and reading on a phone. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchChromium } from "./browser_chromium.ts";
import { responses } from "../schema/tables/tables.ts";
import { storeModel, storePair, testDatabase } from "./database.ts";
import { type LongCase, storeLongCase } from "./long_case.ts";
import { type PageServer, startPageServer } from "./page_server.ts";

const database = testDatabase();
const PHONE = { width: 390, height: 844 };

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
  server = await startPageServer(database.url);
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

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
  studies: { address: () => "#/studies", ready: "main h1 >> visible=true" },
};

async function open(page: Page, view: string): Promise<void> {
  const { address, ready } = VIEWS[view] ?? { address: () => "", ready: "main" };
  await page.goto(`${server.address}/${address()}`);
  await page.waitForSelector(ready);
}

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
      if (view === "cases") {
        await page.click("summary:has-text('Run on these')");
        await page.click("button:has-text('Jobs')");
      }
      if (view === "heatmap") {
        await page.click("summary:has-text('Label outcome and pattern yourself')");
        await page.waitForSelector(".label-panel");
      }
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

test("on a phone no view scrolls sideways, nor does it when the numbers of a token are shown", async () => {
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
