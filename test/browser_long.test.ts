/// <reference lib="dom" />
/** Long texts and long lists in a real browser: what is in the document is bounded, what is asked for is windowed. */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchChromium } from "./browser_chromium.ts";
import { storeModel, storePair, testDatabase } from "./database.ts";
import { LONG, type LongCase, storeLongCase } from "./long_case.ts";
import { type PageServer, startPageServer } from "./page_server.ts";

const database = testDatabase();
const CASES = 1200;
/** Chips in the document at most: what fits a window of 800 pixels, and a chunk or two around it. */
const MOST_CHIPS = 2000;

let server: PageServer;
let browser: Browser;
let page: Page;
let long: LongCase;
const complaints: string[] = [];
/** Windows that were asked for, by query. */
const windows: { readonly query: string; readonly from: number; readonly count: number }[] = [];

beforeAll(async () => {
  long = await storeLongCase(database.connection.db, { ...LONG, compared: true });
  const modelId = await storeModel(database);
  for (let index = 0; index < CASES; index++) await storePair(database, modelId, `case-${index}`);
  server = await startPageServer(database.url);
  browser = await launchChromium();
  page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("request", (request) => {
    const { query, variables } = request.postDataJSON() ?? {};
    const name = /query (ReadTokens|ReadRelevance)\b/.exec(query ?? "")?.[1];
    if (name !== undefined) windows.push({ query: name, from: variables.from, count: variables.count });
  });
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

const chips = () =>
  page.$$eval("[role=option]", (all) => all.map((chip) => Number(chip.getAttribute("data-position"))));
const frames = () =>
  page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(null)))));

/** Scrolls the text to a share of its height and waits until its chips are there. */
async function scrollFlow(share: number): Promise<void> {
  await page.$eval(".token-flow", (box, share) => box.scrollTop = share * (box.scrollHeight - box.clientHeight), share);
  await page.waitForFunction(() => {
    const { top, bottom } = (document.querySelector(".token-flow") as Element).getBoundingClientRect();
    const inSight = [...document.querySelectorAll(".chunk")].filter((chunk) => {
      const place = chunk.getBoundingClientRect();
      return place.bottom > top && place.top < bottom;
    });
    return inSight.length > 0 && inSight.every((chunk) => chunk.querySelector("[role=option]") !== null);
  });
  await frames();
}

/** What stands in the text: tokens by their positions, folds by what they hold. */
const readFolds = () =>
  page.$$eval(".fold", (all) =>
    all.map((one) => ({
      from: Number(one.getAttribute("data-position")),
      count: Number(one.getAttribute("data-count")),
      sum: Number(one.getAttribute("data-sum")),
    })));

test("a long case opens at its error, with islands around the strongest tokens; the rest is folded with its sum", async () => {
  await page.goto(`${server.address}/#/case/${encodeURIComponent(long.id)}`);
  await page.waitForSelector(".fold[data-sum]");
  await page.waitForSelector(`[data-position="${LONG.tokens - 1}"].heated`);
  await page.waitForFunction(() => {
    const box = document.querySelector(".token-flow") as Element;
    return box.scrollTop + box.clientHeight >= box.scrollHeight - 2;
  });
  const folds = await readFolds();
  const hidden = folds.reduce((sum, { count }) => sum + count, 0);
  expect(hidden).toBeGreaterThan(LONG.tokens - 1000);
  const inFold = (position: number) => folds.some(({ from, count }) => from <= position && position < from + count);
  const order = [...Array(LONG.tokens).keys()].slice(1)
    .sort((a, b) => Math.abs(long.relevance[b]!) - Math.abs(long.relevance[a]!));
  for (const position of [...order.slice(0, 8), LONG.tokens - 1]) expect(inFold(position), `${position}`).toBe(false);
  for (const { from, count, sum } of folds) {
    // The first token is special and takes no part.
    const own = long.relevance.subarray(Math.max(1, from), from + count);
    expect(sum).toBeCloseTo(own.reduce((total, raw) => total + raw, 0), 4);
  }
});

