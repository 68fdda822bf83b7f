/// <reference lib="dom" />
/** Finding cases in a real browser on the real server: rail, search, answers, and work on all that is listed. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../server/base/settings.ts";
import { launchChromium } from "./browser_chromium.ts";
import { type RunningServer, startServerProcess } from "./browser_server.ts";

let server: RunningServer;
let browser: Browser;
let page: Page;
let folder: string;
const complaints: string[] = [];

/** An evaluation's sample whose log says one thing of the commas; the answer says another. */
function sample(id: number, response: string, passed: boolean): string {
  const prompt = `Say hello to number ${id}. Do not use any commas.`;
  return JSON.stringify({
    doc_id: id,
    doc: { key: id, prompt, instruction_id_list: ["punctuation:no_comma"], kwargs: [{}] },
    target: "0",
    arguments: { gen_args_0: { arg_0: prompt, arg_1: {} } },
    resps: [[response]],
    filtered_resps: [response],
    filter: "none",
    doc_hash: `doc${id}`,
    prompt_hash: `prompt${id}`,
    prompt_level_strict_acc: passed,
    inst_level_strict_acc: [passed],
    prompt_level_loose_acc: passed,
    inst_level_loose_acc: [passed],
  });
}

async function finished(id: string): Promise<void> {
  for (;;) {
    const { job } = await server.query<{ job: { status: string; error: { message: string } | null } }>(
      "query ($id: ID!) { job(id: $id) { status error { message } } }",
      { id },
    );
    if (job.error !== null) throw new Error(job.error.message);
    if (job.status === "COMPLETED") return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function importFile(name: string, text: string, from: string): Promise<void> {
  writeFileSync(join(folder, name), text);
  const { importFailureCases } = await server.query<{ importFailureCases: { id: string } }>(
    `mutation ($input: ImportFailureCasesInput!) { importFailureCases(input: $input) { ... on Job { id } } }`,
    { input: { path: join(folder, name), from, ...(from === "LM_EVAL" ? { model: "demo-1m" } : {}) } },
  );
  await finished(importFailureCases.id);
}

/** Six cases of each benchmark that come with their pairs, and three answers of a log: two that it judges wrongly. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "culprit-find-"));
  mkdirSync(folder, { recursive: true });
  server = await startServerProcess({ CULPRIT_MODELS: `${join(ROOT, "models")}:${folder}` });
  await server.query(`mutation { addModel(input: { directory: "demo-1m" }) { __typename } }`);
  const lines = readFileSync(join(ROOT, "models/demo-1m/failure-cases.jsonl"), "utf8").trim().split("\n");
  const of = (benchmark: string) => lines.filter((line) => line.includes(`"key": "${benchmark}/`)).slice(0, 6);
  await importFile("cases.jsonl", [...of("demo-ifeval"), ...of("demo-math")].join("\n"), "CULPRIT");
  const log = [sample(1, "Hello, you.", true), sample(2, "Hello you.", false), sample(3, "Hello, all.", false)];
  await importFile("samples_ifeval_2026-11-22T07-11-21.660952.jsonl", log.join("\n"), "LM_EVAL");
  browser = await launchChromium();
  page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  await page.addInitScript(() => localStorage.setItem("culprit welcome", "yes"));
  await page.goto(`${server.address}/#/cases`);
  await page.waitForSelector(".cases tbody tr");
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const keys = () => page.$$eval(".cases tbody .case a", (all) => all.map((one) => one.textContent ?? ""));
const found = (count: number, noun = "failure case") =>
  page.waitForSelector(`text=/^${count} ${noun}${count === 1 ? "" : "s"} found$/`);
const facet = (title: string) => `.facet[aria-label="${title}"]`;
const SEARCH = "[aria-label='Search in key, prompt, answer and tokens']";

interface ApiCases {
  readonly failureCases: {
    readonly totalCount: number;
    readonly nodes: readonly {
      readonly key: string;
      readonly tokenPairs: readonly {
        readonly contrast: { readonly text: string };
        readonly attribution: {
          readonly pattern: string | null;
          readonly red: readonly { readonly text: string }[];
          readonly blue: readonly { readonly text: string }[];
        } | null;
      }[];
    }[];
  };
}

/** Cases of a filter as the API has them, in the page's order. */
async function casesOf(filter: Readonly<Record<string, unknown>>): Promise<ApiCases["failureCases"]> {
  const { failureCases } = await server.query<ApiCases>(
    `query ($filter: FailureCaseFilter) { failureCases(filter: $filter, first: 40) { totalCount nodes { key tokenPairs {
      contrast { text } attribution(rule: ATTNLRP) { pattern
        red: strongest(count: 1, sign: WRONG) { text } blue: strongest(count: 1, sign: RIGHT) { text } } } } } }`,
    { filter },
  );
  return failureCases;
}

test("the filters stand beside the list, and both begin on the first screen", async () => {
  const place = async (selector: string) => (await (await page.waitForSelector(selector)).boundingBox())!;
  const [rail, row] = [await place(".rail-form"), await place(".cases tbody tr:nth-child(3)")];
  expect(rail.x + rail.width).toBeLessThan(row.x);
  expect(row.y + row.height).toBeLessThan(800);
});

test("benchmarks are a choice from what is there, with their numbers, kept in the address", async () => {
  const select = ".rail label:has-text('Benchmark') select";
  await page.waitForFunction(
    (select) => document.querySelectorAll(`${select} option`).length === 4,
    ".rail select:has(option[value=demo-math])",
  );
  const names = await page.$$eval(`${select} option`, (all) => all.map((one) => one.textContent));
  expect(names).toEqual(["any", "demo-ifeval (6)", "demo-math (6)", expect.stringMatching(/^\w+ \(2\)$/)]);
  await page.selectOption(select, "demo-math");
  await page.waitForURL(/benchmark=demo-math/);
  await found(6);
  expect(await keys()).toEqual((await casesOf({ benchmark: "demo-math" })).nodes.map(({ key }) => key));
});

test("one box finds text of key, prompt, answer and tokens", async () => {
  await page.click("text=Clear the filter");
  await page.waitForURL((url) => !url.hash.includes("benchmark"));
  const all = await casesOf({});
  const contrast = all.nodes.find(({ tokenPairs }) => (tokenPairs[0]?.contrast.text.trim().length ?? 0) > 2)!;
  for (const search of [all.nodes[0]!.key.toUpperCase(), contrast.tokenPairs[0]!.contrast.text, "number 3"]) {
    await page.fill(SEARCH, search);
    const wanted = await casesOf({ search });
    expect(wanted.totalCount).toBeGreaterThan(0);
    expect(wanted.totalCount).toBeLessThan(all.totalCount);
    await found(wanted.totalCount);
    expect(await keys()).toEqual(wanted.nodes.map(({ key }) => key));
  }
  expect(decodeURIComponent(page.url())).toContain("search=number+3");
  await page.reload();
  await found(1);
  expect(await page.inputValue(SEARCH)).toBe("number 3");
  await page.click("[aria-label^='Without the condition']");
});

test("what log and checker judge differently is listed: cases, and answers that passed too", async () => {
  await page.click(`${facet("Log and checker")} a:text-is("disagree")`);
  await found(1);
  await page.selectOption(".rail label:has-text('Show') select", "answers");
  await found(2, "answer");
  const rows = () =>
    page.$$eval(
      ".answer-table tbody tr",
      (all) => all.map((row) => Array.from(row.children, (cell) => cell.textContent?.trim()).slice(1, 5)),
    );
  // IFEval's checkers are the reference: ours counts.
  expect(await rows()).toEqual([
    ["Hello you.", "passed by checker", "failed", "passed"],
    ["Hello, you.", "failed by checker", "passed", "failed"],
  ]);
  await page.click(`${facet("Answers")} a:text-is("passed")`);
  await found(1, "answer");
  expect(page.url()).toContain("verdict=passed");
  await page.click("text=Clear the filter");
  // The address changes before the page does: the next test chooses in the list of cases.
  await page.waitForURL((url) => !url.href.includes("verdict="));
  await page.waitForSelector(".cases tbody .case a");
});

test("an analysis is run on all that is listed, its cost said before; rows show what it found", async () => {
  await page.selectOption(".rail label:has-text('Benchmark') select", "demo-math");
  await found(6);
  expect(await page.textContent(".cases tbody tr:first-child .strong-tokens")).toBe("not attributed");
  await page.click("summary:has-text('Run on these 6 cases')");
  const form = "section[aria-label='Run on these 6 cases']";
  // The first plan measures the adapter.
  await page.waitForSelector(`${form} .plan[data-runs="6"][data-fits=true]`, { timeout: 90_000 });
  await page.click(`${form} button:has-text("Run")`);
  await page.waitForSelector(`${form} .job[data-status=COMPLETED]`, { timeout: 60_000 });
  expect(await page.textContent(`${form} .job`)).toContain("AttnLRP, 6 token pairs");
  await page.waitForFunction(() => document.querySelectorAll(".cases tbody .strongest").length === 6);

  await page.selectOption(`${form} label:has-text("What") select`, "diagnose");
  await page.waitForSelector(`${form} .plan[data-past="0"]`);
  await page.click(`${form} button:has-text("Run")`);
  await page.waitForSelector(`${form} .job[data-status=COMPLETED] :text("Diagnosis")`, { timeout: 90_000 });
  await page.waitForSelector(`${form} .plan[data-past="6"]`);
  expect(await page.textContent(`${form} .plan`)).toMatch(/^The last 6 took .*: 6 would take /);
  await page.waitForFunction(() => document.querySelectorAll(".cases tbody .finding :first-child").length === 6);
  const names: Readonly<Record<string, string>> = { URT: "URT", OIT: "OIT", URT_OIT: "URT+OIT" };
  const shown = await page.$$eval(".cases tbody tr", (all) =>
    all.map((row) => ({
      key: row.querySelector(".case a")?.textContent,
      finding: row.querySelector(".finding")?.textContent,
      strongest: Array.from(row.querySelectorAll(".strongest .token-box"), (box) => box.textContent),
    })));
  const { nodes } = await casesOf({ benchmark: "demo-math" });
  expect(shown.map(({ key, strongest }) => ({ key, strongest }))).toEqual(nodes.map(({ key, tokenPairs: [pair] }) => ({
    key,
    strongest: [...pair!.attribution!.red, ...pair!.attribution!.blue].map(({ text }) => text),
  })));
  for (const [index, { tokenPairs: [pair] }] of nodes.entries()) {
    const pattern = pair!.attribution!.pattern;
    if (pattern !== null) expect(shown[index]?.finding).toBe(names[pattern]);
  }
});

test("outcomes and patterns are filters with their numbers, and hold together", async () => {
  const counts = await page.$$eval(`${facet("Outcome")} .number`, (all) => all.map((one) => Number(one.textContent)));
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(6);
  const { nodes } = await casesOf({ benchmark: "demo-math" });
  const pattern = nodes.map(({ tokenPairs: [pair] }) => pair!.attribution!.pattern).find((one) => one !== null)!;
  await page.click(`${facet("Pattern")} a[data-term="${pattern.toLowerCase().replace("_", "-")}"]`);
  const wanted = await casesOf({ benchmark: "demo-math", pattern });
  await page.waitForURL(new RegExp(`pattern=${pattern}`));
  await page.waitForSelector(".conditions li >> nth=1");
  await found(wanted.totalCount);
  expect(await keys()).toEqual(wanted.nodes.map(({ key }) => key));
});

test("a job that has ended opens its results: the cases that it worked on", async () => {
  await page.click("button:has-text('Jobs')");
  const job = `#jobs .job:has(strong:text-is("Diagnosis"))`;
  expect(await page.textContent(job)).toMatch(/done 6 of 6, .*, took /);
  await page.click(`${job} a:has-text("Open the results")`);
  await page.waitForSelector("#jobs", { state: "hidden" });
  await page.waitForURL(/job=/);
  await found(6);
  const wanted = (await casesOf({ benchmark: "demo-math" })).nodes.map(({ key }) => key);
  expect(await keys()).toEqual(wanted);
});

/** Id of the case that the page shows. */
const shownCase = () => decodeURIComponent(/#\/case\/([^?]+)/.exec(page.url())?.[1] ?? "");

interface ApiPairs {
  readonly node: {
    readonly status: string;
    readonly delta: number;
    readonly tokenPairs: readonly {
      readonly id: string;
      readonly source: string;
      readonly target: { readonly id: number };
      readonly contrast: { readonly id: number; readonly text: string };
      readonly candidates: readonly { readonly id: number; readonly text: string }[];
      readonly labels: readonly {
        readonly reader: string;
        readonly outcome: string;
        readonly pattern: string | null;
      }[];
      readonly attributions: readonly {
        readonly strongest: readonly { readonly position: number }[];
      }[];
      readonly maskingExperiments: readonly {
        readonly ranking: string;
        readonly steps: readonly { readonly position: number | null; readonly delta: number }[];
        readonly rollouts: readonly { readonly masked: number; readonly text: string }[];
      }[];
    }[];
  };
}

async function pairsOf(id: string): Promise<ApiPairs["node"]> {
  const { node } = await server.query<ApiPairs>(
    `query ($id: ID!) { node(id: $id) { ... on FailureCase { status delta tokenPairs { id source target { id }
      contrast { id text } candidates { id text } labels { reader outcome pattern }
      attributions { strongest(count: 3, sign: WRONG) { position } }
      maskingExperiments { ranking steps { position delta } rollouts { masked text } } } } } }`,
    { id },
  );
  return node;
}

test("a person labels by keys, blind, and sees the classifier's word and the agreement after that", async () => {
  await page.click(".cases tbody .case a >> nth=0");
  await page.waitForSelector(".diagnosis >> text=/Automatic diagnosis/");
  await page.click("summary:has-text('Label outcome and pattern yourself')");
  await page.check(".label-panel label:has-text('Read blind') input");
  await page.waitForSelector(".diagnosis >> text=/You read blind/");
  expect(await page.textContent(".diagnosis")).not.toContain("Automatic diagnosis");
  await page.fill(".label-panel label:has-text('Your name') input", "Ada");
  await page.press(".label-panel label:has-text('Your name') input", "Tab");
  await page.evaluate(() => (document.activeElement as HTMLElement).blur());
  for (const key of ["1", "b", "s"]) await page.keyboard.press(key);
  await page.waitForSelector(".diagnosis >> text=/Automatic diagnosis/");
  expect(await page.textContent(".diagnosis")).toContain("Ada says M-IA, URT+OIT");
  const [pair] = (await pairsOf(shownCase())).tokenPairs;
  expect(pair?.labels).toEqual([{ reader: "Ada", outcome: "M_IA", pattern: "URT_OIT" }]);
  // Keys mean nothing while the panel is closed.
  await page.click("summary:has-text('Label outcome and pattern yourself')");
  for (const key of ["3", "s"]) await page.keyboard.press(key);
  await page.click("summary:has-text('Agreement of readers and classifier')");
  await page.waitForSelector(".diagnosis tr:has-text('Classifier and Ada')");
  expect((await pairsOf(shownCase())).tokenPairs[0]?.labels).toEqual(pair?.labels);
});

test("the strongest tokens are masked by one button; delta, and what the model goes on to write, follow", async () => {
  await page.click('label:has-text("masking")');
  await page.waitForSelector(".mask-top button");
  const tokens = '[aria-label="Tokens before the prediction"]';
  // The last token is there, coloured as the others, but stays.
  const last = await page.$eval(`${tokens} .last`, (one) => one.tagName);
  expect(last).toBe("SPAN");
  await page.click(".mask-top button:text-is('3')");
  await page.waitForSelector(".mask-continuation", { timeout: 60_000 });
  const [pair] = (await pairsOf(shownCase())).tokenPairs;
  const masked = await page.$$eval(
    `${tokens} .masked`,
    (all) => all.map((one) => Number(one.getAttribute("data-position"))),
  );
  const chosen = pair?.maskingExperiments.find(({ ranking }) => ranking === "CHOSEN");
  const positions = chosen?.steps.slice(1).map(({ position }) => position) ?? [];
  expect(positions).toHaveLength(3);
  expect([...masked].sort((a, b) => a - b)).toEqual([...positions].sort((a, b) => a! - b!));
  const coloured = await page.$$eval(
    `${tokens} button`,
    (all) => all.filter((one) => one.style.background !== "").length,
  );
  expect(coloured).toBeGreaterThan(10);
  expect(await page.getAttribute(".mask-result", "data-delta")).toBe(String(chosen?.steps[3]?.delta));
  expect(await page.textContent(".mask-continuation .answer-text")).toBe(chosen?.rollouts[0]?.text);
});

test("a candidate of the table is clicked to attribute against it; the case stays what it was", async () => {
  await page.click('label:has-text("heatmap")');
  const id = shownCase();
  const before = await pairsOf(id);
  await page.click("table:has(caption:text-is('Candidates at the place of the error')) tbody button >> nth=0");
  await page.waitForURL(/pair=/, { timeout: 60_000 });
  await page.waitForSelector("figure[data-rule=ATTNLRP] .heated");
  const after = await pairsOf(id);
  expect(after.tokenPairs).toHaveLength(before.tokenPairs.length + 1);
  const added = after.tokenPairs.at(-1);
  expect(added).toMatchObject({ source: "ASKED", target: { id: before.tokenPairs[0]?.target.id } });
  expect(decodeURIComponent(page.url())).toContain(`pair=${added?.id}`);
  expect([after.status, after.delta]).toEqual([before.status, before.delta]);
  // All clean pairs are those that were found, one a case here: what somebody asked is none of them.
  const { attribute } = await server.query<{ attribute: { total: number } }>(
    `mutation { attribute(input: { selection: CLEAN, rule: GRADIENT }) { ... on Job { total } } }`,
  );
  const { failureCases } = await server.query<{ failureCases: { totalCount: number } }>(
    "{ failureCases(filter: { status: CLEAN }) { totalCount } }",
  );
  expect(attribute.total).toBe(failureCases.totalCount);
});

test("an open case is searched from its page, and no other", async () => {
  const open = async () => {
    const { failureCases } = await server.query<{ failureCases: { nodes: { id: string }[] } }>(
      "{ failureCases(filter: { status: OPEN }) { nodes { id } } }",
    );
    return failureCases.nodes.map(({ id }) => id);
  };
  const [first = "", ...others] = await open();
  expect(others).toHaveLength(1);
  await page.goto(`${server.address}/#/case/${encodeURIComponent(first)}`);
  await page.click("button:has-text('Search this case')");
  await page.waitForSelector(".case-head .status:not(.open)", { timeout: 90_000 });
  expect(await open()).toEqual(others);
  await page.click("button:has-text('Jobs')");
  await page.click(`#jobs .job:has(strong:text-is("Search of token pairs")) a:has-text("Open the results")`);
  expect(shownCase()).toBe(first);
});

test("nothing went wrong in the page meanwhile", () => {
  expect(complaints).toEqual([]);
});
