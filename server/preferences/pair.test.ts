/** Pairs whose tokenizer puts a space in front of a text: a completion goes on where its prompt ended. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { type JsonObject, loadTokenizer } from "../../gpu/mod.ts";
import type { Candidate } from "../../schema/tables/values.ts";
import { preferencePair, standsAlone } from "./pair.ts";

const folder = mkdtempSync(join(tmpdir(), "culprit-preference-pair-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Kinds of tokenizers that the tokenizers library made: test/reference/tokenizer_kinds.py. */
const { bases, kinds } = JSON.parse(
  readFileSync(new URL("../../test/data/tokenizers/kinds.json", import.meta.url), "utf8"),
) as { bases: Record<string, JsonObject>; kinds: { name: string; base: string; json: JsonObject }[] };

test.each(["Llama 2", "Mistral", "GPT-2 with a space in front"])("%s", async (name) => {
  const { base, json } = kinds.find((kind) => kind.name === name)!;
  const whole = { ...json, model: { ...json["model"] as JsonObject, ...bases[base] } };
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(whole));
  const tokenizer = await loadTokenizer(folder);
  const prompt = "a x";
  const promptIds = tokenizer.encode(prompt);
  const [answer, right] = [" x y", "y a"].map((text) => tokenizer.encode(text, { continues: true })) as [
    number[],
    number[],
  ];
  const source = {
    inputIds: promptIds,
    promptTokens: promptIds.length,
    prompt,
    completionIds: answer,
    targetId: answer[0]!,
    contrastId: right[0]!,
    candidates: [{ id: right[0]!, passed: true, completion: "y a" } as Candidate],
  };
  const pair = preferencePair(source, tokenizer);
  expect(pair).toEqual({ chosenIds: right, rejectedIds: answer });
  // Alone a trainer's tokenizer would put a space before it.
  expect(standsAlone(tokenizer, right)).toBe(false);
});
