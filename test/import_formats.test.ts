import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { loadTokenizer, type Tokenizer } from "../gpu/model/tokenizer.ts";
import { failureCases, responses, tokenPairs } from "../schema/tables/tables.ts";
import type { ImportChoices } from "../schema/tables/values.ts";
import { readPieces } from "../server/base/container.ts";
import { importFile } from "../server/import/import_file.ts";
import { readElements } from "../server/base/json_elements.ts";
import { ROOT } from "../server/base/settings.ts";
import { storeModel, testDatabase } from "./database.ts";

const database = testDatabase();
const DATA = join(import.meta.dirname as string, "data");
const LM_EVAL = join(DATA, "lm_eval", "Qwen__Qwen2.5-0.5B-Instruct-GPTQ-Int4");
const SAMPLES = join(LM_EVAL, "samples_ifeval_2026-11-22T07-11-21.660952.jsonl");
const GAIA2 = join(DATA, "gaia2-traces");
/** A model's own directory stands in for the one that the logs name: any byte-level tokenizer takes any text. */
const directory = join(ROOT, "models", "demo-1m");
const OPENED = "<|im_start|>assistant\n<think>\n\n</think>\n\n";
let folder = "";
let tokenizer: Tokenizer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "culprit-formats-"));
  tokenizer = await loadTokenizer(directory);
  await storeModel(database, { name: "Qwen2.5-0.5B-Instruct-GPTQ-Int4", directory, vocabulary: 2048 });
});
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeEach(async () => {
  const { db } = database.connection;
  await db.delete(tokenPairs);
  await db.delete(failureCases);
  await db.delete(responses);
});

const model = "Qwen2.5-0.5B-Instruct-GPTQ-Int4";

async function importPath(path: string, choices: ImportChoices) {
  const options = { ...choices, path, name: path.slice(dirname(path).length + 1), at: undefined };
  const { report, done, total } = await importFile(database.connection.db, {
    ...options,
    onBatch: () => Promise.resolve(),
  });
  expect(done).toBe(total);
  return report;
}

/** Writes a file; objects become lines. Returns its path. */
async function writeLines(name: string, content: string | readonly unknown[]): Promise<string> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, typeof content === "string" ? content : content.map((one) => JSON.stringify(one)).join("\n"));
  return path;
}

async function importText(name: string, content: string | readonly unknown[], choices: ImportChoices) {
  return await importPath(await writeLines(name, content), choices);
}

const answers = () => database.connection.db.select().from(responses).orderBy(responses.id);
const cases = () => database.connection.db.select().from(failureCases).orderBy(failureCases.id);

test("a real log of lm-evaluation-harness: verdicts as published, failures open, items kept, ids spell the text", async () => {
  const lines = (await readFile(SAMPLES, "utf8")).trim().split("\n").map((line) => JSON.parse(line));
  const failing = lines.filter((line) => !line.prompt_level_strict_acc);
  // The results file beside it names the model, with its organisation.
  const report = await importPath(SAMPLES, { from: "lm-eval" });
  expect(report).toMatchObject({
    lines: 10,
    inserted: 10,
    failedCount: 0,
    responses: 10,
    passed: lines.length - failing.length,
    failedResponses: failing.length,
    undecided: 0,
    disagreements: 0,
    skipped: {},
  });
  const stored = await answers();
  expect(stored.map(({ passed }) => passed)).toEqual(lines.map((line) => line.prompt_level_strict_acc));
  expect(stored.map(({ task, benchmark, docHash }) => [benchmark, task, docHash])).toEqual(
    lines.map((line) => ["ifeval", String(line.doc.key), line.doc_hash]),
  );
  for (const [index, answer] of stored.entries()) {
    expect(answer.prompt).toBe(`<|im_start|>user\n${lines[index].doc.prompt}<|im_end|>\n${OPENED}`);
    expect(tokenizer.decode(answer.promptIds)).toBe(answer.prompt);
    expect(answer.completion).toBe(lines[index].resps[0][0]);
    expect(tokenizer.decode(answer.completionIds)).toBe(answer.completion);
    expect(answer.item).toMatchObject({ kind: "ifeval", instruction_id_list: lines[index].doc.instruction_id_list });
    expect(answer.verdict?.detail?.["log"]).toMatchObject({
      prompt_level_loose_acc: lines[index].prompt_level_loose_acc,
    });
  }
  const open = await cases();
  expect(open.map(({ task }) => task)).toEqual(failing.map((line) => String(line.doc.key)));
  for (const row of open) {
    const answer = stored.find(({ id }) => id === row.responseId)!;
    expect(row).toMatchObject({ key: answer.key, status: "open", exclusion: null, prefix: "", source: "imported" });
    expect(row).toMatchObject({ inputIds: answer.promptIds, completionIds: answer.completionIds, item: answer.item });
    expect(row.promptTokens).toBe(row.tokenCount);
  }
  expect(await importPath(SAMPLES, { from: "lm-eval" })).toMatchObject({ inserted: 0, unchanged: 10, responses: 10 });
  // The folder above has the same file in it.
  expect(await importPath(dirname(LM_EVAL), { from: "lm-eval" })).toMatchObject({ inserted: 0, unchanged: 10 });
  expect(await answers()).toEqual(stored);
});

