/// <reference lib="dom" />
/** Working in the page: models and files are added, cases are marked by hand, the graph is built and looked at. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../server/base/settings.ts";
import { launchChromium } from "./browser_chromium.ts";
import { type RunningServer, startServerProcess } from "./browser_server.ts";
import { writeHalvedModel } from "./halved_model.ts";

let server: RunningServer;
let browser: Browser;
let page: Page;
let folder: string;
const complaints: string[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "culprit-models-"));
  writeHalvedModel(join(ROOT, "models", "demo-1m"), join(folder, "demo-half"));
  server = await startServerProcess({ CULPRIT_MODELS: `${join(ROOT, "models")}:${folder}` });
  browser = await launchChromium();
  page = await browser.newPage();
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  await page.goto(`${server.address}/#/run`);
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const lines = (path: string) => readFileSync(join(ROOT, path), "utf8").trim().split("\n");
const section = (title: string) => `section[aria-label="${title}"]`;

test("a model is added by its directory, and a wrong one is refused in one line", async () => {
  const form = section("Add a model");
  await page.fill(`${form} input >> nth=0`, "demo-nowhere");
  await page.click(`${form} button:has-text("Add")`);
  expect(await page.textContent(`${form} [role=alert]`)).toContain("demo-nowhere");
  await page.fill(`${form} input >> nth=0`, "demo-1m");
  await page.click(`${form} button:has-text("Add")`);
  await page.waitForSelector(`${form} :text("demo-1m is there.")`);
});

test("a file is imported, with the good lines stored and the bad ones told", async () => {
  const form = section("Import answers or failure cases");
  const [first = "", second = ""] = lines("models/demo-1m/failure-cases.jsonl");
  const text = `${first}\n{"format":"culprit/1"}\n${second}\n`;
  await page.setInputFiles(`${form} input[type=file]`, {
    name: "cases.jsonl",
    mimeType: "application/jsonl",
    buffer: Buffer.from(text),
  });
  await page.click(`${form} button:has-text("Import")`);
  await page.waitForSelector(`${form} .job[data-status=COMPLETED]`);
  const job = await page.textContent(`${form} .job`);
  expect(job).toContain("2 new");
  expect(job).toContain("cases.jsonl:2:");
});

test("answers of an evaluation become open cases, counted by what became of them", async () => {
  const form = section("Import answers or failure cases");
  const [item = "{}"] = lines("models/benchmarks/demo-ifeval.jsonl");
  const { prompt } = JSON.parse(item) as { prompt: string };
  await page.selectOption(`${form} label:has-text("Format") select`, "IFEVAL");
  await page.selectOption(`${form} label:has-text("Model that answered") select`, "demo-1m");
  await page.fill(`${form} label:has-text("Benchmark items") input`, "benchmarks/demo-ifeval.jsonl");
  await page.setInputFiles(`${form} input[type=file]`, {
    name: "answers.jsonl",
    mimeType: "application/jsonl",
    buffer: Buffer.from(JSON.stringify({ prompt, response: "A mouse, by the sea." })),
  });
  await page.click(`${form} button:has-text("Import")`);
  await page.waitForFunction(
    (form) => /1 new/.test(document.querySelector(`${form} .job[data-status=COMPLETED]`)?.textContent ?? ""),
    form,
  );
  await page.click("a.name");
  const facet = '.facet[aria-label="What became of it"] li';
  await page.waitForSelector(`${facet}:has-text("open") .number:text-is("1")`);
  await page.click(`${facet} a:text-is("open")`);
  await page.waitForURL(/status=OPEN/);
  await page.waitForFunction(() => document.querySelectorAll(".cases tbody tr").length === 1);
  expect(await page.textContent(".cases tbody tr")).toContain("open");
});

test("the wrong and the right token are marked by clicking", async () => {
  await page.click(".cases tbody a");
  await page.waitForSelector(".completion-token");
  expect(await page.textContent(".case-head .status")).toBe("open");
  expect(await page.textContent(".standing")).toContain("The checker says");
  const tokens = await page.$$eval(".completion-token", (buttons) => buttons.map((button) => button.textContent));
  expect(tokens.join("")).toContain("mouse");
  await page.click(".completion-token >> nth=1");
  await page.fill('label:has-text("Right token") input', " not one token of any kind");
  await page.fill('label:has-text("Your name") input', "Ada");
  await page.click('button:has-text("Store this pair")');
  await page.waitForSelector(".annotate [role=alert]:not(:empty)");
  await page.fill('label:has-text("Right token") input', " the");
  await page.click('button:has-text("Store this pair")');
  await page.waitForSelector(".standing li");
  expect(await page.textContent(".standing li")).toContain("Ada: wrong token at 1 of the response");
  // The job that computes the pair ends by itself, and the page shows what became of it.
  await page.waitForFunction(
    () => /decided by Ada/.test(document.querySelector(".standing")?.textContent ?? ""),
    undefined,
    { timeout: 60_000 },
  );
  expect(await page.textContent(".case-head")).toMatch(/the argmax is/);
});

interface Shown {
  readonly edges: number;
  readonly columns: number;
}

const shown = () =>
  page.$eval(".graph-canvas", (canvas): Shown => ({
    edges: Number(canvas.getAttribute("data-edges")),
    columns: Number(canvas.getAttribute("data-columns")),
  }));

test("the graph is built on request, filtered by its sliders, isolated by a click, and saved as it is shown", async () => {
  await page.goto(`${server.address}/#/cases?status=CLEAN`);
  await page.click(".cases tbody a >> nth=0");
  await page.click('label:has-text("graph")');
  await page.click("text=/^Compute AttnLRP graph$/");
  await page.waitForSelector(".graph-canvas", { timeout: 60_000 });
  const all = await shown();
  expect(all.edges).toBeGreaterThan(4);

  const slider = '.graph label:has-text("Weight at least") input';
  await page.fill(slider, "34");
  await page.waitForFunction(
    (edges) => Number(document.querySelector(".graph-canvas")?.getAttribute("data-edges")) < edges,
    all.edges,
  );
  const some = await shown();
  expect(some.edges).toBeGreaterThan(0);

  const saving = page.waitForEvent("download");
  await page.click('button:has-text("JSON")');
  const saved = JSON.parse(readFileSync(await (await saving).path(), "utf8"));
  expect(saved.edges.length).toBe(some.edges);
  expect(new Set(saved.nodes.map((node: { token: number }) => node.token)).size).toBe(some.columns);
  const savingSvg = page.waitForEvent("download");
  await page.click('button:has-text("SVG")');
  const svg = readFileSync(await (await savingSvg).path(), "utf8");
  expect(svg.match(/C/g)?.length).toBeGreaterThanOrEqual(some.edges);
  expect(svg.match(/<circle/g)?.length).toBe(saved.nodes.length);

  await page.fill(slider, "0");
  await page.click("text=The strongest edges as a table");
  await page.click(".graph details td button >> nth=0");
  await page.waitForSelector("text=Paths through");
  expect((await shown()).edges).toBeLessThanOrEqual(all.edges);
  await page.click('.graph-foot button:has-text("Show all") >> nth=0');
  await page.waitForFunction(
    (edges) => Number(document.querySelector(".graph-canvas")?.getAttribute("data-edges")) === edges,
    all.edges,
  );

  await page.focus(".graph-canvas");
  await page.keyboard.press("+");
  await page.keyboard.press("ArrowRight");
  expect(await shown()).toEqual(all);
});

test("masking runs on request and shows a curve for each ranking with what flips", async () => {
  await page.click('label:has-text("masking")');
  await page.click("text=/^Compute the masking curve$/");
  await page.waitForSelector(".masking .drawing", { timeout: 90_000 });
  const rows = await page.$$eval(".masking tbody tr", (all) => all.map((row) => row.children[0]?.textContent));
  expect(rows).toEqual(["AttnLRP", "CP-LRP", "Gradient × input", "random", "lowest first"]);
  expect(await page.$$eval(".masking .drawing path:has(title)", (lines) => lines.length)).toBe(5);
  const id = decodeURIComponent(/#\/case\/([^?]+)/.exec(page.url())?.[1] ?? "");
  const { node } = await server.query<{
    node: { tokenPairs: { maskingExperiments: { ranking: string; flipAway: number | null; steps: unknown[] }[] }[] };
  }>(
    `query ($id: ID!) { node(id: $id) { ... on FailureCase {
      tokenPairs { maskingExperiments { ranking flipAway steps { delta } } } } } }`,
    { id },
  );
  const experiments = node.tokenPairs.flatMap(({ maskingExperiments }) => maskingExperiments);
  // Four orders of their own, and three random ones.
  expect(experiments).toHaveLength(7);
  const own = experiments.find(({ ranking }) => ranking === "ATTNLRP");
  expect(own?.steps).toHaveLength(11);
  const shown = await page.textContent(".masking tbody tr:first-child td:nth-child(2)");
  expect(shown).toBe(own?.flipAway == null ? "not within 10" : String(own.flipAway));
});

test("tokens are masked by clicking, and delta and the new prediction follow", async () => {
  const tokens = '[aria-label="Tokens before the prediction"] button';
  await page.click(`${tokens} >> nth=5`);
  await page.click(`${tokens} >> nth=8`);
  await page.waitForSelector(".mask-result", { timeout: 30_000 });
  const id = decodeURIComponent(/#\/case\/([^?]+)/.exec(page.url())?.[1] ?? "");
  const { node } = await server.query<{
    node: { tokenPairs: { maskingExperiments: { ranking: string; steps: { position: number; delta: number }[] }[] }[] };
  }>(
    `query ($id: ID!) { node(id: $id) { ... on FailureCase {
      tokenPairs { maskingExperiments { ranking steps { position delta } } } } } }`,
    { id },
  );
  const chosen = node.tokenPairs.flatMap(({ maskingExperiments }) => maskingExperiments)
    .filter(({ ranking }) => ranking === "CHOSEN");
  const own = chosen.find(({ steps }) => steps.length === 3);
  expect(own?.steps.map(({ position }) => position)).toEqual([null, 5, 8]);
  expect(await page.getAttribute(".mask-result", "data-delta")).toBe(String(own?.steps[2]?.delta));
  await page.click("text=Bring all back");
  expect(await page.$(".mask-result")).toBeNull();
});

test("something else than the pair is explained at its place: a mean, and a text of several tokens", async () => {
  await page.click("text=Explain something else than this pair of tokens");
  const panel = section("Other objectives");
  await page.click(`${panel} label:has-text("the mean")`);
  await page.click(`${panel} button:has-text("Compute")`);
  await page.waitForSelector(`${panel} article:has-text("against the mean of all")`, { timeout: 60_000 });
  await page.click(`${panel} label:has-text("sequences")`);
  await page.fill(`${panel} label:has-text("Wrong text") input`, " a red house");
  await page.fill(`${panel} label:has-text("Right text") input`, " the blue");
  await page.click(`${panel} button:has-text("Compute")`);
  await page.waitForSelector(`${panel} article:has-text("red house")`, { timeout: 60_000 });
  const id = decodeURIComponent(/#\/case\/([^?]+)/.exec(page.url())?.[1] ?? "");
  const { node } = await server.query<{
    node: { tokenPairs: { objectives: { kind: string; value: number }[] }[] };
  }>(
    `query ($id: ID!) { node(id: $id) { ... on FailureCase { tokenPairs { objectives { kind value } } } } }`,
    { id },
  );
  const stored = node.tokenPairs.flatMap(({ objectives }) => objectives);
  expect(stored.map(({ kind }) => kind)).toEqual(["SEQUENCE", "MEAN"]);
  const shown = await page.$$eval(
    `${panel} article > p:first-child .number`,
    (all) => all.map((one) => one.textContent),
  );
  const signed = (value: number) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;
  expect(shown).toEqual(stored.map(({ value }) => signed(value)));
});

test("the tokens of the constraint are changed by clicking, and undone", async () => {
  await page.click("text=Say which tokens of the prompt state the constraint");
  const group = '[aria-label="Tokens of the prompt: choose those of the instruction"]';
  const marked = () => page.$$eval(`${group} .instruction`, (all) => all.length);
  await page.waitForSelector(`${group} button`);
  const before = await marked();
  await page.click(`${group} button:not([disabled]):not(.instruction) >> nth=0`);
  await page.waitForFunction(
    ([group, count]) => document.querySelectorAll(`${group} .instruction`).length === count,
    [group, before + 1] as const,
  );
  await page.click("text=Store the segments");
  await page.click("text=As they were found");
  await page.waitForFunction(
    ([group, count]) => document.querySelectorAll(`${group} .instruction`).length === count,
    [group, before] as const,
  );
});

test("two rules stand side by side, each with its own relevance", async () => {
  const id = decodeURIComponent(/#\/case\/([^?]+)/.exec(page.url())?.[1] ?? "");
  const { node } = await server.query<{ node: { tokenPairs: { id: string }[] } }>(
    "query ($id: ID!) { node(id: $id) { ... on FailureCase { tokenPairs { id } } } }",
    { id },
  );
  await server.query(
    "mutation ($ids: [ID!]!) { attribute(input: { tokenPairIds: $ids, rule: CPLRP }) { __typename } }",
    { ids: node.tokenPairs.map((pair) => pair.id) },
  );
  await page.click('label:has-text("compare")');
  await page.waitForFunction(() =>
    document.querySelectorAll(".compare-side [data-raw]").length > 0 &&
    document.querySelectorAll(".compare-side").length === 2
  );
  const sides = await page.$$eval(".compare-side", (all) =>
    all.map((side) => ({
      name: side.querySelector("select")?.selectedOptions[0]?.textContent,
      raw: Array.from(side.querySelectorAll("[data-raw]"), (chip) => Number(chip.getAttribute("data-raw"))),
    })));
  expect(sides.map(({ name }) => name)).toEqual(["AttnLRP", "CP-LRP"]);
  expect(sides[0]?.raw).not.toEqual(sides[1]?.raw);
});

interface Visited {
  readonly node: {
    readonly visitedPositionCount: number;
    readonly visitedPositions: readonly {
      readonly position: number;
      readonly triedCount: number;
      readonly target: { readonly text: string };
      readonly tried: readonly { readonly text: string; readonly passed: boolean | null }[];
    }[];
  };
}

test("failures are collected, their token pairs searched, and a case shows where the search looked", async () => {
  await page.goto(`${server.address}/#/run`);
  const collecting = section("Collect failures");
  await page.selectOption(`${collecting} label:has-text("Benchmark") select`, "demo-ifeval");
  await page.fill(`${collecting} label:has-text("Items at most") input`, "5");
  await page.click(`${collecting} button:has-text("Collect")`);
  await page.waitForSelector(`${collecting} .job[data-status=COMPLETED]`, { timeout: 60_000 });
  const { failureCases } = await server.query<{ failureCases: { nodes: { id: string }[] } }>(
    "{ failureCases(filter: { source: COLLECTED }) { nodes { id } } }",
  );
  const [collected] = failureCases.nodes;
  expect(await page.textContent(`${collecting} .job`)).toContain(`${failureCases.nodes.length} failed`);

  const searching = section("Find token pairs");
  await page.click(`${searching} button:has-text("Search")`);
  await page.waitForSelector(`${searching} .job[data-status=COMPLETED]`, { timeout: 90_000 });
  await page.goto(`${server.address}/#/case/${encodeURIComponent(collected?.id ?? "")}`);
  const panel = await page.waitForSelector("details.visited summary");
  const { node } = await server.query<Visited>(
    `query ($id: ID!) { node(id: $id) { ... on FailureCase { visitedPositionCount
      visitedPositions(count: 20) { position triedCount target { text } tried(first: 3) { text passed } } } } }`,
    { id: collected?.id },
  );
  expect(node.visitedPositionCount).toBeGreaterThan(0);
  expect(await panel.textContent()).toMatch(new RegExp(`^Where the search looked: ${node.visitedPositionCount} `));
  if (!(await page.$("details.visited[open]"))) await panel.click();
  await page.waitForSelector("details.visited tbody tr");
  const rows = await page.$$eval("details.visited tbody tr", (all) =>
    all.map((row) => ({
      position: Number(row.children[0]?.textContent),
      text: row.children[1]?.querySelector(".token-box")?.textContent,
      tried: Number.parseInt(row.children[2]?.textContent ?? ""),
      passed: row.querySelectorAll(".tried .blue").length > 0,
    })));
  expect(rows).toEqual(node.visitedPositions.map(({ position, triedCount, target, tried }) => ({
    position,
    text: target.text,
    tried: triedCount,
    passed: tried.some(({ passed }) => passed === true),
  })));
});

interface Planned {
  readonly plan: { readonly runs: number; readonly fits: boolean; readonly gpuBytes: number };
}

test("what runs will take is said before they start", async () => {
  await page.goto(`${server.address}/#/run`);
  const form = section("Analyse");
  await page.selectOption(`${form} label:has-text("Rule") select`, "GRADIENT");
  // The first plans measure the adapter.
  await page.waitForSelector(`${form} .plan[data-fits=true]`, { timeout: 90_000 });
  const { plan } = await server.query<Planned>(
    `{ plan(input: { work: ATTRIBUTE, selection: CLEAN, rule: GRADIENT }) { ... on Plan { runs fits gpuBytes } } }`,
  );
  expect(plan).toMatchObject({ runs: 2, fits: true });
  expect(await page.getAttribute(`${form} .plan`, "data-runs")).toBe("2");
  const megabytes = (plan.gpuBytes / 1e6).toFixed(1);
  expect(await page.textContent(`${form} .plan`)).toMatch(
    new RegExp(`^2 runs take .*; the longest, of \\d+ tokens, ${megabytes} MB on the device and [\\d,.]+ MB beside it`),
  );
});

/** What the two sides say that they show. */
const compared = () => page.$$eval(".compare-side option:checked", (all) => all.map((one) => one.textContent));

