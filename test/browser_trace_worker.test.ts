/// <reference lib="dom" />
/** The room of a trace with a real worker: asked for on the page, computed on the demo model, and shown as the API has it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../server/base/settings.ts";
import { addModel } from "../server/models/add_model.ts";
import { startSupervisor, type Supervisor } from "../server/worker/supervisor.ts";
import { launchChromium } from "./browser_chromium.ts";
import { testDatabase } from "./database.ts";
import { type PageServer, startPageServer } from "./page_server.ts";

const database = testDatabase();
const PHONE = { width: 360, height: 740 };
/** A sum that goes wrong in a step of its own. */
const SOLVED = `model: "demo-1m", contrast: { text: "7" },
  chat: "Mia has 3 marbles and 9 shells. Tom gives her 4 marbles. How many marbles does Mia have now?",
  prefix: "Mia has 3 marbles. Tom gives her 9 shells. So Mia has $3 + 9 = "`;
/** The least share that makes a part an ancestor or a descendant of another. */
const LEAST = 0.02;

let server: PageServer;
let supervisor: Supervisor;
let browser: Browser;
let page: Page;
let pair: string;
const complaints: string[] = [];

interface Row {
  readonly shares: readonly number[];
  readonly own: number;
}
interface Trace {
  readonly sentences: readonly { readonly text: string; readonly start: number; readonly end: number }[];
  readonly steps: readonly { readonly text: string; readonly weight: number; readonly row: Row }[];
  readonly error: Row;
  readonly heat: readonly number[];
  readonly svg: string;
}

