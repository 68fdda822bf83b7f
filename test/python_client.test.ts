/** docs/examples/culprit.py against a real server and worker: PYTHON, or python3 where it has numpy. */
import { execFile, execFileSync } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../server/base/settings.ts";
import { culprit } from "./command_line.ts";
import { type RunningServer, startServerProcess } from "./browser_server.ts";

const PYTHON = Deno.env.get("PYTHON") ?? "python3";
const CHAT = "What is 2 + 2?";
const TOKEN = "run:a-token-of-a-notebook";

const has = (...modules: readonly string[]): boolean => {
  try {
    execFileSync(PYTHON, ["-c", modules.map((name) => `import ${name}`).join("\n")], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
};
const NO_NUMPY = has("numpy") ? undefined : `${PYTHON} has no numpy: name an interpreter that has it in PYTHON`;
const NO_PANDAS = NO_NUMPY ?? (has("pandas") ? undefined : `${PYTHON} has no pandas: data frames were not tried`);

let server: RunningServer;
beforeAll(async () => {
  if (NO_NUMPY !== undefined) return;
  server = await startServerProcess({ CULPRIT_TOKENS: `${TOKEN},admin:a-token-of-its-admin` });
  const added = await fetch(`${server.address}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer a-token-of-its-admin" },
    body: JSON.stringify({ query: `mutation { addModel(input: { directory: "models/demo-1m" }) { __typename } }` }),
  });
  expect(await added.json()).toEqual({ data: { addModel: { __typename: "Model" } } });
});
afterAll(() => server?.stop());

/** Runs lines of Python after `server = Culprit(ADDRESS, TOKEN)`; what they print, as JSON. */
async function python(lines: string, token = TOKEN.replace("run:", "")): Promise<unknown> {
  const head = `import json, sys\nsys.path.insert(0, ${JSON.stringify(join(ROOT, "docs", "examples"))})\n` +
    `from culprit import Culprit, CulpritError\nserver = Culprit(${JSON.stringify(server.address)}, ${
      JSON.stringify(token)
    })\n`;
  const { stdout } = await promisify(execFile)(PYTHON, ["-B", "-c", head + lines]);
  return JSON.parse(stdout);
}

test("an answer, its explanation and its relevance are those of the command line", async (context) => {
  context.skip(NO_NUMPY !== undefined, NO_NUMPY);
  const found = await python(`
answer = server.ask(${JSON.stringify(CHAT)}, max_tokens=8)
contrast = answer.tokens[3]["alternatives"][0]["id"]
why = answer.explain(3, contrast)
relevance = why.relevance()
cases = server.cases(search="What is 2")
again = server.attribute(cases, rule="CPLRP").wait()
pair = cases[0]["tokenPairs"][0]["id"]
other = server.attribution(pair, "CPLRP")
print(json.dumps({
    "models": server.models(), "text": answer.text, "ids": [token["id"] for token in answer.tokens],
    "contrast": contrast, "delta": why.delta, "dtype": str(relevance.dtype), "relevance": relevance.tolist(),
    "strongest": why.strongest(3), "html": why._repr_html_(), "cases": [case["id"] for case in cases],
    "job": repr(again), "other": other.relevance()[-1].tolist(), "rule": other.row["rule"],
    "none": server.attribution(pair, "GRADIENT"),
}))
`) as {
    readonly models: readonly string[];
    readonly ids: readonly number[];
    readonly contrast: number;
    readonly relevance: readonly (readonly number[])[];
    readonly strongest: readonly { readonly position: number; readonly relevance: number; readonly text: string }[];
    readonly html: string;
    readonly other: readonly number[];
    readonly [field: string]: unknown;
  };
  const asked = ["--model", "models/demo-1m", "--chat", CHAT, "--json"];
  const told = await culprit(["ask", ...asked, "--max-tokens", "8", "--at", "3", "--contrast", `${found.contrast}`]);
  const alone = JSON.parse(told.out);
  expect(found["models"]).toEqual(["demo-1m"]);
  expect(found["text"]).toBe(alone.text);
  expect(found.ids).toEqual(alone.tokens.map(({ id }: { id: number }) => id));
  expect(found["delta"]).toBeCloseTo(alone.logitDifference, 4);
  expect([found["dtype"], found.relevance.length]).toEqual(["float32", 5]);
  expect(found.relevance[0]).toHaveLength(alone.inputIds.length);
  found.relevance[0]!.forEach((value, at) => expect(value).toBeCloseTo(alone.relevance[at], 4));
  const [first] = found.strongest;
  expect(first!.relevance).toBe(found.relevance[0]![first!.position]);
  expect(first!.text).toBe(alone.inputTokens[first!.position]);
  // The strongest token that is not special has the scale's end.
  const end = first!.relevance < 0 ? "33, 102, 172" : "178, 24, 43";
  expect(found.html).toContain(`background:rgb(${end});color:#fff">${first!.text}</span>`);
  expect(found["cases"]).toHaveLength(1);
  expect(found["job"]).toMatch(/^ATTRIBUTE COMPLETED, 1 of 1/);
  // CP-LRP sums to delta at every node layer: the last one too.
  expect(found["rule"]).toBe("CPLRP");
  expect(found.other.reduce((sum, value) => sum + value, 0)).toBeCloseTo(found["delta"] as number, 3);
  expect(found["none"]).toBeNull();
});

test("cases and tokens as data frames", async (context) => {
  context.skip(NO_PANDAS !== undefined, NO_PANDAS);
  expect(
    await python(`
why = server.explain("4", chat=${JSON.stringify(CHAT)}, prefix="$2 +", model="demo-1m")
cases = server.frame(server.cases())
tokens = why.frame()
print(json.dumps({
    "cases": list(cases.columns), "contrasts": sorted(cases["contrast"].dropna().unique()),
    "rows": len(tokens) == why.row["tokenCount"], "same": bool((tokens["relevance"] == why.relevance()[0]).all()),
}))
`),
  ).toMatchObject({
    cases: [
      "key",
      "model",
      "benchmark",
      "status",
      "tokens",
      "pair",
      "delta",
      "target",
      "contrast",
      "outcome",
      "pattern",
    ],
    contrasts: expect.arrayContaining(["4"]),
    rows: true,
    same: true,
  });
});

test("what is wrong is one line: a token, a model, a server that is not there", async (context) => {
  context.skip(NO_NUMPY !== undefined, NO_NUMPY);
  const said = (lines: string, token?: string) =>
    python(`try:\n    ${lines}\nexcept CulpritError as error:\n    print(json.dumps(str(error)))\n`, token);
  expect(await said("server.models()", "no-token-of-this-server")).toMatch(/^401: Send one of the CULPRIT_TOKENS/);
  expect(await said(`server.ask("Hello", model="none")`)).toMatch(/^model: there is no model "none"/);
  expect(await said(`server.explain("4", chat="Hello")`)).toMatch(/^model: is missing/);
  expect(await said(`Culprit("http://localhost:9").models()`)).toMatch(/start it with `npx culprit serve`$/);
});