interface StudyPoint {
  readonly x: number;
  readonly y: number;
  readonly xAttributionId: string;
  readonly yAttributionId: string;
}

test("a study is run over a series that was made here; its plots tell the API's numbers and lead to the case", async () => {
  const models = section("Add a model");
  await page.fill(`${models} input >> nth=0`, join(folder, "demo-half"));
  await page.click(`${models} button:has-text("Add")`);
  const series = section("Add a series");
  await page.fill(`${series} input[type=text]`, "halves");
  for (const name of ["demo-half", "demo-1m"]) await page.check(`${series} label:has-text("${name}") input`);
  await page.selectOption(`${series} select`, "TRAINING");
  await page.click(`${series} button:has-text("Add the series")`);
  const study = section("Run a study");
  await page.waitForSelector(`${study} option:has-text("halves, 2 members")`, { state: "attached" });
  await page.waitForSelector(`${study} .plan[data-fits=true]`, { timeout: 90_000 });
  await page.click(`${study} button:has-text("Run the study")`);
  await page.waitForSelector(`${study} .job[data-status=COMPLETED]`, { timeout: 60_000 });

  await page.click(".places >> text=Studies");
  await page.waitForSelector(".study .drawing a");
  const points = await page.$$eval(".study .drawing a", (all) => all.map((one) => one.textContent));
  expect(points).toHaveLength(2);
  const { studies } = await server.query<{ studies: { nodes: { points: { nodes: StudyPoint[] } }[] } }>(
    `{ studies { nodes { points(x: "demo-half", y: "demo-1m", first: 10) {
      nodes { x y xAttributionId yAttributionId } } } } }`,
  );
  // The last norm of demo-half has half the weights, and so its logits are exactly half.
  for (const { x, y } of studies.nodes[0]?.points.nodes ?? []) expect(y).toBe(2 * x);
  expect(await page.textContent(".study [role=status]")).toMatch(/^Of 2 pairs that both have: 0 corrected/);

  const saving = page.waitForEvent("download");
  await page.click('.study button:has-text("JSON")');
  const saved = JSON.parse(readFileSync(await (await saving).path(), "utf8"));
  expect(saved.points.map(({ x, y }: { x: number; y: number }) => y / x)).toEqual([2, 2]);

  await page.click(".study .drawing a >> nth=0", { force: true });
  await page.waitForSelector(".compare-side");
  // The oldest attribution of the pair is that of its own model, the second member: the point names both, in its order.
  const ofPoint = studies.nodes[0]?.points.nodes[0];
  expect(await page.$$eval(".compare-side", (all) => all.map((side) => side.getAttribute("data-attribution")))).toEqual(
    [
      ofPoint?.xAttributionId,
      ofPoint?.yAttributionId,
    ],
  );
  expect(await compared()).toEqual(["AttnLRP on demo-half", "AttnLRP"]);
  for (const side of [0, 1]) await page.waitForSelector(`.compare-side >> nth=${side} >> .heated`);
  const sides = await page.$$eval(
    ".compare-side",
    (all) =>
      all.map((side) =>
        Array.from(side.querySelectorAll("[data-raw]"), (chip) => Number(chip.getAttribute("data-raw")))
      ),
  );
  expect(sides[0]?.length).toBeGreaterThan(20);
  expect(sides[1]).toEqual(sides[0]?.map((raw) => 2 * raw));
  // Another one is chosen, and the address keeps it.
  await page.selectOption(".compare-side >> nth=0 >> select", { label: "AttnLRP" });
  await page.reload();
  await page.waitForSelector(".compare-side >> nth=0 >> .heated");
  expect(await compared()).toEqual(["AttnLRP", "AttnLRP"]);
});

test("nothing went wrong in the page meanwhile", () => {
  expect(complaints).toEqual([]);
});
