/** The examples of docs/examples do what they say. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { ROOT } from "../server/base/settings.ts";
import { culprit } from "./command_line.ts";

const PATH = join(ROOT, "docs", "examples", "attribute.ts");

test("attribute.ts: twenty lines on the engine alone give what the command line gives", async () => {
  const source = readFileSync(PATH, "utf8");
  expect(source.split("\n").filter((line) => !/^\s*(\/\/.*)?$/.test(line)).length).toBeLessThanOrEqual(22);
  expect([...source.matchAll(/from "([^"]+)"/g)].map(([, from]) => from)).toEqual(["culprit"]);
  const { stdout } = await promisify(execFile)(Deno.execPath(), ["run", "-A", PATH], { cwd: ROOT });
  const [head, ...rows] = stdout.trimEnd().split("\n");
  const args = ["--model", "models/demo-1m", "--target", "text: painter", "--contrast", "text: thing", "--json"];
  const asked = /const ASKED = ([^;]*);/.exec(source)![1]!;
  const chat = [...asked.matchAll(/"([^"]*)"/g)].map(([, text]) => text).join("");
  const { out } = await culprit(["attribute", ...args, "--chat", chat, "--prefix", "just saw a sad"]);
  const { logitDifference, relevance } = JSON.parse(out) as { logitDifference: number; relevance: number[] };
  expect(head).toContain(`delta ${logitDifference.toFixed(4)} on `);
  expect(rows).toHaveLength(5);
  expect(rows[0]).toBe(`${Math.max(...relevance).toFixed(4).padStart(8)}  " painter"`);
});