/** A line as the harness writes it. */
function sample(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    doc_id: 3,
    doc: { problem: "What is 1 + 1?", answer: "2" },
    target: "2",
    arguments: { gen_args_0: { arg_0: "What is 1 + 1?", arg_1: { until: [] } } },
    resps: [["It is \\boxed{3}."]],
    filter: "none",
    metrics: ["exact_match"],
    doc_hash: "d",
    prompt_hash: "p",
    exact_match: 0,
    ...changes,
  };
}
const LOG = "samples_small_math_2026-01-01T00-00-00.000000.jsonl";

test("each filter is an answer of its own; scored choices and shared prompts are left out with their count", async () => {
  const report = await importText(LOG, [
    sample(),
    sample({ filter: "flexible-extract", exact_match: 1, resps: [["It is \\boxed{2}."]] }),
    sample({
      doc_id: 4,
      arguments: { gen_args_0: { arg_0: "Q", arg_1: " yes" }, gen_args_1: { arg_0: "Q", arg_1: " no" } },
      resps: [[["-1.2", "False"]], [["-0.2", "True"]]],
    }),
    sample({ doc_id: 5, resps: [["one"], ["other"]] }),
  ], { from: "lm-eval", model });
  expect(report).toMatchObject({ lines: 4, inserted: 2, failedCount: 0, passed: 1, failedResponses: 1 });
  expect(report.skipped).toEqual({ loglikelihood: 1, several_requests: 1 });
  expect((await answers()).map(({ benchmark, filter, key }) => [benchmark, filter, key])).toEqual([
    ["small_math", "none", expect.stringMatching(/^small_math\/3\/[0-9a-f]{12}$/)],
    ["small_math", "flexible-extract", expect.stringMatching(/^small_math\/3\/[0-9a-f]{12}\/flexible-extract$/)],
  ]);
});

test("the log counts where it was judged under its own convention, and every disagreement is stored", async () => {
  const report = await importText(LOG, [sample({ exact_match: 1 })], { from: "lm-eval", model });
  expect(report).toMatchObject({ passed: 1, failedResponses: 0, disagreements: 1 });
  const [response] = await answers();
  expect(response).toMatchObject({ passed: true, disagrees: true });
  expect(response!.verdict).toEqual({
    passed: true,
    basis: "log",
    detail: {
      gold: "2",
      prediction: "3",
      counts: "log",
      log: { passed: true, exact_match: 1 },
      checker: { passed: false, reason: "the final answer is 3, not 2" },
    },
  });
});

test("ours counts where it equals the benchmark's own checker", async () => {
  const line = {
    prompt: ITEM.prompt,
    response: "Red",
    follow_all_instructions: true,
    follow_instruction_list: [true],
    instruction_id_list: ITEM.instruction_id_list,
    kwargs: [{}],
  };
  expect(await importText("o.jsonl", [line], { from: "ifeval", model })).toMatchObject({
    failedResponses: 1,
    disagreements: 1,
  });
  const [response] = await answers();
  expect(response).toMatchObject({ passed: false, disagrees: true });
  expect(response!.verdict).toMatchObject({ basis: "reference", detail: { counts: "checker", log: { passed: true } } });
});

test("repeats of one prompt are answers of their own, each with our verdict", async () => {
  const report = await importText(LOG, [sample({ resps: [["\\boxed{2}", "\\boxed{5}"]] })], { from: "lm-eval", model });
  expect(report).toMatchObject({ lines: 1, inserted: 2, passed: 1, failedResponses: 1 });
  expect((await answers()).map(({ key }) => key.slice(-2))).toEqual(["#0", "#1"]);
});

