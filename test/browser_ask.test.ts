/// <reference lib="dom" />
/** Asking on the page: from a typed prompt to the heatmap of a token that somebody pointed at. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchChromium } from "./browser_chromium.ts";
import { type RunningServer, startServerProcess } from "./browser_server.ts";
import { type HubServer, openHub } from "./hub_server.ts";
import { writeTinyModel, writeTinyTokenizer } from "./model_folder.ts";

let server: RunningServer;
let browser: Browser;
let page: Page;
const complaints: string[] = [];

/** While true, the hub begins to send weights and is silent then. */
let stalls = true;
let hub: HubServer;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "culprit-ask-"));
  const tiny = writeTinyModel(join(folder, "tiny"));
  writeTinyTokenizer(tiny, "{{ messages[0].content }}");
  hub = await openHub({ "org/tiny": tiny }, {
    large: 1000,
    fails: (_, file) => file?.endsWith("model.safetensors") && stalls ? "silence" : undefined,
  });
  server = await startServerProcess({ HF_ENDPOINT: hub.url, HF_HUB_OFFLINE: "0", HF_HUB_CACHE: join(folder, "cache") });
  await server.query(`mutation { addModel(input: { directory: "models/demo-0.3m" }) { __typename } }`);
  // The newest model is the first choice.
  await server.query(`mutation { addModel(input: { directory: "models/demo-1m" }) { __typename } }`);
  browser = await launchChromium();
  page = await browser.newPage();
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  await page.goto(`${server.address}/`);
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
  hub?.close();
  rmSync(folder, { recursive: true, force: true });
});

const answer = (title: string) => `section.answer[aria-label="${title}"]`;
const tokens = (title: string) => page.locator(`${answer(title)} .answer-token`);
const whole = (title: string) => page.waitForSelector(`${answer(title)}[aria-busy=false]`);

test("from a cold start to the heatmap of a typed question in five clicks and entries", async () => {
  let steps = 0;
  const step = async (work: Promise<unknown>) => {
    steps++;
    await work;
  };
  await step(page.click("nav.places a >> nth=0"));
  await step(page.fill(".ask-text textarea", "What is 2 + 2?"));
  await step(page.click("button:has-text('Generate')"));
  await whole("Answer");
  await step(tokens("Answer").nth(3).click());
  await step(page.click(".alternative-list button >> nth=0"));
  await page.waitForSelector(".explained figure[data-rule=ATTNLRP][data-layer='0'] .token.heated");
  expect(steps).toBeLessThanOrEqual(6);
  expect(await page.textContent(".explained .verdict")).toContain("Wrong token");
});

test("what the model would have answered stands below the heatmap", async () => {
  await page.waitForSelector(".rollout-answer .answer-text[data-status=COMPLETED]");
  const instead = await page.textContent(".rollout-answer .blue");
  expect(instead).not.toBe(await tokens("Answer").nth(3).textContent());
  expect((await page.textContent(".rollout-answer .answer-text"))!.length).toBeGreaterThan(instead!.length);
});

test("the address shows the same answer and token to somebody else", async () => {
  const other = await browser.newPage();
  await other.goto(page.url());
  await other.waitForSelector(`${answer("Answer")}[aria-busy=false]`);
  const read = (one: Page) => one.locator(`${answer("Answer")} .answer-token`).allTextContents();
  expect(await read(other)).toEqual(await read(page));
  expect(await other.getAttribute(".answer-token >> nth=3", "aria-pressed")).toBe("true");
});

test("a prompt that was changed is compared with the last answer token by token", async () => {
  const before = await tokens("Answer").allTextContents();
  await page.fill(".ask-text textarea", "What is 2 + 3?");
  await page.click("button:has-text('Generate')");
  await page.waitForFunction(
    (selector) => document.querySelector(selector)?.textContent?.includes("are the same in both"),
    `${answer("Answer")} p`,
  );
  const now = await tokens("Answer").allTextContents();
  expect(await tokens("The answer before").allTextContents()).toEqual(before);
  const alike = now.findIndex((text, at) => text !== before[at]);
  expect(alike).toBeGreaterThan(0);
  const marked = await page.locator(`${answer("Answer")} .answer-token.differs`).allTextContents();
  expect(marked).toEqual(now.slice(alike));
});

test("two models answer side by side", async () => {
  await page.selectOption("label:has-text('Beside it') select", "demo-0.3m");
  await page.click("button:has-text('Generate')");
  await whole("The other model");
  expect(await page.textContent(answer("The other model"))).toContain("demo-0.3m");
  expect(await page.textContent(answer("Answer"))).toContain("demo-1m");
});

test("a word of several tokens is explained by its first, and that is said", async () => {
  await tokens("Answer").nth(0).click();
  await page.fill(".alternatives input", "4 apples");
  await page.click("button:has-text('Why not this')");
  await page.waitForSelector(".explained figure .token.heated");
  expect(await page.textContent(".explained")).toContain('"4 apples" is 2 tokens: its first one, "4", is explained.');
});

test("each alternative has its logit and its probability", async () => {
  const words = await page.locator(".alternative-list .number").allTextContents();
  expect(words.length).toBe(10);
  for (const text of words) expect(text).toMatch(/rank \d+, logit −?\d+\.\d+, ([\d.]+ %|less than 0\.01 %)/);
  expect(await page.textContent(".alternatives")).toMatch(/probability [\d.]+ %/);
});

test("a model of the hub is fetched with its progress, can be given up, and is asked then", async () => {
  await page.click("summary:has-text('not in the list')");
  await page.fill(".other-model input", "org/tiny");
  await page.click("button:has-text('Fetch')");
  await page.waitForSelector(`.fetching :text-matches("MiB of .* MiB")`);
  await page.click(".fetching button:has-text('Give up')");
  await page.waitForSelector(".other-model [role=alert]:has-text('Given up')");
  stalls = false;
  await page.click("button:has-text('Fetch')");
  await page.waitForSelector(".other-model [role=status]:has-text('org/tiny is there')");
  // The list of models is read again, and the new one chosen.
  const chosen = () => page.inputValue(".ask-form label:has-text('Model') select");
  await expect.poll(chosen, { timeout: 20_000 }).toBe("org/tiny");
  await page.fill(".other-model input", "org/none");
  await page.click("button:has-text('Fetch')");
  await page.waitForSelector(".other-model [role=alert]:has-text('no such model')");
  await page.fill(".ask-text textarea", "ab c");
  await page.fill("input[type=number]", "3");
  await page.click("button:has-text('Generate')");
  await page.waitForSelector(`${answer("Answer")}[aria-busy=false] p:has-text('org/tiny')`);
});

test("arrow keys go from token to token, and nothing complained", async () => {
  await tokens("Answer").nth(0).focus();
  await page.keyboard.press("ArrowRight");
  expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toContain("Token 1:");
  expect(complaints).toEqual([]);
});
