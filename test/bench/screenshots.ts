/// <reference lib="dom" />
/**
 * Takes the pictures of the page in docs/ anew, from the demo model and its failure cases:
 *
 *   deno run -A test/bench/screenshots.ts [NAME...]
 */
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { ROOT } from "../../server/base/settings.ts";
import { launchChromium } from "../browser_chromium.ts";
import { type RunningServer, startServerProcess } from "../browser_server.ts";
import buildPage from "../page_setup.ts";

const CASES = "demo-1m/failure-cases.jsonl";
/** A comma where the prompt forbids commas. */
const SHOWN = "demo-ifeval/0704";
const JOB = "{ ... on Job { id } ... on InputError { message } }";
const SIZE = { width: 1080, height: 760 };
const WIDE = { width: 1280, height: 760 };
const PHONE = { width: 390, height: 760 };

async function finished(server: RunningServer, id: string): Promise<void> {
  for (;;) {
    const { job } = await server.query<{ job: { status: string; error: { message: string } | null } }>(
      "query ($id: ID!) { job(id: $id) { status error { message } } }",
      { id },
    );
    if (job.status === "COMPLETED") return;
    if (job.error !== null) throw new Error(job.error.message);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Starts what a mutation returns as its only field, and waits for the job. */
async function work(server: RunningServer, mutation: string): Promise<void> {
  const answer = await server.query<Record<string, { id: string; message?: string }>>(`mutation { ${mutation} }`);
  const [job] = Object.values(answer);
  if (job?.id === undefined) throw new Error(job?.message ?? mutation);
  await finished(server, job.id);
}

/** A sum that goes wrong in a step of its own. */
const SOLVED = `model: "demo-1m", contrast: { text: "7" },
  chat: "Mia has 3 marbles and 9 shells. Tom gives her 4 marbles. How many marbles does Mia have now?",
  prefix: "Mia has 3 marbles. Tom gives her 9 shells. So Mia has $3 + 9 = "`;

/** A case of several steps, traced. Returns its pair's global id. */
async function traced(server: RunningServer): Promise<string> {
  const { explain } = await server.query<{ explain: { failureCase: { id: string }; job: { id: string } } }>(
    `mutation { explain(input: { ${SOLVED} }) { ... on Explanation { failureCase { id } job { id } } } }`,
  );
  await finished(server, explain.job.id);
  const { node } = await server.query<{ node: { tokenPairs: readonly { id: string }[] } }>(
    "query ($id: ID!) { node(id: $id) { ... on FailureCase { tokenPairs { id } } } }",
    { id: explain.failureCase.id },
  );
  const { id } = node.tokenPairs[0]!;
  await work(server, `trace(input: { tokenPairIds: ["${id}"] }) ${JOB}`);
  return id;
}

/** Global ids of what pictures show. */
interface Shown {
  readonly failureCase: string;
  readonly tracedPair: string;
}

/**
 * The demo cases, attributed and diagnosed; of the shown one a second rule, its graph and its masking. Returns its global
 * id.
 */
async function prepare(server: RunningServer): Promise<string> {
  await work(server, `importFailureCases(input: { path: "${CASES}" }) ${JOB}`);
  const { failureCases } = await server.query<{
    failureCases: { nodes: readonly { id: string; tokenPairs: readonly { id: string }[] }[] };
  }>(`{ failureCases(filter: { key: "${SHOWN}" }) { nodes { id tokenPairs { id } } } }`);
  const [found] = failureCases.nodes;
  const pair = found?.tokenPairs[0]?.id;
  if (found === undefined || pair === undefined) throw new Error(`There is no case ${SHOWN}`);
  await work(server, `diagnose(input: { selection: CLEAN }) ${JOB}`);
  await work(server, `attribute(input: { tokenPairIds: ["${pair}"], rule: CPLRP }) ${JOB}`);
  await work(server, `buildGraph(input: { tokenPairIds: ["${pair}"], rule: ATTNLRP, heads: true }) ${JOB}`);
  await work(server, `runMaskingExperiment(input: { tokenPairIds: ["${pair}"], scope: PROMPT }) ${JOB}`);
  return found.id;
}

interface Picture {
  readonly name: string;
  /** What stands behind the address of the server. */
  readonly at: string;
  /** What has to be there before. */
  readonly ready: string;
  readonly how?: Readonly<Record<string, unknown>>;
  readonly act?: (page: Page) => Promise<unknown>;
}

/** Takes one picture. Its page stays open: where the browser is a single process, the last one that closes ends it. */
async function take(browser: Browser, server: RunningServer, picture: Picture): Promise<void> {
  const page: Page = await browser.newPage({ viewport: SIZE, colorScheme: "light", ...picture.how });
  // A reader who has seen the welcome.
  await page.addInitScript(() => localStorage.setItem("culprit welcome", "yes"));
  await page.goto(`${server.address}/${picture.at}`);
  await page.waitForSelector(picture.ready);
  await picture.act?.(page);
  // Whatever is still on its way: numbers that are counted, pictures that are drawn.
  await page.waitForTimeout(800);
  await page.screenshot({ path: join(ROOT, "docs", `page-${picture.name}.png`), animations: "disabled" });
}

/** Scrolls to what the tabs of a case switch between. */
async function toTabs(page: Page): Promise<void> {
  await page.evaluate(() => scrollBy(0, (document.querySelector(".tabs")?.getBoundingClientRect().top ?? 0) - 16));
}

/** Asks why the demo model writes a word that it was told to leave out. */
async function askWhy(page: Page): Promise<void> {
  await page.setViewportSize({ ...SIZE, height: 1240 });
  await page.fill(
    ".ask-text textarea",
    "Write a tweet about a sad painter by the road. No capital letters are allowed. " +
      "Do not include the keywords bread and painter.",
  );
  await page.click("button:has-text('Generate')");
  await page.waitForSelector(".answer[aria-busy=false]");
  await page.click(".answer-token:has-text('painter')");
  await page.click(".alternative-list button >> nth=0");
  await page.waitForSelector(".explained .token.heated");
  await page.waitForSelector(".answer-text[data-status=COMPLETED]");
}

function pictures({ failureCase: id, tracedPair }: Shown): readonly Picture[] {
  const trace = {
    at: `#/trace/${encodeURIComponent(tracedPair)}?least=0`,
    ready: ".trace-heat [role=option].heated",
  };
  const at = (view: string) => `#/case/${encodeURIComponent(id)}?view=${view}`;
  return [
    { name: "ask", at: "#/ask", ready: ".ask-form textarea", act: askWhy },
    { name: "ask-dark", at: "#/ask", ready: ".ask-form textarea", how: { colorScheme: "dark" }, act: askWhy },
    {
      name: "cases",
      at: "#/cases?status=CLEAN&order=delta-down",
      ready: ".cases tbody .finding *",
      how: { viewport: WIDE },
    },
    {
      name: "cases-dark",
      at: "#/cases?outcome=M_IA&pattern=OIT&order=delta-down",
      ready: ".cases tbody .finding *",
      how: { viewport: WIDE, colorScheme: "dark" },
      act: (page) => page.click("summary:has-text('Run on these')"),
    },
    { name: "heatmap", at: at("heat"), ready: "[role=option].heated" },
    { name: "compare", at: at("compare"), ready: ".compare-side .heated", act: toTabs },
    { name: "graph", at: at("graph"), ready: ".graph-canvas", how: { colorScheme: "dark" }, act: toTabs },
    {
      name: "masking",
      at: at("masking"),
      ready: ".chart",
      act: async (page) => {
        await page.click(".mask-top button:text-is('3')");
        await page.waitForSelector(".mask-continuation .answer-text");
        await toTabs(page);
      },
    },
    { name: "trace", ...trace },
    {
      name: "trace-dark",
      ...trace,
      how: { colorScheme: "dark" },
      act: async (page) => {
        await page.click("label:has-text('signed')");
        await page.click(".trace-line:not(.of-prompt):not(.of-error) .trace-part >> nth=-1");
      },
    },
    { name: "outcomes", at: "#/studies", ready: ".outcomes .stack", how: { viewport: { ...SIZE, height: 560 } } },
    {
      name: "run",
      at: "#/run",
      ready: "section[aria-label=Analyse]",
      act: async (page) => {
        await page.selectOption("section[aria-label=Analyse] label:has-text('What') select", "graph");
        await page.waitForSelector("section[aria-label=Analyse] .plan[data-fits]");
        await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
      },
    },
    {
      name: "jobs",
      at: "#/cases",
      ready: ".cases tbody tr",
      act: async (page) => {
        await page.click("button:has-text('Jobs')");
        await page.waitForSelector("#jobs .workers li");
      },
    },
    { name: "phone", at: at("heat"), ready: "[role=option].heated", how: { viewport: PHONE } },
  ];
}

await buildPage();
const server = await startServerProcess();
try {
  await server.query(`mutation { addModel(input: { directory: "demo-1m" }) { __typename } }`);
  // All cases are diagnosed only for pictures that show them.
  const onlyTraces = Deno.args.length > 0 && Deno.args.every((name) => name.startsWith("trace"));
  const shown = { failureCase: onlyTraces ? "" : await prepare(server), tracedPair: await traced(server) };
  const browser = await launchChromium();
  const wanted = pictures(shown).filter(({ name }) => Deno.args.length === 0 || Deno.args.includes(name));
  for (const picture of wanted) await take(browser, server, picture);
  await browser.close();
} finally {
  await server.stop();
}
