/** Token pairs from benchmarks' own solutions: which solution, which places, which of them become pairs. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadTokenizer, type Tokenizer } from "../gpu/mod.ts";
import { referenceSolution } from "../server/benchmarks/reference_solution.ts";
import { ROOT } from "../server/base/settings.ts";
import { placesOf, referencePairs } from "../server/search/reference_pairs.ts";

describe("a benchmark's own solution", () => {
  test("is GSM8K's without its notes for a calculator", () => {
    const row = { question: "How many?", answer: "He has 2*3=<<2*3=6>>6 and 1.\n#### 7" };
    expect(referenceSolution(row)).toEqual({ text: "He has 2*3=6 and 1.\n#### 7", given: 0, places: "numbers" });
  });

  test("is MATH's solution, not its answer", () => {
    const row = { problem: "What is $1+1$?", solution: "It is $\\boxed{2}$.", answer: "2" };
    expect(referenceSolution(row)?.text).toBe("It is $\\boxed{2}$.");
    expect(referenceSolution({ problem: "What is $1+1$?", answer: "2" })).toBeUndefined();
  });

  test("is a program in a block, whose question is given", () => {
    const row = {
      task_id: "HumanEval/0",
      prompt: "def one():\n",
      entry_point: "one",
      canonical_solution: "    return 1\n\n",
      test: "def check(candidate):\n    assert candidate() == 1\n",
    };
    const found = referenceSolution(row)!;
    expect(found.text).toBe("```python\ndef one():\n    return 1\n```");
    expect(found.text.slice(found.given)).toBe("    return 1\n```");
  });

  test("is none for instructions", () => {
    const row = { key: 1, prompt: "Write.", instruction_id_list: ["punctuation:no_comma"], kwargs: [{}] };
    expect(referenceSolution(row)).toBeUndefined();
  });
});

describe("places of a solution", () => {
  const texts = ["It", " is", " 1", "2", " and", " 3", "\n", "x"];
  const tokenizer: Pick<Tokenizer, "token" | "decode"> = {
    token: (id) => texts[id]!,
    decode: (ids) => ids.map((id) => texts[id]).join(""),
  };
  const chosen = (ids: readonly number[]) => ids.map((id) => [{ id, logit: 1, logProbability: -1 }]);

  test("are those where both tokens hold a digit", () => {
    // The model would write " 3" for "It", "2" for " 1", " and" for "2", and agrees from there on.
    const next = chosen([5, 1, 3, 4, 4, 5]);
    expect(placesOf([0, 1, 2, 3, 4, 5], next, tokenizer, { given: 0, numbers: true })).toEqual([2]);
  });

  test("are all that are no white space behind what the question gives", () => {
    const next = chosen([5, 7, 6, 7, 7, 5]);
    expect(placesOf([0, 1, 2, 3, 4, 5], next, tokenizer, { given: 0, numbers: false })).toEqual([0, 1, 3, 4]);
    expect(placesOf([0, 1, 2, 3, 4, 5], next, tokenizer, { given: "It is 1".length, numbers: false })).toEqual([3, 4]);
  });
});

describe("pairs", () => {
  test("stand where the model errs and then fails; what it brings right again is no pair", async () => {
    const tokenizer = await loadTokenizer(join(ROOT, "models", "demo-1m"));
    const folder = await mkdtemp(join(tmpdir(), "culprit-reference-"));
    const path = join(folder, "sums.jsonl");
    const rows = [
      { question: "What is 2+3?", answer: "2+3=5.\n#### 5" },
      { question: "What is 4+4?", answer: "4+4=8.\n#### 8" },
      { question: "What is 1+1?", answer: "no number" },
      { question: "What is 9+9?", answer: "9+9=18.\n#### 18" },
      { question: "What is 5+5?", answer: "5+5=11.\n#### 11" },
    ];
    await writeFile(path, rows.map((row) => JSON.stringify(row)).join("\n"));
    const [seven, ...others] = tokenizer.encode("7", { continues: true });
    expect(others).toEqual([]);
    const size = 4096;
    // It writes 7 in place of each last token; from there on 2+3 ends as a wrong sum, 4+4 as the right one.
    const right = (ids: readonly number[]) => tokenizer.decode(ids).includes("4+4");
    const found = await referencePairs(
      { id: 1, name: "sums", path, hash: "0", items: 5, kind: "gsm8k" } as unknown as Parameters<
        typeof referencePairs
      >[0],
      { limit: null, maxTokens: 16, promptTemplate: null, positions: 4, batch: 8 },
      {
        name: "demo-1m",
        modelId: 1,
        tokenizer,
        options: {},
        // What ends in the right number passes; one sum takes the checker too long.
        checkers: {
          check: (_item, text) =>
            Promise.resolve({ passed: text.includes("9+9") ? null : /\+3.*5$|\+4.*8$/s.test(text) }),
        },
        model: {
          config: { maxPositions: 512 } as never,
          nextTokens: (requests) =>
            Promise.resolve(
              requests.map(({ inputIds, from }) =>
                [...inputIds.slice(from + 1), seven!].map((id) => [{ id, logit: 5, logProbability: 0 }])
              ),
            ),
          logits: () => {
            const logits = new Float32Array(size);
            logits[seven!] = 5;
            return Promise.resolve(logits);
          },
          generate: (requests) =>
            Promise.resolve(requests.map(({ inputIds }) => ({
              ids: [seven!, ...tokenizer.encode(right(inputIds) ? "\n#### 8" : "\n#### 6", { continues: true })],
              stop: "length",
              end: null,
              first: [],
            } as never))),
        },
      },
    );
    await rm(folder, { recursive: true });
    expect(found).toMatchObject({ items: 5 });
    expect(found.without).toEqual({
      no_solution: 1,
      solution_fails: 1,
      solution_undecided: 1,
      context_too_long: 0,
      no_place: 1,
    });
    const lines = found.lines.map((line) => JSON.parse(line));
    expect(lines).toMatchObject([{
      benchmark: "sums-reference",
      prefix: "2+3=5.\n#### ",
      target: { id: seven, text: "7", logit: 5 },
      contrast: { text: "5", logit: 0 },
      delta: 5,
      completion: "2+3=5.\n#### 7\n#### 6",
      verdict: { passed: false },
      candidates: [{ passed: false }, { completion: "2+3=5.\n#### 5", passed: true }],
    }]);
    expect(lines[0].inputIds.slice(lines[0].promptTokens)).toEqual(
      tokenizer.encode("2+3=5.\n#### 5", { continues: true }).slice(0, -1),
    );
  });
});
