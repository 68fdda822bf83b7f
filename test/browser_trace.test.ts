/// <reference lib="dom" />
/** The room of a trace: an agent's long one with bounded elements, and its state in the address. */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchChromium } from "./browser_chromium.ts";
import { testDatabase } from "./database.ts";
import { LONG, storeLongCase } from "./long_case.ts";
import { type LongTrace, storeLongTrace } from "./long_trace.ts";
import { type PageServer, startPageServer } from "./page_server.ts";

const database = testDatabase();
/** Elements of the lines at most, of 496 parts. */
const MOST_ELEMENTS = 3000;

let server: PageServer;
let browser: Browser;
let page: Page;
let caseId: string;
let long: LongTrace;
const complaints: string[] = [];

beforeAll(async () => {
  const stored = await storeLongCase(database.connection.db, { ...LONG, blocks: 1, edges: 10 });
  caseId = stored.id;
  long = await storeLongTrace(database.connection.db, stored);
  server = await startPageServer(database.url);
  browser = await launchChromium();
  page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

const address = (query = "") => `${server.address}/#/trace/${encodeURIComponent(long.pair)}${query}`;
const hash = () => page.evaluate(() => decodeURIComponent(location.hash));

test("a case leads to its trace: 12,374 tokens cut by tool outputs, few elements, every part in a line or folded", async () => {
  await page.goto(`${server.address}/#/case/${encodeURIComponent(caseId)}`);
  await page.click("a:text-is('Through its own words')");
  await page.waitForSelector(".trace-arcs path");
  await page.waitForSelector(".trace-heat [role=option].heated");
  const told = await page.$$eval("[data-parts]", (all) =>
    all.flatMap((line) => {
      const [first, last] = line.getAttribute("data-parts")!.split("-").map(Number) as [number, number];
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    }));
  expect(told).toEqual(Array.from({ length: long.parts }, (_, part) => part));
  expect(await page.$$eval(".trace-lines *", (all) => all.length)).toBeLessThan(MOST_ELEMENTS);
  expect(await page.$$eval(".trace-heat [role=option]", (all) => all.length)).toBeLessThan(2000);
  expect(await page.textContent(".trace-line >> nth=-2")).toMatch(/tool call|thought|tool output/);
  // All of them, unfolded.
  await page.selectOption("label:has-text('Parts shown from') select", "0");
  expect(await page.$$eval(".trace-line", (all) => all.length)).toBe(long.parts);
  expect(await page.$$eval(".trace-lines *", (all) => all.length)).toBeLessThan(4 * MOST_ELEMENTS);
});

test("a part is shown alone with what it rests on and what rests on it; Escape shows all; folds open", async () => {
  await page.goto(address("?least=50"));
  await page.waitForSelector(".trace-folded");
  expect(await page.$(".trace-line.apart")).toBeNull();
  const last = page.locator(".trace-line:has-text('tool call') .trace-part").last();
  await last.click();
  await page.waitForSelector(".trace-part[aria-pressed=true]");
  const part = Number(await page.getAttribute(".trace-line:has([aria-pressed=true])", "data-part"));
  expect(await hash()).toContain(`part=${part}`);
  const arcs = await page.$$eval(
    ".trace-arcs path",
    (all) =>
      all.map((arc) => [arc.getAttribute("data-from"), arc.getAttribute("data-to")].map(Number) as [number, number]),
  );
  expect(arcs.length).toBeGreaterThan(0);
  // Arcs before it lead from it, at once or through others; those behind it lead to it.
  const before = new Set([part, ...arcs.filter(([from]) => from <= part).flat()]);
  expect([...before].every((one) => one <= part)).toBe(true);
  expect(arcs.some(([from]) => from === part)).toBe(true);
  await page.click("label:has-text('of step')");
  await page.waitForSelector(".trace-heat:has-text('as a whole on each token before it')");
  expect(await hash()).toContain("heat=step");
  await page.focus(".trace-part[aria-pressed=true]");
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => document.querySelector(".trace-part[aria-pressed=true]") === null);
  const before0 = await page.$$eval(".trace-line", (all) => all.length);
  await page.click(".trace-fold >> nth=0");
  expect(await page.$$eval(".trace-line", (all) => all.length)).toBeGreaterThan(before0);
  expect(await hash()).toMatch(/open=\d+/);
});

test("all state is in the address, and steps are cut otherwise", async () => {
  await page.goto(address("?signed=yes&least=20"));
  await page.waitForSelector(".trace-arcs .red");
  await page.click("button:has-text('Cut the steps otherwise')");
  const steps = await page.$$eval(".step-cutter li", (all) => all.length);
  await page.click(".step-cutter li >> nth=1 >> text=join with step 1");
  await page.waitForFunction((steps) => document.querySelectorAll(".step-cutter li").length === steps - 1, steps);
  await page.click(".step-cutter li >> nth=0 >> button:text-is('cut')");
  await page.click(".cut-place >> nth=5");
  await page.waitForFunction((steps) => document.querySelectorAll(".step-cutter li").length === steps, steps);
  const there = await hash();
  expect(there).toMatch(/signed=yes&least=20&cut=\d+(\.\d+)+$/);
  const other = await browser.newPage();
  await other.goto(await page.evaluate(() => location.href));
  await other.waitForSelector(".step-cutter li");
  expect(await other.$$eval(".step-cutter li", (all) => all.length)).toBe(steps);
  await other.click("button:has-text('Trace these steps')");
  await other.waitForSelector(".step-cutter .wait[data-job]");
});

test("the parts are a table, and nothing went wrong meanwhile", async () => {
  await page.click("summary:has-text('The parts as a table')");
  await page.waitForSelector(".trace-table tbody tr");
  expect(await page.$$eval(".trace-table tbody tr", (all) => all.length)).toBe(long.parts);
  expect(complaints).toEqual([]);
});
