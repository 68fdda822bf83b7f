/** `culprit attribute` on models whose attribution a foreign implementation computed (golden data of LXT). */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ROOT } from "../server/base/settings.ts";
import { writeTinyModel, writeTinyTokenizer } from "./model_folder.ts";
import { culprit, golden, refused } from "./command_line.ts";
import { relativeError } from "./compare.ts";

/** Largest error of node relevance, relative to the largest relevance: float32 in another order of summation. */
const TOLERANCE = 1e-4;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "culprit-attribute-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(["qwen3-a", "qwen3-b"])("%s", (model) => {
  test.each(["attnlrp", "cplrp", "gradient"])("%s with --layers is the golden attribution", async (rule) => {
    const { json, args, tensor } = golden(model, folder);
    const { code, out, err } = await culprit([
      "attribute",
      ...args,
      "--target",
      `${json.target}`,
      "--rule",
      rule,
      "--layers",
    ]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const result = JSON.parse(out);
    expect(Object.keys(result)).toEqual([
      "rule",
      "inputIds",
      "tokens",
      "target",
      "contrast",
      "logitDifference",
      "absorbed",
      "relevance",
      "nodeRelevance",
      "adapter",
      "seconds",
    ]);
    const { rule: ranRule, inputIds, tokens, target, contrast } = result;
    expect({ rule: ranRule, inputIds, tokens }).toEqual({ rule, inputIds: json.input_ids, tokens: null });
    expect([target.id, contrast.id]).toEqual([json.target, json.contrast]);
    expect(Math.abs(result.logitDifference - json.logit_difference)).toBeLessThan(TOLERANCE);
    expect(result.logitDifference).toBeCloseTo(target.logit - contrast.logit, 5);
    const logits = tensor("logits_last");
    expect(relativeError([target.logit, contrast.logit], [logits[json.target]!, logits[json.contrast]!]))
      .toBeLessThan(TOLERANCE);
    const expected = tensor(`${rule}.node_relevance`);
    expect(result.nodeRelevance).toHaveLength(json.layers + 1);
    expect(relativeError(result.nodeRelevance.flat(), expected)).toBeLessThan(TOLERANCE);
    expect(result.relevance).toEqual(result.nodeRelevance[0]);
    expect(typeof result.adapter).toBe("string");
    expect(result.seconds).toBeGreaterThan(0);
  });
});

test("without --target it is the argmax, without --layers there is no nodeRelevance", async () => {
  const { args, tensor } = golden("qwen3-a", folder);
  const result = JSON.parse((await culprit(["attribute", ...args])).out);
  const logits = tensor("logits_last");
  expect(result.target.id).toBe(logits.indexOf(Math.max(...logits)));
  expect(result).not.toHaveProperty("nodeRelevance");
  expect(result.rule).toBe("attnlrp");
});

/** By autograd through transformers' modules: test/reference/absorbed.py. */
test("what biases absorb under CP-LRP is said, in JSON and for people; other rules say nothing", async () => {
  const absorbed = JSON.parse(readFileSync(new URL("data/absorbed.json", import.meta.url), "utf8"))["qwen2-a"];
  const { json, args } = golden("qwen2-a", folder);
  const command = (rule: string) => ["attribute", ...args, "--target", `${json.target}`, "--rule", rule];
  const result = JSON.parse((await culprit(command("cplrp"))).out);
  const largest = Math.max(...result.relevance.map(Math.abs));
  expect(Math.abs(result.absorbed - absorbed) / largest).toBeLessThan(TOLERANCE);
  expect(JSON.parse((await culprit(command("attnlrp"))).out).absorbed).toBeNull();
  const { out } = await culprit(command("cplrp").filter((argument) => argument !== "--json"));
  const sum = result.relevance.reduce((total: number, value: number) => total + value, 0);
  const sign = absorbed < 0 ? "-" : "+";
  expect(out).toContain(
    `\nrelevance sums to ${sum.toFixed(4)}, biases absorbed ${sign}${Math.abs(result.absorbed).toFixed(4)}\n`,
  );
});

test("a contrast that is the argmax itself is bad input", async () => {
  const { args, tensor } = golden("qwen3-a", folder);
  const logits = tensor("logits_last");
  const best = logits.indexOf(Math.max(...logits));
  const { code, out, err } = await culprit(["attribute", ...args.with(args.indexOf("--contrast") + 1, `${best}`)]);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toMatch(/^[^\n]+: [^\n]+; [^\n]+\n$/);
});