test("prompts are rendered unless the log holds them rendered, as messages, or says that they were plain", async () => {
  const rendered = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
  const messages = [{ role: "system", content: "Be brief." }, { role: "user", content: "Hi" }];
  const prompt = (arg_0: string, doc_id: number, resps = [["no"]]) =>
    sample({ doc_id, resps, arguments: { gen_args_0: { arg_0, arg_1: {} } }, prompt_hash: undefined });
  const lines = [prompt(rendered, 1), prompt(JSON.stringify(messages), 2), prompt("Hi", 3)];
  await importText(LOG, [...lines, prompt("Hi", 4, [["<think>\nwell\n</think>\n\nno"]])], { from: "lm-eval", model });
  expect((await answers()).map(({ prompt }) => prompt)).toEqual([
    rendered,
    `<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n${OPENED}`,
    `<|im_start|>user\nHi<|im_end|>\n${OPENED}`,
    tokenizer.chat([{ role: "user", content: "Hi" }], { thinking: true }),
  ]);
  await database.connection.db.delete(failureCases);
  await database.connection.db.delete(responses);
  await importText(LOG, [prompt("Hi", 3)], { from: "lm-eval", model, plain: true });
  expect((await answers()).map(({ prompt }) => prompt)).toEqual(["Hi"]);
});

test.each<[string, () => Promise<unknown>, RegExp]>([
  [
    "a folder that names another model",
    () => importText(`org__other/${LOG}`, [sample()], { from: "lm-eval" }),
    /there is no model "org\/other"; say which model that was added it is: --model NAME .*npx culprit model add DIR/,
  ],
  [
    "a model that was not added",
    () => importText(LOG, [sample()], { from: "lm-eval", model: "gpt" }),
    /^--model: there is no model "gpt"; add it first: npx culprit model add DIR$/,
  ],
  [
    "a trace of a model that was not added",
    () => importPath(join(GAIA2, "synthetic_trace_hf.json"), { from: "gaia2" }),
    /synthetic_trace_hf\.json: there is no model "synthetic\/model"; add it first/,
  ],
  [
    "samples without their benchmark",
    () => importText("s.jsonl", [{ task_id: "HumanEval/0", completion: "" }], { from: "evalplus", model }),
    /evalplus names tasks only, .*; give that file too: --items FILE/,
  ],
  [
    "a folder without such files",
    () => importPath(GAIA2, { from: "lm-eval", model }),
    /it is a trace of GAIA2, not a sample log of lm-evaluation-harness; give --from gaia2$/,
  ],
])("%s: one clear error, and nothing is stored", async (_name, work, message) => {
  await expect(work()).rejects.toThrow(message);
  expect(await answers()).toEqual([]);
});

test("a broken line is named with its mend, and the good ones land", async () => {
  const path = `samples_x_2026-01-01T00-00-00.000000.jsonl`;
  const text = [JSON.stringify(sample()), "{broken", JSON.stringify({ ...sample(), resps: "text" })].join("\n");
  const report = await importText(path, text, { from: "lm-eval", model });
  expect(report).toMatchObject({ lines: 3, inserted: 1, failedCount: 2 });
  expect(report.failed.map(({ line, message }) => [line, message])).toEqual([
    [2, expect.stringMatching(/^samples_x_.*\.jsonl:2: it is no JSON: .*; write one JSON object a line$/)],
    [3, expect.stringMatching(/^samples_x_.*\.jsonl:3: resps: .*; give a sample of lm-evaluation-harness; docs/)],
  ]);
});

test("the same key with another answer fails, and what was stored stays", async () => {
  await importText(LOG, [sample()], { from: "lm-eval", model });
  const before = await answers();
  const report = await importText(LOG, [sample({ resps: [["else"]] })], { from: "lm-eval", model });
  expect(report).toMatchObject({ inserted: 0, failedCount: 1, responses: 0 });
  expect(report.failed[0]!.message).toMatch(
    /another response is stored as "small_math\/3\/[0-9a-f]{12}"; give it a key/,
  );
  expect(await answers()).toEqual(before);
});

