/// <reference lib="dom" />
/**
 * Measures the page in Chromium with a case of 12,374 tokens, a graph of 200,000 edges and a trace, all random:
 *
 *   npm run bench -- page
 *
 * Prints one JSON line. README.md says what it means.
 */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Page } from "playwright-core";
import { freePort } from "../../server/base/free_port.ts";
import { startServer } from "../../server/serve.ts";
import { readSettings } from "../../server/base/settings.ts";
import { launchChromium } from "../browser_chromium.ts";
import { LONG, storeLongCase } from "../long_case.ts";
import { storeLongTrace } from "../long_trace.ts";
import buildPage from "../page_setup.ts";
import { machineName, oneMinuteLoad } from "./measurement.ts";

/** Frames of one movement. */
interface Frames {
  readonly fps: number;
  /** 95 of 100 frames come at least this fast after the one before. */
  readonly p95Ms: number;
  readonly longestMs: number;
}

const MOVE_MS = 4000;
const MEGABYTE = 1e6;

/** Notes in the page when the last of the answers arrived that the heatmap or the graph waits for. */
function noteArrivals(): void {
  const { fetch } = globalThis;
  globalThis.fetch = async (...request) => {
    const response = await fetch(...request);
    const asked = `${String(request[0])} ${String(request[1]?.body)}`;
    if (/\.cgf|ReadTokens|ReadRelevance|ReadTrace|ReadChainHeat/.test(asked)) {
      response.clone().arrayBuffer().then(() => document.documentElement.dataset["arrived"] = `${performance.now()}`);
    }
    return response;
  };
}

/** Milliseconds from the last answer of the server to the next frame that is painted after `selector` is there. */
async function shownAfterData(page: Page, selector: string): Promise<number> {
  await page.waitForSelector(selector);
  return await page.evaluate(async () => {
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    return performance.now() - Number(document.documentElement.dataset["arrived"]);
  });
}

/** Milliseconds from a key to the painted frame that shows the token it leads to. */
function keyAnswered(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const box = document.querySelector<HTMLElement>("[role=listbox]") as HTMLElement;
    box.focus();
    const before = box.getAttribute("aria-activedescendant");
    const start = performance.now();
    box.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
    while (box.getAttribute("aria-activedescendant") === before) await new Promise(requestAnimationFrame);
    await new Promise((done) => requestAnimationFrame(done));
    return performance.now() - start;
  });
}

/** Moves what `selector` finds a little in each frame, and takes the time between frames. */
async function framesOf(page: Page, selector: string, how: "scroll" | "pan"): Promise<Frames> {
  const times = await page.evaluate(async ([selector, how, duration]) => {
    const element = document.querySelector<HTMLElement>(selector) as HTMLElement;
    const frames: number[] = [];
    const start = performance.now();
    for (let frame = 0; performance.now() - start < duration; frame++) {
      if (how === "scroll") element.scrollTop += 40;
      else {
        // 60 pixels a key, to and fro.
        const key = frame % 60 < 30 ? "ArrowRight" : "ArrowLeft";
        element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      }
      frames.push(await new Promise<number>((done) => requestAnimationFrame(done)));
    }
    return frames;
  }, [selector, how, MOVE_MS] as const);
  const gaps = times.slice(1).map((time, index) => time - (times[index] as number)).sort((a, b) => a - b);
  const round = (value: number) => Number(value.toFixed(1));
  return {
    fps: round(1000 * gaps.length / gaps.reduce((sum, gap) => sum + gap, 0)),
    p95Ms: round(gaps[Math.floor(0.95 * gaps.length)] ?? 0),
    longestMs: round(gaps.at(-1) ?? 0),
  };
}

/** Largest resident memory of Chromium, which runs the page in its own process here; null where nothing tells it. */
function chromiumMegabytes(): number | null {
  if (process.platform !== "linux") return null;
  for (const id of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const status = readFileSync(`/proc/${id}/status`, "utf8");
      if (Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]) !== process.pid) continue;
      if (!readFileSync(`/proc/${id}/cmdline`, "utf8").includes("--headless")) continue;
      return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024 / MEGABYTE;
    } catch {
      // It ended meanwhile.
    }
  }
  return null;
}

async function heapMegabytes(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  await session.detach();
  return usedSize / MEGABYTE;
}

export async function measurePage(): Promise<void> {
  await buildPage();
  const home = mkdtempSync(join(tmpdir(), "culprit-bench-"));
  // Under root the database runs as another user, who must be able to enter.
  chmodSync(home, 0o755);
  const port = await freePort();
  const server = await startServer({ ...readSettings(), home, port, databaseUrl: undefined, tokens: [] }, {
    worker: false,
  });
  const browser = await launchChromium();
  try {
    const stored = await storeLongCase(server.connection.db);
    const { id } = stored;
    const { pair } = await storeLongTrace(server.connection.db, stored);
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    await page.addInitScript(noteArrivals);
    await page.goto(server.address);
    await page.waitForSelector(".cases tbody tr");
    const emptyRss = chromiumMegabytes();
    await page.goto(`${server.address}/#/case/${encodeURIComponent(id)}?text=whole`);
    const heatMs = await shownAfterData(page, "[role=option].heated");
    const keyMs = await keyAnswered(page);
    const nodes = await page.evaluate(() => document.querySelectorAll("*").length);
    const chips = await page.evaluate(() => document.querySelectorAll("[role=option]").length);
    const scrolling = await framesOf(page, ".token-flow", "scroll");
    const heatHeap = await heapMegabytes(page);
    await page.goto(`${server.address}/#/case/${encodeURIComponent(id)}?view=graph`);
    const graphMs = await shownAfterData(page, ".graph-canvas");
    const panning = await framesOf(page, ".graph-canvas", "pan");
    const graphHeap = await heapMegabytes(page);
    await page.goto(`${server.address}/#/trace/${encodeURIComponent(pair)}`);
    await page.waitForSelector(".trace-heat [role=option].heated");
    const traceMs = await shownAfterData(page, ".trace-arcs path");
    const traceScrolling = await framesOf(page, ".token-flow", "scroll");
    const whole = (value: number | null) => value === null ? null : Math.round(value);
    console.log(JSON.stringify({
      name: "page",
      shape: `${LONG.tokens} tokens, ${LONG.blocks + 1} node layers, ${LONG.edges} edges`,
      heatMs: whole(heatMs),
      keyMs: whole(keyMs),
      nodes,
      chips,
      scrolling,
      graphMs: whole(graphMs),
      panning,
      traceMs: whole(traceMs),
      traceScrolling,
      heapMegabytes: { heatmap: whole(heatHeap), graph: whole(graphHeap), trace: whole(await heapMegabytes(page)) },
      chromiumMegabytes: { list: whole(emptyRss), most: whole(chromiumMegabytes()) },
      browser: browser.version(),
      machine: machineName(),
      load: oneMinuteLoad(),
    }));
  } finally {
    await browser.close();
    await server.stop();
    rmSync(home, { recursive: true, force: true });
  }
}
