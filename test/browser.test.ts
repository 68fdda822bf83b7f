/// <reference lib="dom" />
/** The page in a real browser on the real server: what it shows is what the API says. */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { paint } from "../figures/colour.ts";
import { launchChromium } from "./browser_chromium.ts";
import { type RunningServer, startServerProcess } from "./browser_server.ts";

const CASES = "demo-1m/failure-cases.jsonl";

let server: RunningServer;
let browser: Browser;
let page: Page;
/** What went wrong in the page: script errors and refusals of the content security policy. */
const complaints: string[] = [];

beforeAll(async () => {
  server = await startServerProcess();
  browser = await launchChromium();
  page = await browser.newPage();
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  await page.goto(server.address);
});

afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

interface ApiJob {
  readonly status: string;
  readonly error: { readonly message: string } | null;
  readonly report: { readonly failed: readonly { readonly message: string }[] } | null;
}

async function finished(id: string): Promise<ApiJob> {
  for (;;) {
    const { job } = await server.query<{ job: ApiJob }>(
      "query ($id: ID!) { job(id: $id) { status error { message } report { failed { message } } } }",
      { id },
    );
    if (job.status !== "QUEUED" && job.status !== "RUNNING") return job;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

interface ApiCase {
  readonly tokens: readonly { readonly position: number; readonly id: number; readonly text: string }[];
  readonly tokenPairs: readonly {
    readonly delta: number;
    readonly target: { readonly text: string };
    readonly contrast: { readonly text: string };
    readonly attribution: { readonly relevance: readonly number[]; readonly scale: number } | null;
  }[];
}

/** The case that the page shows, as the API has it. */
async function caseOfApi(rule: string, layer = 0): Promise<ApiCase> {
  const id = decodeURIComponent(/#\/case\/([^?]+)/.exec(page.url())?.[1] ?? "");
  const { node } = await server.query<{ node: ApiCase }>(
    `query ($id: ID!, $rule: Rule!, $layer: Int!) {
      node(id: $id) {
        ... on FailureCase {
          tokens { position id text }
          tokenPairs {
            delta
            target { text }
            contrast { text }
            attribution(rule: $rule) { relevance(layer: $layer) scale(layer: $layer) }
          }
        }
      }
    }`,
    { id, rule, layer },
  );
  return node;
}

/** The tokens of the heatmap as the page shows them. */
function tokensOfPage() {
  return page.$$eval("[role=option]", (chips) =>
    chips.map((chip) => ({
      position: Number(chip.getAttribute("data-position")),
      id: Number(chip.getAttribute("data-id")),
      text: chip.textContent,
      raw: Number(chip.getAttribute("data-raw")),
      normalised: Number(chip.getAttribute("data-normalised")),
      label: chip.getAttribute("aria-label"),
      special: chip.classList.contains("special"),
      background: getComputedStyle(chip).backgroundColor,
    })));
}

function heatmap(rule: string, layer = 0) {
  return page.waitForSelector(`figure[data-rule=${rule}][data-layer="${layer}"][aria-busy=false]`);
}

/** Asserts that tokens and numbers of the page are those of the API, to the last digit. */
async function expectSameAsApi(rule: string, layer = 0): Promise<void> {
  const [pair, ...others] = (await caseOfApi(rule, layer)).tokenPairs;
  expect(others).toEqual([]);
  const { tokens } = await caseOfApi(rule, layer);
  const { relevance, scale } = pair?.attribution ?? { relevance: [], scale: 1 };
  expect(relevance.length).toBe(tokens.length);
  expect(relevance.some((raw) => raw > 0) && relevance.some((raw) => raw < 0)).toBe(true);
  const shown = await tokensOfPage();
  expect(shown.map(({ position, id, text }) => ({ position, id, text }))).toEqual(tokens);
  expect(shown.map(({ raw }) => raw)).toEqual(relevance);
  expect(shown.map(({ normalised }) => normalised)).toEqual(relevance.map((raw) => raw / scale));
}

/** A colour as browsers tell it. */
function rgb(hex: string): string {
  const number = Number.parseInt(hex.slice(1), 16);
  return `rgb(${number >> 16 & 255}, ${number >> 8 & 255}, ${number & 255})`;
}

/** Presses the button that computes the chosen rule and waits for the heatmap, without a reload. */
async function compute(rule: string): Promise<void> {
  await page.click("figure >> text=/^Compute /");
  await page.waitForSelector(".wait progress");
  await heatmap(rule);
}

test("an empty server tells how to import, and imported cases appear by themselves", async () => {
  await page.waitForSelector("text=No cases yet");
  expect(await page.textContent("pre")).toContain("npx culprit import");
  const { addModel } = await server.query<{ addModel: { __typename: string } }>(
    `mutation { addModel(input: { directory: "demo-1m" }) { __typename } }`,
  );
  expect(addModel.__typename).toBe("Model");
  const { importFailureCases } = await server.query<{ importFailureCases: { id: string } }>(
    "mutation ($path: String!) { importFailureCases(input: { path: $path }) { ... on Job { id } } }",
    { path: CASES },
  );
  expect(await finished(importFailureCases.id)).toMatchObject({
    status: "COMPLETED",
    error: null,
    report: { failed: [] },
  });
  await page.waitForSelector(".cases tbody tr");
});

test("a first visit is told what the page shows, and led to an example", async () => {
  await page.click(".welcome >> text=Open an example");
  await page.waitForSelector("[role=option]");
  expect(await page.textContent("h1:not([hidden] *)")).toBe("demo-ifeval/0704");
  await page.click(".steps >> text=Cases");
  await page.waitForSelector(".cases tbody tr");
  expect(await page.$(".welcome")).toBeNull();
});

test("the list is filtered and ordered by the server, and the address keeps it", async () => {
  await page.selectOption("label:has-text('Order') select", "delta-down");
  await page.fill("[aria-label='Smallest delta']", "1.5");
  await page.waitForURL(/order=delta-down/);
  await page.waitForURL(/from=1\.5/);
  const { failureCases } = await server.query<{
    failureCases: { totalCount: number; nodes: readonly { key: string }[] };
  }>(
    `{ failureCases(filter: { delta: { min: 1.5 } }, orderBy: { by: DELTA }, first: 40) { totalCount nodes { key } } }`,
  );
  const { totalCount, nodes } = failureCases;
  await page.waitForSelector(`text=/^${totalCount} failure cases? found$/`);
  expect(await page.$$eval(".cases tbody .case a", (cells) => cells.map((cell) => cell.textContent))).toEqual(
    nodes.map(({ key }) => key),
  );
});

test("a case shows the API's tokens and, once computed, the API's numbers", async () => {
  await page.click(".cases tbody a");
  await page.waitForSelector("[role=option]");
  const { tokens, tokenPairs } = await caseOfApi("ATTNLRP");
  expect((await tokensOfPage()).map(({ text }) => text)).toEqual(tokens.map(({ text }) => text));
  expect(Number(await page.getAttribute("[data-delta]", "data-delta"))).toBe(tokenPairs[0]?.delta);
  await compute("ATTNLRP");
  await expectSameAsApi("ATTNLRP");
});

test("switching the rule attributes live, and the numbers are the API's again", async () => {
  await page.click("figure label:has-text('CP-LRP')");
  await compute("CPLRP");
  await expectSameAsApi("CPLRP");
  await page.click("figure label:has-text('Gradient × input')");
  await compute("GRADIENT");
  await expectSameAsApi("GRADIENT");
});

test("the colours are the numbers: red for positive, blue for negative, none for special tokens until asked", async () => {
  const { tokenPairs } = await caseOfApi("GRADIENT");
  const { relevance, scale } = tokenPairs[0]?.attribution ?? { relevance: [], scale: 1 };
  const tokens = await tokensOfPage();
  expect(tokens.map(({ background }) => background)).toEqual(
    tokens.map(({ special }, position) =>
      special ? "rgba(0, 0, 0, 0)" : rgb(paint((relevance[position] ?? 0) / scale, "light").background)
    ),
  );
  await page.click("figure label:has-text('coloured')");
  await page.waitForSelector("[role=option].special.heated");
  const largest = Math.max(...relevance.map(Math.abs));
  expect((await tokensOfPage()).map(({ background }) => background)).toEqual(
    relevance.map((raw) => rgb(paint(raw / largest, "light").background)),
  );
  await page.click("figure label:has-text('left out')");
});

test("switching back needs no new computation", async () => {
  await page.click("figure label:has-text('AttnLRP')");
  await heatmap("ATTNLRP");
  await expectSameAsApi("ATTNLRP");
});

test("the tip tells a token's numbers, by pointer and by keyboard, and raw or normalised rules the labels", async () => {
  const tokens = await tokensOfPage();
  const strongest = tokens.reduce((best, token) =>
    Math.abs(token.normalised) > Math.abs(best.normalised) ? token : best
  );
  const number = (value: number, digits: number) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
  await page.hover(`[data-position="${strongest.position}"]`);
  expect(await page.textContent("[data-tip=raw]")).toBe(number(strongest.raw, 6));
  expect(await page.textContent("[data-tip=normalised]")).toBe(number(strongest.normalised, 6));

  await page.mouse.move(0, 0);
  await page.focus("[role=listbox]");
  await page.keyboard.press("End");
  const last = tokens.at(-1);
  expect(await page.getAttribute("[role=listbox]", "aria-activedescendant")).toBe(`token-${last?.position}`);
  expect(await page.textContent("[role=tooltip]")).toContain(`Position${last?.position}`);
  await page.keyboard.press("Escape");
  expect(await page.$("[role=tooltip]")).toBeNull();

  const label = async () => (await tokensOfPage())[strongest.position]?.label;
  expect(await label()).toContain(number(strongest.raw, 3));
  await page.click("figure label:has-text('normalised')");
  await page.waitForSelector("figure[data-values=normalised]");
  expect(await label()).toContain(number(strongest.normalised, 3));
  await expectSameAsApi("ATTNLRP");
});

test("the layer slider shows each node layer as the API has it, and a sent link shows the same", async () => {
  await page.fill("input[type=range]", "2");
  await heatmap("ATTNLRP", 2);
  await expectSameAsApi("ATTNLRP", 2);
  await page.reload();
  await heatmap("ATTNLRP", 2);
  await page.waitForSelector("figure[data-values=normalised]");
  await expectSameAsApi("ATTNLRP", 2);
});

test("the jobs panel tells what ran and how it ended", async () => {
  await page.click("button:has-text('Jobs')");
  await page.waitForSelector("#jobs:not([hidden])");
  await page.waitForSelector("#jobs .workers >> text=1 worker");
  const { worker } = await (await fetch(`${server.address}/ready`)).json() as { worker: { adapter: string } };
  expect(await page.textContent("#jobs .workers")).toMatch(/ on .*, process \d+\. .*Holds demo-1m\./);
  expect(await page.textContent("#jobs .workers")).toContain(worker.adapter);
  const jobs = await page.$$eval(
    ".job",
    (items) => items.map((item) => `${item.querySelector("strong")?.textContent} ${item.getAttribute("data-status")}`),
  );
  expect(jobs).toEqual([
    "Attribution COMPLETED",
    "Attribution COMPLETED",
    "Attribution COMPLETED",
    "Import COMPLETED",
  ]);
  await page.keyboard.press("Escape");
  await page.waitForSelector("#jobs", { state: "hidden" });
});

test("going back finds the list as it was left", async () => {
  const keys = () => page.$$eval(".cases tbody .case a", (cells) => cells.map((cell) => cell.textContent));
  await page.click("text=/^Cases$/");
  await page.waitForSelector(".cases tbody tr");
  await page.selectOption("label:has-text('Order') select", "tokens-down");
  await page.waitForURL(/order=tokens-down/);
  await page.waitForFunction(() => document.querySelector(".cases")?.getAttribute("aria-busy") === "false");
  const before = await keys();
  await page.evaluate(() => scrollTo(0, 300));
  await page.click(".cases tbody tr:nth-child(10) a");
  await page.waitForSelector("[role=option]");
  expect(await page.evaluate(() => scrollY)).toBe(0);
  await page.goBack();
  await page.waitForSelector(".cases tbody tr");
  expect(await keys()).toEqual(before);
  expect(await page.evaluate(() => scrollY)).toBeGreaterThan(0);
});

test("cases lead to the next and the previous one of the list, by keys too", async () => {
  const keys = await page.$$eval(".cases tbody .case a", (cells) => cells.map((cell) => cell.textContent));
  const total = /^[\d,]+/.exec(await page.textContent(".count-line") ?? "")?.[0];
  const titled = (key: string | null | undefined) =>
    page.waitForFunction((key) => document.querySelector("h1:not([hidden] *)")?.textContent === key, key);
  await page.click(".cases tbody tr:nth-child(3) a");
  await titled(keys[2]);
  expect(await page.textContent(".steps .number")).toBe(`3 of ${total}`);
  await page.keyboard.press("j");
  await titled(keys[3]);
  await page.keyboard.press("k");
  await titled(keys[2]);
  await page.click(".steps >> text=Previous");
  await titled(keys[1]);
  await page.click(".steps >> text=Cases");
  await page.waitForSelector(".cases tbody tr");
});

test("GraphiQL answers an example query, with nothing from other servers", async () => {
  const foreign: string[] = [];
  const graphiql = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  graphiql.on("request", (request) => new URL(request.url()).origin !== server.address && foreign.push(request.url()));
  await graphiql.goto(`${server.address}/graphql`);
  await graphiql.waitForSelector(".graphiql-query-editor :text('query ByPattern')");
  await graphiql.click("button.graphiql-execute-button");
  await graphiql.click("[role=menuitem]:has-text('Failures')");
  await graphiql.waitForSelector(".graphiql-response :text('failureCases')");
  expect(foreign.filter((url) => !url.startsWith("data:") && !url.startsWith("blob:"))).toEqual([]);
});

test("the page never complained, and its script is at most 170 kB compressed", async () => {
  expect(complaints).toEqual([]);
  const script = await page.getAttribute("script[type=module]", "src");
  const bytes = await (await fetch(new URL(script ?? "", server.address))).arrayBuffer();
  const compressed = new Response(bytes).body?.pipeThrough(new CompressionStream("gzip"));
  expect((await new Response(compressed ?? null).arrayBuffer()).byteLength).toBeLessThan(170_000);
});