const ITEM = {
  key: 77,
  prompt: "Answer in lower case only. Name a colour.",
  instruction_id_list: ["change_case:english_lowercase"],
  kwargs: [{}],
  instruction_phrases: ["lower case only"],
};

test("IFEval responses: undecided by themselves, decided when the items are given later", async () => {
  const lines = [{ prompt: ITEM.prompt, response: "Red" }, { prompt: "Say anything.", response: "no" }];
  expect(await importText("r.jsonl", lines, { from: "ifeval", model })).toMatchObject({ inserted: 2, undecided: 2 });
  expect(await cases()).toEqual([]);
  const items = join(folder, "items.jsonl");
  await writeFile(items, JSON.stringify(ITEM));
  const report = await importText("r.jsonl", lines, { from: "ifeval", model, items });
  expect(report).toMatchObject({ inserted: 1, unchanged: 1, failedResponses: 1, undecided: 1 });
  expect((await answers()).map(({ task, passed }) => [task, passed])).toEqual([["77", false], [
    expect.any(String),
    null,
  ]]);
  const [row] = await cases();
  expect(row).toMatchObject({ status: "open", instructionPhrases: ["lower case only"], task: "77" });
  const marked = row!.tokenTexts.filter((_, position) => row!.segments[position] === "I").join("");
  expect(marked.trim()).toBe("lower case only");
  expect(await importText("r.jsonl", lines, { from: "ifeval", model, items })).toMatchObject({ unchanged: 2 });
});

test("IFEval evaluations bring their own verdict", async () => {
  const line = {
    prompt: ITEM.prompt,
    response: "Red",
    follow_all_instructions: false,
    follow_instruction_list: [false],
    instruction_id_list: ["en:change_case:english_lowercase"],
  };
  const report = await importText(`org__${model}.strict.jsonl`, [line], { from: "ifeval" });
  expect(report).toMatchObject({ failedResponses: 1 });
  expect((await cases())[0]!.verdict).toMatchObject({ reason: "not followed: en:change_case:english_lowercase" });
});

const TASK = { task_id: "Demo/0", prompt: "def one():\n", entry_point: "one", canonical_solution: "    return 1\n" };

test("EvalPlus: results, samples and folders of solutions, with the prompt of the items", async () => {
  const items = join(folder, "tasks.jsonl");
  await writeFile(items, JSON.stringify(TASK));
  const choices = { from: "evalplus", model, items } as const;
  const entry = (solution: string, base_status: string, plus_status: string | null) => ({
    task_id: "Demo/0",
    solution,
    base_status,
    plus_status,
    base_fail_tests: [],
    plus_fail_tests: [],
  });
  const results = {
    date: "2026-01-01 00:00",
    eval: {
      "Demo/0": [
        entry("def one(): return 1", "pass", "pass"),
        entry("def one(): return 1.0", "pass", "fail"),
        entry("def one(): return 2", "fail", null),
        entry("def one(): return True", "pass", null),
      ],
      "Demo/old": { nfiles: 1 },
    },
    pass_at_k: {},
  };
  const report = await importText("m.eval_results.json", JSON.stringify(results, null, 1), choices);
  expect(report).toMatchObject({ lines: 1, inserted: 4, passed: 2, failedResponses: 2, skipped: { no_solution: 1 } });
  expect((await cases()).map(({ completion }) => completion)).toEqual(["def one(): return 1.0", "def one(): return 2"]);
  expect((await cases())[0]!.prompt).toContain("```python\ndef one():\n```<|im_end|>");
  expect(new Set((await answers()).map(({ benchmark, key }) => [benchmark, key.split("#")[0]].join()))).toHaveLength(1);

  const lines = [
    { task_id: "Demo/0", completion: "    return 3\n", passed: false, result: "failed: 3 is not 1" },
    { task_id: "Demo/9", completion: "" },
  ];
  const samples = await importText("samples.jsonl", lines, choices);
  expect(samples).toMatchObject({ inserted: 1, failedCount: 1 });
  expect(samples.failed[0]!.message).toMatch(/samples\.jsonl:2: the items have no task "Demo\/9"/);
  const plain = (await answers()).find(({ completion }) => completion === "    return 3\n");
  // A completion goes on with the prompt itself.
  expect(plain).toMatchObject({ prompt: "def one():\n", verdict: { reason: "failed: 3 is not 1" } });

  await mkdir(join(folder, "run", "Demo_0"), { recursive: true });
  await writeFile(join(folder, "run", "Demo_0", "0.py"), "def one(): return 1");
  await writeFile(join(folder, "run", "Demo_0", "1.py"), "def one(): return 4");
  expect(await importPath(join(folder, "run"), choices)).toMatchObject({ lines: 2, inserted: 1, unchanged: 1 });
});