describe("texts", () => {
  let model: string;
  beforeAll(() => {
    model = writeTinyModel(join(folder, "texts"));
    writeTinyTokenizer(model, "<|end|>{{ messages[0].content }}{% if add_generation_prompt %} h{% endif %}");
  });
  const run = async (...args: string[]) => {
    const { code, out, err } = await culprit(["attribute", "--model", model, ...args, "--json"]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    return JSON.parse(out);
  };

  test("tokens of --prompt and --prefix never merge, as in generation; special tokens are parsed", async () => {
    const result = await run("--prompt", "<|end|>a", "--prefix", "b c", "--target", "text:ab", "--contrast", "3");
    expect(result.inputIds).toEqual([10, 0, 1, 9, 2]);
    expect(result.tokens).toEqual(["<|end|>", "a", "b", " ", "c"]);
    expect([result.target.id, result.contrast.id]).toEqual([8, 3]);
  });

  test("--chat goes through the template, --prefix after it", async () => {
    const result = await run("--chat", "ab", "--prefix", "d", "--target", "1", "--contrast", "text:d");
    expect(result.tokens).toEqual(["<|end|>", "ab", " ", "h", "d"]);
  });

  test("a prefix that begins with a line break is the one that generation would have", async () => {
    const args = ["--chat", "What is 2 + 2?", "--prefix", "\nThe answer", "--contrast", "4", "--json"];
    const { out } = await culprit(["attribute", "--model", join(ROOT, "models", "demo-1m"), ...args]);
    expect(JSON.parse(out).target.id).toBe(527);
  });

  test("--prefix after --ids is tokenized by itself", async () => {
    const ids = join(folder, "prefix.json");
    writeFileSync(ids, "[0]");
    expect((await run("--ids", ids, "--prefix", "b", "--target", "1", "--contrast", "2")).inputIds).toEqual([0, 1]);
  });

  test("without --json a table for people, with progress on a terminal", async () => {
    const args = ["attribute", "--model", model, "--prompt", "ab c", "--target", "1", "--contrast", "text:d"];
    const { code, out, err } = await culprit(args, [], { progress: true, colour: true });
    expect(code).toBe(0);
    expect(out).toMatch(/^delta -?\d+\.\d{4} = -?\d+\.\d{4} \(target 1 "b"\) - -?\d+\.\d{4} \(contrast 3 "d"\)\n/);
    expect(out).toMatch(/\nattnlrp, 3 tokens, \d+\.\d\d s on /);
    expect(err).toMatch(/\r(load|forward|backward) +\[#*-*\] +\d+ %/);
    // The bar is taken away at the end.
    expect(err.slice(0, err.lastIndexOf("\r"))).toMatch(/\r +$/);
  });
});

describe("--objective", () => {
  const demo = [
    "attribute",
    "--model",
    join(ROOT, "models", "demo-1m"),
    "--chat",
    "Write about bread.",
    "--prefix",
    "just saw",
  ];

  test("logit, mean and top:K need no contrast, and say what they explain", async () => {
    const values: Record<string, { value: number; terms: readonly { readonly factor: number }[] }> = {};
    for (const objective of ["logit", "mean", "top:3"]) {
      const { code, out, err } = await culprit([...demo, "--target", "text: a", "--objective", objective, "--json"]);
      expect({ code, err }).toEqual({ code: 0, err: "" });
      values[objective] = JSON.parse(out);
    }
    expect(values["logit"]!.terms).toHaveLength(1);
    expect(values["top:3"]!.terms.map(({ factor }) => factor)).toEqual([1 / 3, 1 / 3, 1 / 3]);
    const { out } = await culprit([...demo, "--objective", "top:3"]);
    expect(out).toMatch(
      /^value -?\d+\.\d{4}, against the mean of the 3 largest others\n( {2}\+ 0\.333 x \[.*\]\n){3}attnlrp, \d+ tokens/,
    );
  });

  test("sequences of several tokens: what both have is input, what is theirs alone stands apart", async () => {
    const command = [
      ...demo,
      "--objective",
      "sequence",
      "--target",
      "text: a sad bread",
      "--contrast",
      "text: a thing",
    ];
    const { code, out, err } = await culprit([...command, "--json"]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const { tokens, branches, relevance, value, terms } = JSON.parse(out);
    expect(tokens.at(-1)).toBe(" a");
    expect(relevance).toHaveLength(tokens.length);
    expect(branches[0].side).toBe("target");
    const sum = terms.reduce(
      (all: number, { factor, targetLogit, contrastLogit }: Record<string, number>) =>
        all + factor! * (targetLogit! - contrastLogit!),
      0,
    );
    expect(value).toBeCloseTo(sum, 4);
    const people = await culprit(command);
    expect(people.out).toMatch(/^value -?[\d.]+, one sequence against the other\n/);
    expect(people.out).toMatch(/\nTokens of the target alone:\n {2}[-+]\d/);
  });

  test("what makes no sense is one line, before a model is loaded", async () => {
    const with_ = (more: readonly string[], line: RegExp) => refused([...demo, ...more], line);
    await with_(["--objective", "top:0"], /^--objective: there is no objective "top:0"; give contrast, logit, top:K/);
    await with_(
      ["--objective", "mean", "--contrast", "5"],
      /^--contrast: says nothing with --objective mean; leave it out/,
    );
    await with_(["--objective", "sequence", "--contrast", "5"], /^--target: is missing/);
    await with_(
      ["--objective", "sequence", "--target", "5,6", "--contrast", "5"],
      /^--contrast: one of the two sequences begins the other/,
    );
    await with_(["--objective", "logit", "--components", "2"], /^--components: explains token pairs only; leave/);
  });
});