test("a fold is opened by keys and by a click, the address keeps it, and what a search finds is opened", async () => {
  const before = await readFolds();
  const last = before.at(-1)!;
  await page.focus("[role=listbox]");
  await page.keyboard.press("End");
  for (let step = 0; step < 200; step++) {
    await page.keyboard.press("ArrowLeft");
    if (await page.$(".fold.active") !== null) break;
  }
  expect(await page.getAttribute(".fold.active", "data-position")).toBe(String(last.from));
  await page.keyboard.press("Enter");
  await page.waitForFunction((count) => document.querySelectorAll(".fold").length === count, before.length - 1);
  await page.waitForSelector(`#token-${last.from}.active`);
  await page.click(`.fold[data-position="${before[0]!.from}"]`);
  await page.waitForFunction((count) => document.querySelectorAll(".fold").length === count, before.length - 2);
  expect(await page.evaluate(() => location.hash)).toContain(`open=${last.from}.${before[0]!.from}`);
  await page.reload();
  await page.waitForSelector(".fold[data-sum]");
  expect(await readFolds()).toEqual(before.slice(1, -1));
  await page.$eval(".fold ~ [hidden]", (text) => text.dispatchEvent(new Event("beforematch")));
  await page.waitForFunction((count) => document.querySelectorAll(".fold").length === count, before.length - 3);
  await page.click("text=Fold again");
  await page.waitForFunction((count) => document.querySelectorAll(".fold").length === count, before.length);
  expect(await readFolds()).toEqual(before);
});

test("a case of 12,374 tokens is read in windows, and only the tokens near the reader are elements", async () => {
  windows.length = 0;
  await page.goto(`${server.address}/#/case/${encodeURIComponent(long.id)}?text=whole`);
  await page.reload();
  await page.waitForSelector("[role=option].heated");
  for (const query of ["ReadTokens", "ReadRelevance"]) {
    const own = windows.filter((window) => window.query === query);
    expect(own.map(({ from }) => from).sort((a, b) => a - b)).toEqual(Array.from({ length: 13 }, (_, at) => at * 1024));
    expect(Math.max(...own.map(({ count }) => count))).toBe(1024);
  }
  for (const share of [0, 0.31, 0.77, 1]) {
    await scrollFlow(share);
    const there = await chips();
    expect(there.length).toBeGreaterThan(100);
    expect(there.length).toBeLessThan(MOST_CHIPS);
    expect(await page.$$eval(".token-flow *", (all) => all.length)).toBeLessThan(4 * MOST_CHIPS);
  }
  expect((await chips()).at(-1)).toBe(LONG.tokens - 1);
});

test("the whole text stands in the document, so that it can be found, and its numbers are the stored ones", async () => {
  await scrollFlow(0.5);
  const text = await page.$$eval(".chunk", (all) =>
    all.map((chunk) => {
      const copy = chunk.cloneNode(true) as Element;
      for (const fork of copy.querySelectorAll(".fork")) fork.remove();
      return copy.textContent;
    }).join(""));
  expect(text).toBe(long.texts.join(""));
  const numbers = await page.$$eval(
    "[role=option]",
    (all) =>
      all.map((chip) => [Number(chip.getAttribute("data-position")), Number(chip.getAttribute("data-raw"))] as const),
  );
  expect(numbers.map(([, raw]) => raw)).toEqual(numbers.map(([position]) => long.relevance[position]));
});

test("scrolling moves no line: a token is where it was when the reader comes back", async () => {
  await scrollFlow(0.5);
  const middle = (await chips())[Math.floor((await chips()).length / 2)] as number;
  const place = () =>
    page.$eval(`[data-position="${middle}"]`, (chip) => {
      const box = chip.closest(".token-flow") as HTMLElement;
      return chip.getBoundingClientRect().top - box.getBoundingClientRect().top + box.scrollTop;
    });
  const height = () => page.$eval(".token-flow", (box) => box.scrollHeight);
  const [before, heightBefore] = [await place(), await height()];
  await scrollFlow(0.9);
  expect((await chips()).includes(middle)).toBe(false);
  await scrollFlow(0.5);
  expect(Math.abs(await place() - before)).toBeLessThan(2);
  expect(Math.abs(await height() - heightBefore) / heightBefore).toBeLessThan(0.01);
});