test("EvalPlus: results of thousands of samples are one record", async () => {
  const items = join(folder, "many.jsonl");
  await writeFile(items, JSON.stringify(TASK));
  const entries = Array.from({ length: 2500 }, (_, index) => ({
    task_id: "Demo/0",
    solution: `def one(): return ${index}`,
    base_status: index === 1 ? "pass" : "fail",
    plus_status: null,
  }));
  const report = await importText("many.eval_results.json", JSON.stringify({ eval: { "Demo/0": entries } }), {
    from: "evalplus",
    model,
    items,
  });
  expect(report).toMatchObject({ lines: 1, inserted: 2500, passed: 1, failedResponses: 2499 });
  expect(await database.connection.db.$count(failureCases)).toBe(2499);
});

test("EvalPlus: code is run where the log has no verdict and the items have tests", async () => {
  const items = join(folder, "tested.jsonl");
  await writeFile(items, JSON.stringify({ ...TASK, test: "def check(candidate):\n    assert candidate() == 1\n" }));
  const samples = [
    { task_id: "Demo/0", completion: "    return 1\n" },
    { task_id: "Demo/0", completion: "    return 2\n" },
    // The log's word stands: its code is not run again.
    { task_id: "Demo/0", completion: "    return 3\n", passed: true },
  ];
  const report = await importText("unjudged.jsonl", samples, { from: "evalplus", model, items });
  expect(report).toMatchObject({ inserted: 3, passed: 2, failedResponses: 1, undecided: 0, disagreements: 0 });
  expect((await cases()).map(({ completion, item }) => [completion, item?.kind])).toEqual([
    ["    return 2\n", "humaneval"],
  ]);
});

const evaluated = (follow: boolean) => ({
  prompt: "Answer in JSON.",
  response: "no",
  follow_all_instructions: follow,
  follow_instruction_list: [follow],
  instruction_id_list: ["detectable_format:json_format"],
});

test.each([["strict", "loose"], ["loose", "strict"]])(
  "of two evaluations the strict one stays: %s, %s",
  async (...order) => {
    const reports = [];
    for (const kind of order) {
      reports.push(
        await importText(`eval_results_${kind}.jsonl`, [evaluated(kind === "loose")], { from: "ifeval", model }),
      );
    }
    expect(reports[1]).toMatchObject({ failedCount: 0, responses: 1, passed: 0, failedResponses: 1 });
    expect((await answers()).map(({ passed, verdict }) => [passed, verdict?.basis])).toEqual([[false, "log"]]);
    expect((await cases()).map(({ status }) => status)).toEqual(["open"]);
  },
);

test("two verdicts on the same basis are a conflict, and what was stored stays", async () => {
  await importText("a.jsonl", [evaluated(true)], { from: "ifeval", model });
  const report = await importText("b.jsonl", [evaluated(false)], { from: "ifeval", model });
  expect(report).toMatchObject({ failedCount: 1, responses: 0 });
  expect(report.failed[0]!.message).toMatch(
    /^b\.jsonl:1: the same response is stored as ".*" and passed there, here it failed; leave out the verdict/,
  );
  expect((await answers()).map(({ passed }) => passed)).toEqual([true]);
});

test("a response that passes after all has no open failure case any more; it is counted once", async () => {
  await importText("a.jsonl", [evaluated(false)], { from: "ifeval", model });
  expect(await cases()).toHaveLength(1);
  const items = join(folder, "json.jsonl");
  await writeFile(
    items,
    JSON.stringify({ prompt: "Answer in JSON.", instruction_id_list: ["punctuation:no_comma"], kwargs: [{}] }),
  );
  const twice = [evaluated(false), evaluated(false)];
  const report = await importText("a.jsonl", twice, { from: "ifeval", model, items });
  expect(report).toMatchObject({ lines: 2, inserted: 1, unchanged: 1, responses: 1, passed: 1, disagreements: 1 });
  expect((await answers()).map(({ passed, disagrees }) => [passed, disagrees])).toEqual([[true, true]]);
  expect(await cases()).toEqual([]);
});