async function ask<Data>(query: string, variables: object = {}): Promise<Data> {
  const response = await fetch(`${server.address}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  expect(errors).toBe(undefined);
  return data;
}

async function readTrace(): Promise<Trace> {
  const { node } = await ask<{ node: { traces: readonly Trace[] } }>(
    `query ($id: ID!) { node(id: $id) { ... on TokenPair { traces {
      sentences { text start end } steps { text weight row { shares own } } error { shares own } heat svg } } } }`,
    { id: pair },
  );
  return node.traces[0]!;
}

beforeAll(async () => {
  await addModel(database.connection.db, join(ROOT, "models", "demo-1m"), undefined);
  server = await startPageServer(database.url);
  supervisor = startSupervisor(database.url);
  const { explain } = await ask<{ explain: { failureCase: { id: string }; job: { id: string } } }>(
    `mutation { explain(input: { ${SOLVED} }) { ... on Explanation { failureCase { id } job { id } } } }`,
  );
  // Which token the model says is known when it was attributed.
  for (;;) {
    const { job: { status } } = await ask<{ job: { status: string } }>(
      "query ($id: ID!) { job(id: $id) { status } }",
      { id: explain.job.id },
    );
    if (status === "COMPLETED") break;
    expect(status).toMatch(/QUEUED|RUNNING/);
    await new Promise((done) => setTimeout(done, 100));
  }
  const { node } = await ask<{ node: { tokenPairs: readonly { id: string }[] } }>(
    "query ($id: ID!) { node(id: $id) { ... on FailureCase { tokenPairs { id } } } }",
    { id: explain.failureCase.id },
  );
  pair = node.tokenPairs[0]!.id;
  browser = await launchChromium();
  page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
});
afterAll(async () => {
  await browser?.close();
  await supervisor?.stop();
  await server?.stop();
});

const address = (query = "") => `${server.address}/#/trace/${encodeURIComponent(pair)}${query}`;
const numbersOf = (selector: string) =>
  page.$$eval(selector, (all) => all.map((one) => Number(one.getAttribute("data-part"))));
const arcsOf = (from: Page) =>
  from.$$eval(
    ".trace-arcs path",
    (all) => all.map((arc) => [Number(arc.getAttribute("data-from")), Number(arc.getAttribute("data-to"))] as const),
  );
const inOrder = (pairs: readonly (readonly [number, number])[]) => pairs.map((one) => one.join(" ")).toSorted();

test("asked for on the page, the worker's trace is there: prompt, steps and error below each other, with their arcs", async () => {
  await page.goto(address("?least=0"));
  await page.click("button:has-text('Trace the steps')");
  await page.waitForSelector(".trace-arcs path", { timeout: 120_000 });
  const { sentences, steps, error } = await readTrace();
  expect(steps.map(({ text }) => text.trim())).toEqual([
    "Mia has 3 marbles.",
    "Tom gives her 9 shells.",
    "So Mia has $3 + 9 =",
  ]);
  const texts = await page.$$eval(".trace-line .trace-text", (all) => all.map((one) => one.textContent!));
  expect(texts.slice(0, -1)).toEqual([...sentences, ...steps].map(({ text }) => text.trim()));
  expect(texts.at(-1)).toContain("instead of");
  const amounts = await page.$$eval(".trace-line .trace-amount .number", (all) => all.map((one) => one.textContent!));
  expect(amounts.slice(sentences.length, -1)).toEqual(steps.map(({ weight }) => `${(100 * weight).toFixed(1)} %`));
  // Every part that a row rests on has an arc.
  const rows = [...steps.map(({ row }) => row), error];
  const flows = rows.flatMap(({ shares }, index) =>
    shares.flatMap((share, to) => share > 0 ? [[sentences.length + index, to] as const] : [])
  );
  expect(inOrder(await arcsOf(page))).toEqual(inOrder(flows));
});

test("a click shows a step alone with its ancestors and descendants; Escape and a second click show all", async () => {
  const { sentences, steps, error } = await readTrace();
  const rows = [...steps.map(({ row }) => row), error];
  const count = sentences.length + rows.length;
  const passed = (from: number, to: number) => {
    const row = rows[from - sentences.length];
    return row === undefined || to >= row.shares.length ? 0 : row.shares[to]! / (1 - row.own);
  };
  /** Of 1 that reaches `from`, what reaches `to`: the sum over all ways. */
  const reaches = (from: number, to: number): number =>
    from === to ? 1 : from < to ? 0 : Array.from(
      { length: from },
      (_, next) => next < to ? 0 : passed(from, next) * reaches(next, to),
    ).reduce((sum, share) => sum + share, 0);
  for (const part of [sentences.length, sentences.length + 1, count - 1]) {
    await page.click(`.trace-line[data-part="${part}"] .trace-part`);
    await page.waitForSelector(`.trace-line[data-part="${part}"] [aria-pressed=true]`);
    // The page stays where it is: what is shown alone is in sight.
    expect(await page.evaluate(() => scrollY)).toBe(0);
    const kept = Array.from({ length: count }, (_, other) => other).filter((other) =>
      other === part || (other < part ? reaches(part, other) : reaches(other, part)) >= LEAST
    );
    const apart = new Set(await numbersOf(".trace-line.apart"));
    expect(Array.from({ length: count }, (_, other) => other).filter((other) => !apart.has(other))).toEqual(kept);
    for (const [from, to] of await arcsOf(page)) {
      // Each arc is on the way from the part, or on a way to it.
      const share = from <= part ? reaches(part, from) * passed(from, to) : passed(from, to) * reaches(to, part);
      expect(share, `${from} to ${to}`).toBeGreaterThanOrEqual(LEAST);
    }
    await page.click(`.trace-line[data-part="${part}"] .trace-part`);
    await page.waitForFunction(() => document.querySelector(".trace-part[aria-pressed=true]") === null);
    expect(await page.$(".trace-line.apart")).toBe(null);
  }
  expect(await page.evaluate(() => location.hash)).not.toContain("part=");
  // Signed, colours tell the sign of shares of the error; those of a part alone have none.
  await page.click("label:has-text('signed')");
  await page.waitForSelector(".trace-bar.red");
  await page.click(`.trace-line[data-part="${sentences.length}"] .trace-part`);
  await page.waitForFunction(() => document.querySelector(".trace-bar.red, .trace-bar.blue") === null);
  await page.waitForSelector(".trace-arcs .red, .trace-arcs .blue");
  await page.click(`.trace-line[data-part="${sentences.length}"] .trace-part`);
  await page.click("label:has-text('absolute')");
});

test("parts below a share are folded into a line that says how many, and open and fold again", async () => {
  const { sentences, steps } = await readTrace();
  await page.selectOption("label:has-text('Parts shown from') select", "100");
  await page.waitForSelector(".trace-folded");
  const all = sentences.length + steps.length + 1;
  const counts = await page.$$eval(
    ".trace-folded",
    (lines) => lines.map((line) => Number(line.textContent!.match(/\d+/)![0])),
  );
  const shown = await page.$$eval(".trace-line", (lines) => lines.length);
  expect(shown + counts.reduce((sum, count) => sum + count, 0)).toBe(all);
  const light = steps.filter(({ weight }) => weight < 0.1).length;
  const folded = await page.$$eval(
    ".trace-folded",
    (lines) =>
      lines.filter((line) => / steps?$/.test(line.textContent!)).map((line) =>
        Number(line.textContent!.match(/\d+/)![0])
      ),
  );
  expect(folded.reduce((sum, count) => sum + count, 0)).toBe(light);
  await page.click(".trace-fold >> nth=0");
  await page.waitForSelector("button:text-is('fold again')");
  expect(await page.$$eval(".trace-line", (lines) => lines.length)).toBe(shown + counts[0]!);
  await page.click("button:text-is('fold again') >> nth=0");
  await page.waitForFunction((shown) => document.querySelectorAll(".trace-line").length === shown, shown);
  await page.selectOption("label:has-text('Parts shown from') select", "0");
});

test("the prompt has the heat of the whole chain, and a step's own when that is asked for", async () => {
  const { heat, sentences } = await readTrace();
  await page.waitForSelector(".trace-heat [role=option].heated");
  const strength = () =>
    page.$$eval(
      ".trace-heat [role=option]",
      (all) => all.map((one) => getComputedStyle(one).backgroundColor + (one as HTMLElement).style.cssText),
    );
  const through = await strength();
  // The token of the prompt that most of the error reaches is the one of the strongest colour there.
  const own = sentences.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, at) => start + at));
  const hottest = own.toSorted((a, b) => heat[b]! - heat[a]!);
  const sameColour = (a: number, b: number) => through[a] === through[b];
  expect(sameColour(hottest[0]!, hottest.at(-1)!)).toBe(false);
  await page.click(`.trace-line[data-part="${sentences.length}"] .trace-part`);
  await page.click("label:has-text('of step 1')");
  await page.waitForSelector(".trace-heat:has-text('step 1 as a whole')");
  await page.waitForFunction(
    (before) =>
      [...document.querySelectorAll(".trace-heat [role=option]")]
        .map((one) => getComputedStyle(one).backgroundColor + (one as HTMLElement).style.cssText).join() !== before,
    through.join(),
  );
  await page.click("label:has-text('through the steps')");
  await page.click(`.trace-line[data-part="${sentences.length}"] .trace-part`);
});