test("keys walk the whole text: End and Home go to its ends, and arrows on from there", async () => {
  await page.focus("[role=listbox]");
  const active = async () => {
    const id = await page.getAttribute("[role=listbox]", "aria-activedescendant");
    await page.waitForSelector(`#${id}.active`);
    return Number(id?.replace("token-", ""));
  };
  await page.keyboard.press("End");
  expect(await active()).toBe(LONG.tokens - 1);
  expect(await page.getAttribute(".token.active", "aria-posinset")).toBe(String(LONG.tokens));
  await frames();
  await page.keyboard.press("ArrowUp");
  const above = await active();
  expect(above).toBeLessThan(LONG.tokens - 1);
  expect(above).toBeGreaterThan(LONG.tokens - 80);
  await page.keyboard.press("Home");
  expect(await active()).toBe(0);
  // The reader looks elsewhere with the wheel: keys go on where they were.
  await scrollFlow(0.6);
  await page.keyboard.press("ArrowDown");
  expect(await active()).toBeGreaterThan(0);
  expect(await active()).toBeLessThan(80);
});

test("a selection survives scrolling away, and is copied as the tokens have it", async () => {
  await scrollFlow(0);
  await page.evaluate(() => {
    const node = document.querySelector(`[data-position="20"]`)?.firstChild as Node;
    getSelection()?.setBaseAndExtent(node, 0, node, 1);
  });
  await scrollFlow(0.05);
  await scrollFlow(0.2);
  const last = (await chips()).at(-1) as number;
  const copied = await page.evaluate((last) => {
    const selection = getSelection() as Selection;
    const end = document.querySelector(`[data-position="${last}"]`) as Element;
    selection.extend(end, end.childNodes.length);
    const clipboardData = new DataTransfer();
    end.dispatchEvent(new ClipboardEvent("copy", { clipboardData, bubbles: true, cancelable: true }));
    return clipboardData.getData("text/plain");
  }, last);
  expect(last).toBeGreaterThan(1000);
  expect(copied).toBe(long.texts.slice(20, last + 1).join(""));
  await page.evaluate(() => getSelection()?.removeAllRanges());
});

test("two attributions of a long case have the same folds and units, each with its own sums", async () => {
  await page.goto(`${server.address}/#/case/${encodeURIComponent(long.id)}?view=compare`);
  await page.waitForFunction(() => document.querySelectorAll(".compare-side .fold[data-sum]").length > 0);
  await page.waitForFunction(() => {
    const [left, right] = [...document.querySelectorAll(".compare-side")].map((side) =>
      side.querySelectorAll(".fold[data-sum]").length
    );
    return left === right;
  });
  const read = () =>
    page.$$eval(".compare-side", (sides) =>
      sides.map((side) =>
        [...side.querySelectorAll(".fold")].map((one) => ({
          from: Number(one.getAttribute("data-position")),
          count: Number(one.getAttribute("data-count")),
          sum: Number(one.getAttribute("data-sum")),
        }))
      ));
  const [left, right] = await read();
  expect(right!.map(({ from, count }) => [from, count])).toEqual(left!.map(({ from, count }) => [from, count]));
  // The two sides in the order that the page has: AttnLRP was stored first.
  for (const [folds, relevance] of [[left!, long.relevance], [right!, long.other!]] as const) {
    const inFold = (position: number) => folds.some(({ from, count }) => from <= position && position < from + count);
    const order = [...Array(LONG.tokens).keys()].slice(1)
      .sort((a, b) => Math.abs(relevance[b]!) - Math.abs(relevance[a]!));
    for (const position of order.slice(0, 8)) expect(inFold(position), `${position}`).toBe(false);
    for (const { from, count, sum } of folds) {
      const own = relevance.subarray(Math.max(1, from), from + count);
      expect(sum).toBeCloseTo(own.reduce((total, raw) => total + raw, 0), 4);
    }
  }
  // One opened on a side is open on both, and the address keeps it.
  await page.click(`.compare-side >> nth=1 >> .fold[data-position="${right![0]!.from}"]`);
  await page.waitForFunction(
    (count) => document.querySelectorAll(".compare-side .fold").length === count,
    2 * (right!.length - 1),
  );
  expect(await page.evaluate(() => location.hash)).toContain(`open=${right![0]!.from}`);
  await page.click('.compare label:has-text("words")');
  await page.waitForSelector(".compare-side .pager:has-text('Words')");
  const words = await read();
  expect(words[1]!.map(({ from, count }) => [from, count])).toEqual(words[0]!.map(({ from, count }) => [from, count]));
  expect(words[0]!.length).toBeGreaterThan(3);
  await page.click('.compare label:has-text("whole")');
  await page.waitForFunction(() => document.querySelector(".compare-side .fold") === null);
});

