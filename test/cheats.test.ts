/**
 * Answers that cheat never pass, whatever they do, and honest ones pass, however odd they are. `data/cheats/` holds lines
 * of `{"how", "completion", "item", "seconds"}`, the name of an item beside them (left out: `item`) and a time limit;
 * `data/honest.jsonl` likewise.
 */
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CodeItem } from "../server/checkers/code/program.ts";
import { openSandbox, type Sandbox } from "../server/checkers/code/sandbox.ts";

interface Attempt {
  readonly how: string;
  readonly completion: string;
  readonly item?: string;
  /** The time limit of one that only the limit ends. */
  readonly seconds?: number;
}

const DATA = new URL("data/", import.meta.url).pathname;
const attempts = (path: string): readonly Attempt[] =>
  readFileSync(`${DATA}${path}`, "utf8").trim().split("\n").map((line) => JSON.parse(line));
const cheats = readdirSync(`${DATA}cheats`).filter((name) => name.endsWith(".jsonl"))
  .flatMap((name) => attempts(`cheats/${name}`));
/** Each takes a process of its own: the gate tries every second, `npm run soak -- cheats` all. */
const tried = cheats.filter((_, index) => Deno.env.get("CULPRIT_CHEATS") === "all" || index % 2 === 0);
const itemOf = ({ item = "item" }: Attempt): CodeItem => ({
  kind: "humaneval",
  ...JSON.parse(readFileSync(`${DATA}cheats/${item}.json`, "utf8")),
});

let sandbox: Sandbox;
beforeAll(() => sandbox = openSandbox({ processes: 2 }));
afterAll(async () => await sandbox.close());

const TIMEOUT = { timeout: 600_000 };
/** Far more than one needs that ends by itself. */
const limitOf = ({ seconds = 30 }: Attempt) => ({ timeoutSeconds: seconds });

test("there are a hundred cheats, each with a name of its own", () => {
  expect(new Set(cheats.map(({ how }) => how)).size).toBe(cheats.length);
  expect(cheats.length).toBeGreaterThanOrEqual(100);
});

describe.concurrent("a cheat fails, in one line that can be shown:", () => {
  test.each(tried.map((cheat) => [cheat.how, cheat] as const))("%s", TIMEOUT, async (_how, cheat) => {
    const { passed, reason } = await sandbox.check(itemOf(cheat), { completion: cheat.completion }, limitOf(cheat));
    expect(passed === false || passed === null).toBe(true);
    expect(reason).toMatch(/^failed: |^timed out$|which is not here$/);
    expect(reason).toMatch(/^[^\p{Cc}\p{Cs}\u202a-\u202e]{1,1000}$/u);
  });
});

describe.concurrent("an honest answer passes:", () => {
  test.each(attempts("honest.jsonl").map((one) => [one.how, one] as const))("%s", TIMEOUT, async (_how, one) => {
    expect(await sandbox.check(itemOf(one), { completion: one.completion }, limitOf(one))).toEqual({ passed: true });
  });
});
