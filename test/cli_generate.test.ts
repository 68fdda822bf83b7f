/** The verb `generate` against transformers' greedy completions (test/reference/generate.py). */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { culprit } from "./command_line.ts";

const DATA = join(import.meta.dirname as string, "data");
const ROOT = join(import.meta.dirname as string, "..");
const folder = mkdtempSync(join(tmpdir(), "culprit-generate-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Golden {
  readonly model: string;
  readonly prompt: readonly number[];
  readonly force: number | null;
  readonly ids: readonly number[];
  readonly first: readonly { readonly id: number; readonly logit: number }[];
}
const goldens: readonly Golden[] = JSON.parse(Deno.readTextFileSync(join(DATA, "generations.json")));

function idsFile(ids: readonly number[]): string {
  const path = join(folder, "ids.json");
  writeFileSync(path, JSON.stringify(ids));
  return path;
}

/** One of each model, by turns the first, the second ...; the engine itself has them all (generate.test.ts). */
const chosen = [...new Set(goldens.map(({ model }) => model))].filter((name) => name !== "qwen3-b").map(
  (name, index) => {
    const own = goldens.filter(({ model }) => model === name);
    return own[index % own.length]!;
  },
);

test("forced first tokens are among the completions", () => {
  expect(chosen.filter(({ force }) => force !== null).length).toBeGreaterThan(1);
});

test.each(chosen)(
  "$model continues as transformers does",
  async (golden) => {
    const { code, out, err } = await culprit([
      "generate",
      "--model",
      join(DATA, "golden", golden.model),
      "--ids",
      idsFile(golden.prompt),
      "--max-tokens",
      String(golden.ids.length),
      ...(golden.force === null ? [] : ["--force", String(golden.force)]),
      "--top",
      "5",
      "--json",
    ]);
    expect([code, err]).toEqual([0, ""]);
    const result = JSON.parse(out);
    expect(Object.keys(result)).toEqual(["ids", "text", "stop", "first"]);
    expect(result).toMatchObject({ ids: golden.ids, text: null, stop: "length" });
    expect(result.first.map(({ id }: { id: number }) => id)).toEqual(golden.first.map(({ id }) => id));
  },
);

test("the demo model answers a chat and says why it stopped", async () => {
  const args = ["generate", "--model", join(ROOT, "models", "demo-1m"), "--chat", "What is 2 + 2?"];
  const { code, out } = await culprit([...args, "--json"]);
  expect(code).toBe(0);
  const { ids, text, stop, first } = JSON.parse(out);
  expect(stop).toBe("eos");
  expect(ids.length).toBeGreaterThan(0);
  expect(text).toContain("\\boxed{");
  expect(first).toHaveLength(10);
  expect(first[0].id).toBe(ids[0]);
  const plain = await culprit(args);
  expect(plain.out).toContain(text);
  expect(plain.out).toContain("ended by itself");
});

describe("bad input is one line and exit code 2", () => {
  const model = join(DATA, "golden", "qwen3-a");
  test.each([
    [["--max-tokens", "0"], /^--max-tokens: "0" is no count; give a whole number from 1 on\n$/],
    [["--max-tokens", "many"], /^--max-tokens: "many" is no count/],
    [["--top", "few"], /^--top: "few" is no count; give a whole number from 0 on\n$/],
    [["--force", "512"], /^--force: token id 512 is out of range; use ids from 0 to 511\n$/],
    [["--force", "five"], /^--force: "five" is neither a token id nor text:TOKEN/],
  ])("%j", async (extra, message) => {
    const { code, out, err } = await culprit(["generate", "--model", model, "--ids", idsFile([1, 2]), ...extra]);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toMatch(message);
    expect(err.trimEnd()).not.toContain("\n");
  });
});