test("a long case as a page that stands alone is folded too, and opens its folds without a script", async () => {
  await page.goto(`${server.address}/case.html?case=${encodeURIComponent(long.id)}&unit=words`);
  const folds = await page.$$eval(".heat details", (all) =>
    all.map((one) => ({
      words: one.querySelector("summary")?.textContent ?? "",
      count: one.querySelectorAll(".t").length,
      open: (one as HTMLDetailsElement).open,
    })));
  expect(folds.length).toBeGreaterThan(3);
  for (const { words, count, open } of folds) {
    expect(words).toMatch(new RegExp(`^⋯ ${count.toLocaleString("en")} words, sum −?\\d+\\.\\d{3} logits ⋯$`));
    expect(open).toBe(false);
  }
  const hidden = folds.reduce((sum, { count }) => sum + count, 0);
  const all = await page.$$eval(".heat .t", (tokens) => tokens.length);
  expect(all).toBeLessThan(LONG.tokens);
  expect(all - hidden).toBeLessThan(600);
  await page.click(".heat summary >> nth=0");
  expect(await page.isVisible(".heat details >> nth=0 >> .t >> nth=0")).toBe(true);
});

test("the graph of 200,000 edges is one canvas", async () => {
  await page.goto(`${server.address}/#/case/${encodeURIComponent(long.id)}?view=graph`);
  await page.waitForSelector(".graph-canvas");
  expect(Number(await page.getAttribute(".graph-canvas", "data-edges"))).toBe(LONG.edges);
  expect(await page.$$eval(".graph-section *", (all) => all.length)).toBeLessThan(500);
});

test("the table of cases goes on as one scrolls, with few rows in the document", async () => {
  await page.goto(`${server.address}/#/cases?benchmark=demo-ifeval&order=key`);
  await page.waitForSelector(".cases tbody tr");
  const rows = () => page.$$eval(".cases tbody tr[aria-rowindex]", (all) => all.length);
  const last = () =>
    page.$$eval(".cases tbody tr[aria-rowindex]", (all) => Number(all.at(-1)?.getAttribute("aria-rowindex")));
  expect(await page.getAttribute(".cases", "aria-rowcount")).toBe(String(CASES + 1));
  for (let row = 0; row < 500;) {
    await page.evaluate(() => scrollTo({ top: document.documentElement.scrollHeight }));
    await page.waitForFunction(
      (row) =>
        Number([...document.querySelectorAll(".cases tbody tr[aria-rowindex]")].at(-1)?.getAttribute("aria-rowindex")) >
          row,
      row,
    );
    row = await last();
    expect(await rows()).toBeLessThan(240);
  }
  const keys = [...Array(CASES).keys()].map((index) => `case-${index}`).sort();
  const shown = await page.$$eval(
    ".cases tbody tr[aria-rowindex]",
    (all) =>
      all.map((row) => [Number(row.getAttribute("aria-rowindex")), row.querySelector(".case a")?.textContent] as const),
  );
  for (const [row, key] of shown) expect(key).toBe(keys[row - 2]);
  await page.evaluate(() => scrollTo({ top: 0 }));
  await page.waitForSelector('tr[aria-rowindex="2"]');
});