test("MATH: a list of final answers counts, and becomes cases where the problem is known", async () => {
  const list = [{ answer: "2", prediction: "\\boxed{2}" }, { answer: "9", prediction: "\\boxed{196}" }];
  const report = await importText("answers.json", JSON.stringify(list, null, 2), { from: "math", model });
  expect(report).toMatchObject({ lines: 2, inserted: 2, passed: 1, failedResponses: 1, skipped: { no_prompt: 1 } });
  expect(await cases()).toEqual([]);
  const lines = [{ problem: "What is 3 times 3?", solution: "9", answer: "9", prediction: "\\boxed{8}" }];
  expect(await importText("lines.jsonl", lines, { from: "math", model })).toMatchObject({
    failedResponses: 1,
    skipped: {},
  });
  expect((await cases()).map(({ prompt, item }) => [prompt, item])).toEqual([
    [`<|im_start|>user\nWhat is 3 times 3?<|im_end|>\n${OPENED}`, { kind: "math", answer: "9", convention: "any" }],
  ]);
});

test("GAIA2: full, lite and call traces become chats that end before the answer", async () => {
  expect(await importPath(join(GAIA2, "synthetic_trace_hf.json"), { from: "gaia2", model }))
    .toMatchObject({ lines: 1, inserted: 1, failedResponses: 1 });
  expect(await importPath(join(GAIA2, "synthetic_trace_lite.json"), { from: "gaia2", model }))
    .toMatchObject({ lines: 1, inserted: 1, failedResponses: 1 });
  const [full, lite] = await cases();
  // Both forms of the same run put the same chat before the model.
  expect(full!.messages).toEqual(lite!.messages);
  expect(full!.messages.map(({ role }) => role)).toEqual(["system", "user"]);
  expect(full!.prompt).toContain("[TASK]: \nEmail Ana that the Rome trip moved to Oct 20.");
  expect(full!.completion).toBe(lite!.completion);
  expect(lite!.verdict?.reason).toMatch(/Emails__send_email \(recipients mismatch\)/);

  const calls = await importPath(join(GAIA2, "synthetic_trace.jsonl"), { from: "gaia2", model });
  // Two of the three have no messages in their request.
  expect(calls).toMatchObject({ lines: 3, inserted: 1, undecided: 1, skipped: { no_answer: 2 } });
  const call = (await answers()).find(({ passed }) => passed === null)!;
  expect(call.completion).toMatch(/^<tool_call>\n\{"name": "exec", "arguments": .*\}\n<\/tool_call>$/);
});

test("GAIA2: the turn that committed the wrong action is the answer, with the expected one to check others", async () => {
  const trace = JSON.parse(await readFile(join(GAIA2, "synthetic_trace_hf.json"), "utf8"));
  const log = (entry: object) => JSON.stringify({ agent_id: "agent0", timestamp: 0, id: "x", ...entry });
  const sent = 'Thought: write.\nAction:\n{"action": "Emails__send_email"}<end_action>';
  trace.world_logs.splice(
    6,
    0,
    log({ log_type: "llm_output", content: sent }),
    log({ log_type: "tool_call", tool_name: "Emails__send_email", tool_arguments: {} }),
  );
  await importText("wrong.json", JSON.stringify(trace, null, 1), { from: "gaia2", model });
  const [row] = await cases();
  expect(row!.completion).toBe(sent);
  expect(row!.messages.map(({ role }) => role)).toEqual(["system", "user", "assistant", "user"]);
  expect(row!.item).toEqual({
    kind: "gaia2",
    expected: {
      name: "Emails__send_email",
      arguments: {
        recipients: ["ana.silva@example.com"],
        subject: "Rome trip",
        content: "The trip moved to Oct 20.",
      },
    },
  });
});

