/// <reference lib="dom" />
/** What is shown can be sent and saved: the address holds it all, figures are files, a case is a page of its own. */
import { readFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchChromium } from "./browser_chromium.ts";
import { testDatabase } from "./database.ts";
import { type LongCase, storeLongCase } from "./long_case.ts";
import { type PageServer, startPageServer } from "./page_server.ts";

const database = testDatabase();
const SHAPE = { tokens: 60, blocks: 4, edges: 4000 };

let server: PageServer;
let browser: Browser;
let page: Page;
let stored: LongCase;
const complaints: string[] = [];

beforeAll(async () => {
  stored = await storeLongCase(database.connection.db, SHAPE, "share/<b>&");
  server = await startPageServer(database.url);
  browser = await launchChromium();
  page = await open();
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

/** A page whose clipboard is a list, since browsers give the real one to windows in front alone. */
async function open(): Promise<Page> {
  const made = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  made.on("pageerror", (error) => complaints.push(error.message));
  await made.addInitScript(() => {
    const copied: string[] = [];
    Object.assign(globalThis, { copied });
    Object.defineProperty(navigator, "clipboard", { value: { writeText: (text: string) => void copied.push(text) } });
  });
  return made;
}

const caseAddress = (query: string) => `${server.address}/#/case/${encodeURIComponent(stored.id)}${query}`;

async function slide(label: string, value: number): Promise<void> {
  await page.$eval(`label.slider:has-text("${label}") input`, (input, value) => {
    (input as HTMLInputElement).value = String(value);
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }, value);
}

/** What the graph's view says of itself. */
const graphState = (of: Page) =>
  of.evaluate(() => ({
    foot: document.querySelector(".graph-foot [role=status]")?.textContent,
    sliders: [...document.querySelectorAll<HTMLInputElement>("input[type=range]")].map(({ value }) => value),
    sink: document.querySelector<HTMLInputElement>("fieldset:has(legend) label:has(:checked):has(input)")?.textContent,
    canvas: document.querySelector(".graph-box [aria-label]")?.getAttribute("aria-label"),
  }));

test("the graph's sliders, switch and chosen node are in the address, and a copied link shows them again", async () => {
  await page.goto(caseAddress("?view=graph"));
  await page.waitForSelector(".graph-canvas");
  const first = await graphState(page);
  await slide("Weight at least", 10);
  await slide("Mass of each transition", 90);
  await page.click("label:has-text('hidden')");
  await page.click("summary:has-text('strongest edges')");
  await page.click(".graph details tbody tr >> nth=0 >> button >> nth=0");
  await page.waitForSelector(".graph-foot >> text=Paths through");
  const chosen = await graphState(page);
  expect(chosen).not.toEqual(first);
  expect(chosen.sliders).toEqual(["10", "90"]);
  await page.click(".copy-link");
  await page.waitForSelector(".copy-link >> text=Copied");
  const [link] = await page.evaluate(() => (globalThis as unknown as { copied: string[] }).copied);
  expect(new URL(link!).hash).toMatch(/view=graph&weight=10&mass=90&sink=no&node=\d+\.\d+$/);
  const other = await open();
  await other.goto(link!);
  await other.waitForSelector(".graph-canvas");
  await other.waitForFunction(
    (foot) => document.querySelector(".graph-foot [role=status]")?.textContent === foot,
    chosen.foot,
  );
  expect(await graphState(other)).toEqual(chosen);
});

test("masked tokens, replacement and scope are in the address", async () => {
  await page.goto(caseAddress("?view=masking"));
  await page.click(".masking label:has-text('left out')");
  await page.click(".masking label:has-text('prompt and answer')");
  for (const position of [7, 3]) await page.click(`.completion-token[title^="Token ${position}"] >> nth=0`);
  await page.waitForFunction(() => location.hash.includes("masked="));
  expect(await page.evaluate(() => location.hash)).toContain("view=masking&replacement=REMOVE&scope=ALL&masked=7.3");
  await page.reload();
  await page.waitForSelector(".completion-token[aria-pressed=true]");
  expect(await page.$$eval(".completion-token[aria-pressed=true]", (all) => all.length)).toBe(2);
  expect(await page.isChecked(".masking label:has-text('left out') input")).toBe(true);
});

test("words and sentences are shown by the sum of their tokens: colours, numbers, table, address", async () => {
  await page.goto(caseAddress(""));
  await page.waitForSelector("[role=option].heated");
  await page.click("label:has-text('words')");
  await page.waitForSelector("figure[data-unit=words]");
  expect(await page.evaluate(() => location.hash)).toMatch(/unit=words$/);
  const units = await page.$$eval(
    "[role=option]",
    (all) => all.map((one) => [one.textContent ?? "", Number(one.getAttribute("data-raw"))] as const),
  );
  expect(units.length).toBeLessThan(SHAPE.tokens);
  expect(units.map(([text]) => text).join("")).toBe(stored.texts.join(""));
  // Each by itself: its text says which tokens it is made of.
  let at = 0;
  for (const [text, raw] of units) {
    let [sum, made] = [0, ""];
    while (made.length < text.length) {
      sum += stored.relevance[at]!;
      made += stored.texts[at++]!;
    }
    expect(made).toBe(text);
    expect(raw).toBeCloseTo(sum, 6);
  }
  const [saved] = await Promise.all([page.waitForEvent("download"), page.click(".exports >> text=CSV")]);
  expect(saved.suggestedFilename()).toContain("words");
  const rows = readFileSync(await saved.path(), "utf8").trim().split("\n");
  expect(rows[0]).toContain("first token,last token,word,segment");
  await page.click("label:has-text('sentences')");
  await page.waitForSelector("figure[data-unit=sentences]");
  const sentences = await page.$$eval("[role=option]", (all) => all.map((one) => one.textContent ?? ""));
  expect(sentences.length).toBeLessThan(units.length);
  expect(sentences.join("")).toBe(stored.texts.join(""));
});

test("a graph of circuit-tracer is shown from its file, with what it lacks; a file that is none is told", async () => {
  const node = (node_id: string, layer: string, ctx_idx: number, feature_type: string) => ({
    node_id,
    layer,
    ctx_idx,
    feature_type,
    feature: 1,
    jsNodeId: node_id,
    clerp: "",
  });
  const graph = {
    metadata: { slug: "austin", scan: "gemma-2-2b", prompt_tokens: ["<bos>", "Dallas", " is"], prompt: "" },
    qParams: {},
    nodes: [
      node("e", "E", 1, "embedding"),
      node("f", "3", 1, "cross layer transcoder"),
      node("g", "3", 1, "cross layer transcoder"),
      node("l", "9", 2, "logit"),
    ],
    links: [["e", "f", 1], ["e", "g", 0.5], ["e", "l", -2], ["g", "l", 0.25]]
      .map(([source, target, weight]) => ({ source, target, weight })),
  };
  const file = (text: string) => ({ name: "graph.json", mimeType: "application/json", buffer: Buffer.from(text) });
  await page.goto(caseAddress("?view=graph"));
  await page.click("a:has-text('Open a graph of theirs')");
  await page.setInputFiles("input[aria-label='Graph file']", file("[]"));
  await page.waitForSelector("[role=alert]:has-text('graph.json: The file has no metadata')");
  await page.setInputFiles("input[aria-label='Graph file']", file(JSON.stringify(graph)));
  await page.waitForSelector(".graph-canvas");
  expect(await page.textContent("main")).toContain("4 nodes stand at 3 places");
  await page.click("summary:has-text('strongest edges')");
  const rows = await page.$$eval(".graph details tbody tr", (all) => all.map((row) => row.textContent));
  expect(rows.map((row) => row?.replaceAll(/\s+/g, " "))).toEqual([
    expect.stringMatching(/Dallas.*layer 0.*is.*layer 10−2\.00$/),
    expect.stringMatching(/Dallas.*layer 0.*Dallas.*layer 4\+1\.50$/),
    expect.stringMatching(/Dallas.*layer 4.*is.*layer 10\+0\.250$/),
  ]);
});

test("a value that the address has wrong is told in one line, and the usual one is shown", async () => {
  await page.goto(caseAddress("?layer=-3&rule=LIME"));
  await page.waitForSelector("[role=option].heated");
  expect(await page.$$eval(".address-troubles li", (all) => all.map((one) => one.textContent))).toEqual([
    'The address has "LIME" for "rule", which is none of its values; ATTNLRP is shown.',
    'The address has "-3" for "layer", which is none of its values; 0 is shown.',
  ]);
  await page.click("figure label:has-text('normalised')");
  await page.waitForFunction(() => document.querySelector(".address-troubles") === null);
});

/** The file that a click saves. */
async function saved(kind: string): Promise<{ readonly name: string; readonly bytes: Uint8Array }> {
  const waiting = page.waitForEvent("download");
  await page.click(`button[aria-label="Save this heatmap as ${kind}"]`);
  const download = await waiting;
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}

test("the heatmap is saved as SVG, PNG and CSV, as it is shown", async () => {
  await page.goto(caseAddress("?layer=2"));
  await page.waitForSelector("figure[data-layer='2']");
  const csv = await saved("CSV");
  expect(csv.name).toBe("heatmap-share-b-attnlrp-layer-2.csv");
  const rows = new TextDecoder().decode(csv.bytes).split("\r\n").filter((row) => /^\d+,/.test(row));
  expect(rows).toHaveLength(SHAPE.tokens);
  expect(rows.map((row) => Math.fround(Number(row.split(",").at(-2))))).toEqual([
    ...stored.relevance.subarray(2 * SHAPE.tokens, 3 * SHAPE.tokens),
  ]);
  const svg = new TextDecoder().decode((await saved("SVG")).bytes);
  // Nothing of the key is markup, and a browser that reads it as a file finds no fault.
  expect(svg).toContain("share/&lt;b&gt;&amp;");
  const drawn = await page.evaluate((svg) => {
    const read = new DOMParser().parseFromString(svg, "image/svg+xml");
    const rects = read.querySelectorAll("text.letters").length;
    return {
      fault: read.querySelector("parsererror") !== null,
      rects,
      width: read.documentElement.getAttribute("width"),
    };
  }, svg);
  expect(drawn.fault).toBe(false);
  expect(drawn.rects).toBeGreaterThanOrEqual(SHAPE.tokens);
  const png = (await saved("PNG")).bytes;
  expect([...png.subarray(1, 4)]).toEqual([..."PNG"].map((letter) => letter.charCodeAt(0)));
  expect(new DataView(png.buffer, png.byteOffset).getUint32(16)).toBe(Math.ceil(2 * Math.round(Number(drawn.width))));
});

test("a case is one page that needs nothing else, and a graph is JSON that other tools read", async () => {
  await page.goto(caseAddress(""));
  const link = await page.getAttribute("a:has-text('page that stands alone')", "href");
  const alone = await open();
  const asked: string[] = [];
  alone.on("request", (request) => asked.push(request.url()));
  await alone.goto(`${server.address}${link}`);
  expect(asked).toHaveLength(1);
  expect(await alone.textContent("h1")).toBe("share/<b>&");
  expect(await alone.locator(".heat .t").count()).toBe(SHAPE.tokens);
  expect(await alone.locator("h2").allTextContents()).toEqual(["Heatmap", "Graph"]);
  expect(await alone.locator("svg[aria-label='Reduced graph'] circle").count()).toBeGreaterThan(0);
  const own = `case=${encodeURIComponent(stored.id)}`;
  for (
    const [query, line] of [
      ["", "case: no case is named; give the id of a FailureCase"],
      ["case=x", 'case: "x" is no id of a FailureCase; take it from the API or the page'],
      [`${own}&rule=LIME`, 'rule: "lime" is not known; give one of: attnlrp, cplrp, gradient'],
      [`${own}&rule=cplrp`, "rule: the case is not attributed by cplrp; compute it first: npx culprit run"],
    ] as const
  ) {
    const refused = await fetch(`${server.address}/case.html?${query}`);
    expect(refused.status, query).toBe(400);
    expect(await refused.text()).toBe(`${line}\n`);
  }

  await page.goto(caseAddress("?view=graph"));
  const json = await page.getAttribute("a:has-text('circuit-tracer')", "href");
  const graph = await (await fetch(`${server.address}${json}`)).json();
  expect(graph.links).toHaveLength(SHAPE.edges + 1);
  expect(graph.metadata.prompt_tokens).toHaveLength(SHAPE.tokens);
});

test("the page never complained", () => {
  expect(complaints).toEqual([]);
});