test("without scrolling the next page comes by a button, and the focus stays", async () => {
  await page.goto(`${server.address}/#/cases?benchmark=demo-ifeval`);
  await page.waitForSelector(".cases tbody tr");
  await page.focus('tr[aria-rowindex="2"] a');
  const count = async () => Number(/^[\d,]+/.exec(await page.textContent(".more .number") ?? "")?.[0].replace(",", ""));
  const before = await count();
  await page.$eval(".more button", (button) => (button as HTMLButtonElement).click());
  await page.waitForFunction(
    (before) => Number(/^[\d,]+/.exec(document.querySelector(".more .number")?.textContent ?? "")?.[0]) > before,
    before,
  );
  expect(await page.evaluate(() => document.activeElement?.closest("tr")?.getAttribute("aria-rowindex"))).toBe("2");
});

test("cases without an attribution are a filter, and a filter is kept under a name", async () => {
  await page.goto(`${server.address}/#/cases`);
  await page.waitForSelector(`text=/^${(CASES + 1).toLocaleString("en")} failure cases$/`);
  await page.selectOption("label:has-text('Show') select", "unattributed");
  await page.waitForSelector(`text=/^${CASES.toLocaleString("en")} failure cases found$/`);
  await page.click("text=Save this filter");
  await page.fill("[aria-label='Name of the filter']", "to do");
  await page.keyboard.press("Enter");
  await page.click("text=Clear the filter");
  await page.waitForSelector(`text=/^${(CASES + 1).toLocaleString("en")} failure cases$/`);
  await page.reload();
  await page.click(".saved-filters a:has-text('to do')");
  await page.waitForSelector(`text=/^${CASES.toLocaleString("en")} failure cases found$/`);
  await page.click("[aria-label='Remove the filter to do']");
  await page.reload();
  await page.waitForSelector(".cases tbody tr");
  expect(await page.$(".saved-filters li")).toBeNull();
});

test("a job tells what it is about, and one that was cancelled is asked again", async () => {
  await page.goto(`${server.address}/#/cases?list=unattributed&order=key`);
  await page.click(".cases tbody tr a >> nth=0");
  await page.click("text=Compute AttnLRP");
  await page.click("button:has-text('Jobs')");
  await page.waitForSelector("#jobs .job[data-status=QUEUED]");
  expect(await page.textContent("#jobs .job")).toContain("AttnLRP, 1 token pair");
  expect(await page.textContent("#jobs")).toContain("1 active.");
  await page.waitForSelector("#jobs :text('No worker runs')");
  expect(await page.textContent("#jobs .workers")).toContain("Workers run elsewhere, on the same database");
  await page.click("#jobs .job button:has-text('Cancel')");
  await page.click("#jobs .job[data-status=CANCELLED] button:has-text('Try again')");
  await page.waitForSelector("#jobs .job[data-status=QUEUED]");
  expect(await page.$$eval("#jobs .job", (all) => all.map((job) => job.getAttribute("data-status")))).toEqual([
    "QUEUED",
    "CANCELLED",
  ]);
});

test("graphs, masking and diagnoses that were cancelled are asked again too", async () => {
  const asked = [
    ["graph", "AttnLRP graph", "Graph"],
    ["masking", "the masking curve", "Masking"],
    ["heatmap", "the diagnosis", "Diagnosis"],
  ] as const;
  await page.keyboard.press("Escape");
  for (const [view, what, kind] of asked) {
    await page.click(`.tabs label:has-text("${view}")`);
    await page.click(`button:has-text("Compute ${what}")`);
    await page.click(".wait button:has-text('Cancel')");
    await page.click("button:has-text('Jobs')");
    const job = `#jobs .job:has(strong:text-is("${kind}"))`;
    await page.click(`${job}[data-status=CANCELLED] button:has-text('Try again')`);
    await page.waitForSelector(`${job}[data-status=QUEUED]`);
    expect(await page.$$eval(job, (all) => all.length)).toBe(2);
    await page.keyboard.press("Escape");
  }
});

test("nothing went wrong in the page meanwhile", () => {
  expect(complaints).toEqual([]);
});
