/**
 * Takes the pictures of the page in docs/ anew, from the demo model and its failure cases:
 *
 *   deno run -A test/bench/screenshots.ts
 */
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { ROOT } from "../../server/settings.ts";
import { launchChromium } from "../browser_chromium.ts";
import { type RunningServer, startServerProcess } from "../browser_server.ts";
import buildPage from "../page_setup.ts";

const CASES = "demo-1m/failure-cases.jsonl";
const SIZE = { width: 1080, height: 760 };
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

const JOB = "{ ... on Job { id } ... on InputError { message } }";

/** The demo cases with attributions, and the graph and masking of the longest clean one. Returns its global id. */
async function prepare(server: RunningServer): Promise<string> {
  await server.query(`mutation { addModel(input: { directory: "demo-1m" }) { __typename } }`);
  await work(server, `importFailureCases(input: { path: "${CASES}" }) ${JOB}`);
  const { failureCases } = await server.query<{
    failureCases: { nodes: readonly { id: string; tokenPairs: readonly { id: string }[] }[] };
  }>(
    `{ failureCases(first: 1, filter: { status: CLEAN }, orderBy: { by: TOKENS }) { nodes { id tokenPairs { id } } } }`,
  );
  const [found] = failureCases.nodes;
  const pair = found?.tokenPairs[0]?.id;
  if (found === undefined || pair === undefined) throw new Error("There is no clean demo case");
  await work(server, `attribute(input: { selection: CLEAN, rule: ATTNLRP }) ${JOB}`);
  await work(server, `buildGraph(input: { tokenPairIds: ["${pair}"], rule: ATTNLRP }) ${JOB}`);
  await work(server, `runMaskingExperiment(input: { tokenPairIds: ["${pair}"], scope: PROMPT }) ${JOB}`);
  return found.id;
}

/** Takes one picture. Its page stays open: where the browser is a single process, the last one that closes ends it. */
async function take(browser: Browser, address: string, name: string, ready: string, how: object): Promise<void> {
  const page: Page = await browser.newPage(how);
  await page.goto(address);
  await page.waitForSelector(ready);
  // Whatever is still on its way: numbers that are counted, pictures that are drawn.
  await page.waitForTimeout(800);
  await page.screenshot({ path: join(ROOT, "docs", `page-${name}.png`), animations: "disabled" });
}

await buildPage();
const server = await startServerProcess();
try {
  const id = encodeURIComponent(await prepare(server));
  const browser = await launchChromium();
  const light = { viewport: SIZE, colorScheme: "light" };
  const at = (view: string) => `${server.address}/#/case/${id}?view=${view}`;
  await take(browser, `${server.address}/#/cases?order=delta-down`, "cases", ".cases tbody tr", light);
  await take(browser, at("heat"), "heatmap", "[role=option].heated", light);
  await take(browser, at("graph"), "graph", ".graph-canvas", { ...light, colorScheme: "dark" });
  await take(browser, at("masking"), "masking", ".chart", light);
  await take(browser, at("heat"), "phone", "[role=option].heated", { viewport: PHONE, colorScheme: "light" });
  await browser.close();
} finally {
  await server.stop();
}
