/** `culprit attribute --open`: the result in the page of a server that runs, or of one that is started for it. */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { type RunningServer, startServerProcess } from "./browser_server.ts";
import { culprit, refused } from "./command_line.ts";
import { testDatabase } from "./database.ts";

const ARGS = [
  ...["attribute", "--model", "models/demo-1m", "--chat", "What is 2 + 2?", "--prefix", "$2 +"],
  ...["--contrast", "text:4", "--rule", "cplrp", "--json", "--open"],
];
const database = testDatabase();
let folder: string;
let opened: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "culprit-open-"));
  const browser = join(folder, "browser");
  opened = join(folder, "address");
  writeFileSync(browser, `#!/bin/sh\nprintf %s "$1" > "${opened}.new" && mv "${opened}.new" "${opened}"\n`);
  chmodSync(browser, 0o755);
  vi.stubEnv("BROWSER", browser);
  // The script is there to run. It has ended before a test waits for the address that it writes.
  execFileSync(browser, ["nothing"]);
  rmSync(opened);
  return () => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  };
});
afterEach(() => rmSync(opened, { force: true }));

interface Shown {
  readonly node: {
    readonly attribution: { readonly logitDifference: number; readonly relevance: readonly number[] };
  };
}

/** The pair that the address shows, as the server there has it. */
async function shownAt(address: string, query: RunningServer["query"]): Promise<Shown["node"]["attribution"]> {
  const [, pair] = /\/#\/case\/[\w%=]+\?pair=([\w%=]+)&rule=CPLRP$/.exec(address)!;
  const { node } = await query<Shown>(
    `query ($id: ID!) { node(id: $id) { ... on TokenPair { attribution(rule: CPLRP) { logitDifference relevance } } } }`,
    { id: decodeURIComponent(pair!) },
  );
  return node.attribution;
}

function same(found: Shown["node"]["attribution"], out: string): void {
  const { logitDifference, relevance } = JSON.parse(out) as { logitDifference: number; relevance: number[] };
  expect(found.logitDifference).toBeCloseTo(logitDifference, 4);
  expect(found.relevance).toHaveLength(relevance.length);
  found.relevance.forEach((value, at) => expect(value).toBeCloseTo(relevance[at]!, 4));
}

test("a server that runs shows it", async () => {
  const server = await startServerProcess();
  try {
    vi.stubEnv("PORT", new URL(server.address).port);
    const { code, out, err } = await culprit(ARGS);
    expect([code, err]).toEqual([0, expect.stringMatching(/^http:\/\/localhost:\d+\/#\/case\/\S+\n$/)]);
    await vi.waitUntil(() => existsSync(opened), { timeout: 20_000 });
    const address = readFileSync(opened, "utf8");
    expect(`${address}\n`).toBe(err);
    same(await shownAt(address, server.query), out);
  } finally {
    await server.stop();
  }
});

test("where none runs one is started, and stays until Ctrl-C", async () => {
  vi.stubEnv("PORT", "0");
  vi.stubEnv("DATABASE_URL", database.url);
  const interrupt = new AbortController();
  let said = "";
  const running = culprit(ARGS, [], { signal: interrupt.signal, note: (text) => void (said += text) });
  await vi.waitUntil(() => existsSync(opened) && said.includes("until Ctrl-C"), { timeout: 110_000 });
  const address = readFileSync(opened, "utf8");
  const query: RunningServer["query"] = async (document, variables) => {
    const response = await fetch(new URL("/graphql", address), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: document, variables }),
    });
    return (await response.json()).data;
  };
  const found = await shownAt(address, query);
  interrupt.abort(new Error("interrupted by SIGINT"));
  const { code, out } = await running;
  expect(code).toBe(0);
  same(found, out);
  await expect(fetch(address)).rejects.toThrow();
});

test("ids have no text that the page could explain", async () => {
  await refused(
    ["attribute", "--model", "models/demo-1m", "--ids", "ids.json", "--contrast", "4", "--open"],
    /^--open: the page explains texts; give --prompt or --chat/,
  );
});