test("the page's picture is the server's file: the same words at the same places, the same arcs", async () => {
  const [saved] = await Promise.all([
    page.waitForEvent("download"),
    page.click("[aria-label='Save this trace as SVG']"),
  ]);
  const [own, theirs] = await Promise.all([
    saved.path().then((path) => readFile(path, "utf8")),
    readTrace().then(({ svg }) => fetch(`${server.address}${svg}`)).then((response) => response.text()),
  ]);
  const wordsOf = (svg: string) =>
    [...svg.replaceAll("&quot;", '"').matchAll(/<text[^>]*>([^<]*)</g)].map(([, text]) => text);
  const arcsIn = (svg: string) => [...svg.matchAll(/<path[^>]* d="([^"]*)"/g)].map(([, path]) => path);
  expect(arcsIn(own).length).toBeGreaterThan(5);
  expect(arcsIn(own)).toEqual(arcsIn(theirs));
  expect(wordsOf(own)).toEqual(wordsOf(theirs));
});

test("on a phone of 360 pixels nothing scrolls sideways and every arc lies whole in the margin", async () => {
  const phone = await browser.newPage({ viewport: PHONE, hasTouch: true, isMobile: true });
  await phone.goto(address("?least=0"));
  await phone.waitForSelector(".trace-arcs path");
  await phone.waitForSelector(".trace-heat [role=option].heated");
  expect(await phone.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(PHONE.width);
  const places = await phone.evaluate(() => {
    const box = (element: Element) => element.getBoundingClientRect();
    const margin = box(document.querySelector(".trace-arcs")!);
    const text = box(document.querySelector(".trace-lines ol")!);
    return {
      margin: { left: margin.left, right: margin.right },
      text: text.left,
      arcs: [...document.querySelectorAll<SVGPathElement>(".trace-arcs path")].map((arc) => ({
        left: box(arc).left - Number(arc.getAttribute("stroke-width")) / 2,
        right: box(arc).right,
      })),
    };
  });
  expect(places.arcs.length).toBeGreaterThan(5);
  expect(places.margin.left).toBeGreaterThanOrEqual(0);
  expect(places.margin.right).toBeLessThanOrEqual(places.text + 1);
  for (const { left, right } of places.arcs) {
    expect(left).toBeGreaterThanOrEqual(places.margin.left);
    expect(right).toBeLessThanOrEqual(places.margin.right + 1);
  }
  await phone.tap(".trace-line:not(.of-prompt) .trace-part >> nth=0");
  await phone.waitForSelector(".trace-part[aria-pressed=true]");
  expect(complaints).toEqual([]);
});