test("GAIA2: a call's system prompt, tools and streamed answers of both interfaces", async () => {
  const tools = [{ type: "function", function: { name: "look", parameters: {} } }];
  const events = (...data: object[]) =>
    data.map((one) => `data: ${JSON.stringify(one)}`).join("\n\n") + "\ndata: [DONE]\n";
  const request = { model, messages: [{ role: "user", content: [{ type: "text", text: "Look" }] }], tools };
  const line = (seq: number, raw_response: string, more = {}) => ({
    seq,
    type: "llm_call",
    request: { ...request, ...more },
    raw_response,
  });
  await writeLines("calls/scenario_9/trace.jsonl", [
    line(
      1,
      events(
        { choices: [{ delta: { content: "I " } }] },
        { choices: [{ delta: { content: "look.", tool_calls: [{ index: 0, id: "a", function: { name: "look" } }] } }] },
        { choices: [{ delta: { tool_calls: [{ index: 0, function: { arguments: '{"at": 1}' } }] } }] },
      ),
    ),
    line(
      2,
      events(
        { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
        { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Done" } },
      ),
      { system: "Be quick." },
    ),
  ]);
  await importPath(join(folder, "calls"), { from: "gaia2" });
  const [openAi, anthropic] = await answers();
  expect(openAi!.completion).toMatch(
    /^I look\.\n?<tool_call>\n\{"name": "look", "arguments": \{"at": ?1\}\}\n<\/tool_call>$/,
  );
  expect(anthropic).toMatchObject({ completion: "Done", task: "scenario_9" });
  expect(anthropic!.prompt).toMatch(/^<\|im_start\|>system\nBe quick\./);
});

test("the paper's traces become placed cases with their pair and all that was tried", async () => {
  const ids = tokenizer.encode("the colour is Red");
  const last = ids.length - 1;
  const wrong = ids[last]!;
  const right = tokenizer.single(" painter", "test");
  const before = tokenizer.decode(ids.slice(0, last));
  const tried = (rank: number, token_id: number, logit: number, eval_result: unknown) => ({
    rank,
    token_str: tokenizer.decode([token_id]),
    token_id,
    logit,
    eval_result,
    completion: "text",
  });
  const trace = {
    metadata: { uuid: "u-1", model: `org/${model}` },
    prompt: "Answer in lower case only. Name a colour.",
    completion: "the colour is Red",
    completion_before_err: before,
    contrast_token: tokenizer.decode([right]).trim(),
    topk_token_explore: [tried(1, wrong, 9.5, false), tried(2, 12, 8, "fail"), tried(3, right, 7.25, { passed: true })],
    l_instruction_phases: ["lower case only"],
  };
  const other = { ...trace, metadata: { uuid: "u-2", model }, contrast_token: "never tried" };
  const report = await importText("traces/a.json", JSON.stringify(trace, null, 2), { from: "debug-xai" });
  expect(report.failed).toEqual([]);
  expect(report).toMatchObject({ lines: 1, inserted: 1 });
  const [row] = await cases();
  const [pair] = await database.connection.db.select().from(tokenPairs);
  expect(row).toMatchObject({
    key: "debug-xai/u-1",
    status: "clean",
    delta: 2.25,
    prefix: before,
    completionIds: ids,
    instructionPhrases: ["lower case only"],
  });
  expect(row!.inputIds).toEqual([...tokenizer.encode(row!.prompt), ...ids.slice(0, last)]);
  expect(pair).toMatchObject({
    position: row!.tokenCount,
    targetId: wrong,
    contrastId: right,
    contrastRank: 2,
    delta: 2.25,
    source: "imported",
  });
  expect(pair!.candidates.map(({ rank, passed }) => [rank, passed])).toEqual([[0, false], [1, false], [2, true]]);
  await writeFile(join(folder, "traces", "b.json"), JSON.stringify(other));
  const both = await importPath(join(folder, "traces"), { from: "debug-xai" });
  expect(both).toMatchObject({ lines: 2, unchanged: 1, failedCount: 1 });
  expect(both.failed[0]!.message).toMatch(/traces\/b\.json.*contrast_token is "never tried", which is none of/);
});

const PLAIN = { kind: "text", gzip: false, encoding: "utf-8" } as const;

test("elements of a list keep their places, whatever is inside them and however it is cut", async () => {
  const list = [{ a: '],[\\" ,{' }, [1, [2]], "x,y]", 3.5, null, { long: "ü".repeat(200_000) }, { b: "\\\\" }];
  const path = join(folder, "list.json");
  const text = ` \n${JSON.stringify(list, null, 1)}\n `;
  await writeFile(path, text);
  const found: unknown[] = [];
  const bytes = new TextEncoder().encode(text);
  for await (const { text: element, end } of readElements(readPieces(path, path, PLAIN))) {
    found.push(JSON.parse(element!));
    expect([",", "]"]).toContain(String.fromCharCode(bytes[end - 1]!));
  }
  expect(found).toEqual(list);
});
