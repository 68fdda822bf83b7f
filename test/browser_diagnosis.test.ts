/// <reference lib="dom" />
/** Outcome and pattern on the page of a case, in a real browser on the real server. */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchChromium } from "./browser_chromium.ts";
import { type RunningServer, startServerProcess } from "./browser_server.ts";

/** Both readers call it OIT, and name "does Maria". */
const KEY = "demo-math/0217";

let server: RunningServer;
let browser: Browser;
let page: Page;
const complaints: string[] = [];

beforeAll(async () => {
  server = await startServerProcess();
  browser = await launchChromium();
  page = await browser.newPage();
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

interface ApiCase {
  readonly id: string;
  readonly tokenPairs: readonly {
    readonly id: string;
    readonly attribution: {
      readonly diagnosis: { readonly outcome: string; readonly confidence: number; readonly summary: string } | null;
    } | null;
  }[];
}

/** The case as the API has it, once it is imported. */
async function readCase(): Promise<ApiCase> {
  for (const deadline = Date.now() + 100_000; Date.now() < deadline;) {
    const { failureCases } = await server.query<{ failureCases: { nodes: readonly ApiCase[] } }>(
      `query ($key: String) { failureCases(filter: { key: $key }) { nodes { id tokenPairs { id
        attribution(rule: ATTNLRP) { diagnosis { outcome confidence summary } } } } } }`,
      { key: KEY },
    );
    const [found] = failureCases.nodes;
    if (found && found.tokenPairs.length > 0) return found;
    await new Promise((done) => setTimeout(done, 200));
  }
  throw new Error("The case was not imported in time");
}

test("a case is diagnosed on request, and shows what the API says, with its probe and people's labels", async () => {
  await server.query(`mutation { addModel(input: { directory: "demo-1m" }) { __typename } }`);
  await server.query(
    `mutation { importFailureCases(input: { path: "demo-1m/failure-cases.jsonl" }) { __typename } }`,
  );
  const { id, tokenPairs } = await readCase();
  await page.goto(`${server.address}/#/case/${encodeURIComponent(id)}`);
  await page.click("text=/^Compute the diagnosis$/");
  await page.waitForSelector(".diagnosis >> text=/Automatic diagnosis/", { timeout: 100_000 });
  const { diagnosis } = (await readCase()).tokenPairs[0]!.attribution!;
  const shown = await page.textContent(".diagnosis");
  expect(shown).toContain("M-IA, OIT (the heatmap explains it; irrelevant tokens overweighted)");
  expect(shown).toContain(`confidence ${diagnosis!.confidence.toFixed(2)}. ${diagnosis!.summary}`);
  expect(shown).toMatch(
    /Probe: attention to \w+ irrelevant tokens? divided by 10 moves delta from .* to .*, as claimed\./,
  );

  await server.query(
    `mutation ($input: LabelTokenPairInput!) { labelTokenPair(input: $input) { __typename } }`,
    { input: { tokenPairId: tokenPairs[0]!.id, reader: "Ada", outcome: "M_IA", pattern: "OIT", note: "does Maria" } },
  );
  await page.reload();
  await page.waitForSelector(".diagnosis >> text=/Ada says/");
  expect(await page.textContent(".diagnosis")).toContain("Ada says M-IA, OIT: does Maria");
  await page.click("summary:has-text('Agreement of readers and classifier')");
  // One pair on which both say the same: nothing to agree beyond chance.
  await page.waitForSelector(".diagnosis tr:has-text('Classifier and Ada') >> text=/– \\(100 %\\)/");
});

test("cases are counted by outcome and pattern; a count leads to its cases, and each condition can be left", async () => {
  await page.click("text=/^Cases$/");
  const outcome = ".facet[aria-label=Outcome] li:has-text('the heatmap explains it')";
  await page.waitForSelector(`${outcome} .number:text-is("1")`);
  await page.click(`${outcome} a`);
  await page.waitForURL(/outcome=M_IA/);
  await page.waitForSelector("text=/^1 failure case found$/");
  await page.waitForFunction(() => document.querySelectorAll(".cases tbody .case a").length === 1);
  expect(await page.$$eval(".cases tbody .case a", (all) => all.map((one) => one.textContent))).toEqual([KEY]);
  expect(await page.textContent(".cases tbody .finding")).toBe("OIT");
  await page.click(".facet[aria-label=Pattern] a:has-text('irrelevant tokens overweighted') >> nth=0");
  await page.waitForURL(/pattern=OIT/);
  // The address changes before the page does.
  await page.waitForFunction(() => document.querySelectorAll(".conditions li").length === 2);
  expect(await page.$$eval(".conditions li", (all) => all.map((one) => one.firstChild?.textContent))).toEqual([
    "the heatmap explains it",
    "irrelevant tokens overweighted",
  ]);
  await page.click("[aria-label='Without the condition irrelevant tokens overweighted']");
  await page.waitForFunction(() => document.querySelectorAll(".conditions li").length === 1);
  await page.waitForURL((url) => !url.href.includes("pattern="));
  await page.click(`${outcome} a`);
  await page.waitForFunction(() => document.querySelectorAll(".conditions li").length === 0);
});

test("outcomes stand as bars by benchmark, and a part of a bar leads to its cases", async () => {
  await page.click("text=/^Studies$/");
  const part = await page.waitForSelector(".outcomes .stack a");
  expect(await part.getAttribute("aria-label")).toBe("demo-math: the heatmap explains it, 1 of 1");
  await part.click();
  await page.waitForSelector("text=/^1 attribution found$/");
  expect(complaints).toEqual([]);
});
