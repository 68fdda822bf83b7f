/// <reference lib="dom" />
/** Results that came with the project, of a model whose files are nowhere: they are shown, and the model is fetched. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadSnapshot } from "../server/backup/snapshot.ts";
import { ROOT } from "../server/base/settings.ts";
import { launchChromium } from "./browser_chromium.ts";
import { type RunningServer, startServerProcess } from "./browser_server.ts";
import { testDatabase } from "./database.ts";
import { COMMIT, type HubServer, openHub } from "./hub_server.ts";

const database = testDatabase();
let server: RunningServer;
let browser: Browser;
let page: Page;
let hub: HubServer;
let folder: string;
let address = "";
const complaints: string[] = [];

/** Says where demo-1m was added from. */
const moveTo = (directory: string) =>
  database.connection.sql`update models set directory = ${directory} where name = 'demo-1m'`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "culprit-absent-"));
  mkdirSync(join(folder, "models"));
  hub = await openHub({ "org/demo": join(ROOT, "models", "demo-1m") });
  await loadSnapshot(database.connection);
  await moveTo("/elsewhere/demo-1m");
  server = await startServerProcess({
    DATABASE_URL: database.url,
    CULPRIT_MODELS: join(folder, "models"),
    HF_ENDPOINT: hub.url,
    HF_HUB_OFFLINE: "0",
    HF_HUB_CACHE: join(folder, "cache"),
  });
  const { failureCases } = await server.query<{ failureCases: { nodes: { id: string }[] } }>(
    '{ failureCases(first: 1, filter: { model: "demo-1m", rule: ATTNLRP }) { nodes { id } } }',
  );
  address = `${server.address}/#/case/${encodeURIComponent(failureCases.nodes[0]!.id)}`;
  browser = await launchChromium();
  page = await browser.newPage();
  page.on("pageerror", (error) => complaints.push(error.message));
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
  hub?.close();
  rmSync(folder, { recursive: true, force: true });
});

test("results of a model that is nowhere are shown as computed before, with the way to bring its files", async () => {
  await page.goto(address);
  await page.waitForSelector("figure[data-rule=ATTNLRP] .token.heated");
  expect(await page.textContent(".absent-model")).toBe(
    "The files of demo-1m are not here: what is shown was computed before. To compute more, put its folder (it was " +
      "/elsewhere/demo-1m) into a folder of CULPRIT_MODELS, then run: npx culprit model add FOLDER --name demo-1m",
  );
  expect(await page.textContent("main")).toContain("Precomputed on");
  expect(await page.isDisabled("button:has-text('Compute AttnLRP here')")).toBe(true);
});

test("whoever asks such a model is told how its files come here", async () => {
  const { generate } = await server.query<{ generate: { message: string } }>(
    'mutation { generate(input: { model: "demo-1m", chat: "Hi" }) { ... on InputError { message } } }',
  );
  expect(generate.message).toBe(
    "/elsewhere/demo-1m: the files of demo-1m are not here; put its folder into a folder of CULPRIT_MODELS, then run: " +
      "npx culprit model add FOLDER --name demo-1m",
  );
});

test("where the hub's id is known, the button fetches the model first and computes then", async () => {
  await moveTo(join("/elsewhere", "models--org--demo", "snapshots", COMMIT));
  await page.reload();
  await page.waitForSelector(`.absent-model:has-text("fetches org/demo@${COMMIT.slice(0, 8)} from the hub first")`);
  await page.click("button:has-text('Fetch demo-1m, then compute AttnLRP here')");
  await page.waitForSelector("p:has-text('Computed on'):not(:has-text('Precomputed'))", { timeout: 120_000 });
  await page.waitForFunction(() => document.querySelector(".absent-model") === null);
  const { models } = await server.query<{
    models: { nodes: { name: string; directory: string; place: { isHere: boolean; hub: string | null } }[] };
  }>("{ models(first: 50) { nodes { name directory place { isHere hub } } } }");
  const demo = models.nodes.find(({ name }) => name === "demo-1m")!;
  expect(demo.directory).toContain(join(folder, "cache", "models--org--demo"));
  expect(demo.place).toEqual({ isHere: true, hub: `org/demo@${COMMIT}` });
  expect(complaints).toEqual([]);
});
