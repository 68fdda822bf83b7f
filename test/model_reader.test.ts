/** Models' files are somebody else's: while the server reads them it answers everybody, and what does not end is ended. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../server/base/settings.ts";
import { SHOW_TOKENS } from "../server/cases/shown_tokens.ts";
import { DESCRIBE_MODEL } from "../server/models/add_model.ts";
import { ownReader } from "../server/models/reading.ts";
import { createModelReader } from "../server/reading/model_reader.ts";
import { READINGS } from "../server/reading/reader_process.ts";
import { READ_PROMPT } from "../server/ask/readings.ts";
import { DESCRIBE_BENCHMARK } from "../server/benchmarks/benchmarks.ts";
import { type RunningServer, startServerProcess } from "./browser_server.ts";
import { TINY_TOKENIZER, writeTinyModel, writeTinyTokenizer } from "./model_folder.ts";

/** As an attacker writes it: exponential on forty letters. */
const LETTERS = `${"a".repeat(40)}b`;
const ENDLESS = { type: "Replace", pattern: { Regex: "(a|aa)+$" }, content: "" };

let folder = "";
beforeAll(() => folder = mkdtempSync(join(tmpdir(), "culprit-reader-")));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function writeModel(name: string, change: object = {}): string {
  const directory = writeTinyModel(join(folder, name));
  writeTinyTokenizer(directory);
  writeFileSync(join(directory, "tokenizer.json"), JSON.stringify({ ...TINY_TOKENIZER, ...change }));
  return directory;
}

const prompt = (text: string) => ({ asked: { text, prefix: "" }, model: "tiny", thinks: false });

test("every reading there is can be asked of the process, by a name of its own", () => {
  const server = join(ROOT, "server");
  const declared = readdirSync(server, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .flatMap((name) => [...readFileSync(join(server, name), "utf8").matchAll(/^export const \w+: Reading</gm)]);
  expect(declared.length).toBe(READINGS.length);
  expect(new Set(READINGS.map(({ name }) => name)).size).toBe(READINGS.length);
});

test("the process reads what this one reads, and says the same of what cannot be read", async () => {
  const reader = createModelReader();
  try {
    const directory = writeModel("plain");
    for (const one of [reader, ownReader()]) {
      expect(await one.read(READ_PROMPT, directory, prompt("abc"))).toMatchObject({ promptIds: [8, 2] });
      expect(await one.read(SHOW_TOKENS, directory, { ids: [8, 10] })).toEqual([
        { text: "ab", special: false },
        { text: "<|end|>", special: true },
      ]);
      await expect(one.read(READ_PROMPT, directory, prompt(""))).rejects.toThrow(
        "prompt: there are no tokens; give at least one token",
      );
    }
    const benchmark = join(ROOT, "models", "benchmarks", "demo-math.jsonl");
    expect(await reader.read(DESCRIBE_BENCHMARK, benchmark, { name: "demo" })).toEqual({
      kind: "math",
      items: readFileSync(benchmark, "utf8").trim().split("\n").length,
      hash: createHash("sha256").update(readFileSync(benchmark)).digest("hex"),
    });
    await expect(reader.read(DESCRIBE_BENCHMARK, join(folder, "none.jsonl"), { name: "none.jsonl" })).rejects.toThrow(
      "none.jsonl: it cannot be read as a file; give the path of a benchmark's file",
    );
    expect(await reader.read(DESCRIBE_MODEL, directory, null)).toEqual(
      await ownReader().read(DESCRIBE_MODEL, directory, null),
    );
  } finally {
    await reader.stop();
  }
});

test("a reading that takes too long ends the process, and the next one has another", async () => {
  const reader = createModelReader({ answerMs: 1000 });
  try {
    const [plain, endless] = [writeModel("next"), writeModel("late", { normalizer: ENDLESS })];
    await expect(reader.read(READ_PROMPT, endless, prompt(LETTERS))).rejects.toThrow(
      `${endless}: reading its files took longer than 1 s; take another model, or correct its tokenizer`,
    );
    // A process has to start within the second, which a busy machine may not do at once.
    await expect.poll(
      () => reader.read(SHOW_TOKENS, plain, { ids: [8] }).then(([token]) => token!.text, () => ""),
      { timeout: 60_000 },
    ).toBe("ab");
  } finally {
    await reader.stop();
  }
  await expect(reader.read(SHOW_TOKENS, folder, { ids: [] })).rejects.toThrow("was stopped");
});

test("added tokens that a normalizer's pattern does not get through are a line", async () => {
  const directory = writeModel("added", {
    normalizer: ENDLESS,
    added_tokens: [{ id: 10, content: LETTERS, normalized: true, special: true }],
  });
  await expect(ownReader().read(SHOW_TOKENS, directory, { ids: [10] })).rejects.toThrow(
    /tokenizer\.json: its added tokens cannot be normalised: it took longer than 2\.\d+ s/,
  );
});

/** Asks how the server is, over and over, until an answer is there; how often it said that it is well. */
async function healthWhile<Result>(server: RunningServer, asked: Promise<Result>) {
  let going = true;
  asked.catch(() => {}).finally(() => going = false);
  let answered = 0;
  while (going) {
    expect(await (await fetch(`${server.address}/health`)).json()).toEqual({ status: "ok" });
    answered++;
    await new Promise((go) => setTimeout(go, 50));
  }
  return { answered, result: await asked };
}

test("health is answered while a hostile tokenizer and a large benchmark are read for whoever asked", {
  timeout: 240_000,
}, async () => {
  mkdirSync(join(folder, "models"));
  const directory = writeModel("models/hostile", { normalizer: ENDLESS });
  const server: RunningServer = await startServerProcess({ CULPRIT_MODELS: join(folder, "models") });
  try {
    await server.query(
      `mutation ($directory: String!) { addModel(input: { directory: $directory, name: "hostile" }) { __typename } }`,
      { directory },
    );
    const { answered, result } = await healthWhile(
      server,
      server.query<{ generate: { message: string } }>(
        `mutation ($text: String!) {
          generate(input: { model: "hostile", prompt: $text }) { __typename ... on InputError { message } }
        }`,
        { text: LETTERS },
      ),
    );
    expect(result.generate.message).toMatch(/a text of 41 characters cannot be tokenised: it took longer/);
    // On the server's own thread the first would wait until the tokenizer has ended.
    expect(answered).toBeGreaterThan(5);

    const row = JSON.stringify({ question: "How many? ".repeat(20), answer: "#### 1" });
    const path = join(folder, "models", "large.jsonl");
    writeFileSync(path, `${row}\n`.repeat(200_000));
    const collected = await healthWhile(
      server,
      server.query<{ collectFailures: { __typename: string; message?: string } }>(
        `mutation ($path: String!) {
          collectFailures(input: { model: "hostile", benchmark: $path }) { __typename ... on InputError { message } }
        }`,
        { path },
      ),
    );
    expect(collected.result.collectFailures).toEqual({ __typename: "Job" });
    expect(collected.answered).toBeGreaterThan(5);
  } finally {
    await server.stop();
  }
});
