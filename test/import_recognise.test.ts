/** Formats told by what stands in a file, one line for a wrong one, and files that are broken or hostile. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { IMPORT_FORMATS, type ImportChoices, type ImportFormat } from "../schema/tables/values.ts";
import type { Format } from "../server/import/format.ts";
import { helm } from "../server/import/helm.ts";
import { importFile } from "../server/import/import_file.ts";
import { lighteval } from "../server/import/lighteval.ts";
import { pythonLiteral } from "../server/import/python_literal.ts";
import { recognise } from "../server/import/recognise.ts";
import { ROOT } from "../server/base/settings.ts";
import { storeModel, testDatabase } from "./database.ts";
import { readRecords, type Records } from "./fuzz_files.ts";

const LOGS = join(import.meta.dirname as string, "data", "logs");
const folder = mkdtempSync(join(tmpdir(), "culprit-recognise-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const database = testDatabase();
let records: Records;
beforeAll(async () => {
  await storeModel(database, { directory: join(ROOT, "models", "demo-1m"), vocabulary: 2048 });
  records = await readRecords();
});

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function refusal(path: string, choices: Partial<ImportChoices> = {}): Promise<string> {
  const options = { from: "auto", model: "demo-1m", ...choices } as const;
  return await importFile(database.connection.db, {
    ...options,
    path,
    name: basename(path),
    at: undefined,
    onBatch: () => Promise.resolve(),
  }).then(({ report }) => `${report.failedCount} failed`, (error) => (error as Error).message);
}

/** What the readers' own records are recognised as; leaderboard and lighteval share a reader. */
const SEEN: Partial<Record<ImportFormat, ImportFormat>> = { leaderboard: "lighteval" };

test("records of every format are told, whatever the file is called, packed or not, as lines or as a list", async () => {
  for (const from of IMPORT_FORMATS.filter((one) => one !== "columns")) {
    const lines = records[from].map((record) => JSON.stringify(record)).join("\n");
    const seen = { format: SEEN[from] ?? from };
    expect(await recognise(file("some.txt", lines), "some.txt"), from).toEqual(seen);
    expect(await recognise(file("packed", gzipSync(lines)), "packed"), from).toEqual(seen);
    const list = JSON.stringify(records[from], null, 1);
    expect(await recognise(file("list.json", list), "list.json"), from).toEqual(seen);
  }
});

test("of a folder the first file that is known counts, summaries beside it do not", async () => {
  const run = join(folder, "run");
  mkdirSync(run);
  writeFileSync(join(run, "results_2026.json"), '{"results": {"ifeval": {}}}');
  writeFileSync(
    join(run, "samples_ifeval_2026.jsonl"),
    records["lm-eval"].map((one) => JSON.stringify(one)).join("\n"),
  );
  expect(await recognise(run, "run")).toEqual({ format: "lm-eval" });
});

test("a wrong --from is one line that names the right one, and nothing is stored", async () => {
  const inspect = join(LOGS, "30-inspect", "inspect.json");
  expect(await refusal(inspect, { from: "lm-eval" })).toBe(
    "inspect.json: it is a log of Inspect, not a sample log of lm-evaluation-harness; give --from inspect",
  );
  expect(await refusal(join(LOGS, "30-inspect", "arithmetic.eval"), { from: "ifeval" })).toMatch(
    /give --from inspect$/,
  );
  expect(await refusal(join(LOGS, "35-opencompass", "predictions", "demo-1m", "gsm8k.json"), { from: "math" }))
    .toMatch(/^gsm8k\.json: it is predictions of OpenCompass, not answers to MATH; give --from opencompass$/);
  const ifeval = file("answers.jsonl", records.ifeval.map((one) => JSON.stringify(one)).join("\n"));
  expect(await refusal(ifeval, { from: "gaia2" })).toMatch(/^answers\.jsonl: it is .* give --from ifeval$/);
  expect(await refusal(ifeval, { from: "columns" })).toMatch(/^answers\.jsonl: its columns are not named; name them: /);
});

test.each([
  ["promptfoo.json", "output of promptfoo"],
  ["bigcode_generations.json", "generations of bigcode-evaluation-harness"],
  ["openai_evals.jsonl", "a log of OpenAI's evals"],
  ["olmes_predictions.jsonl", "predictions of OLMES"],
  ["qwen_math_eval.jsonl", "output of Qwen2.5-Math"],
  ["MbppPlus.jsonl", "a benchmark's items"],
])("%s is named though it is not read, in one line with what to do", async (name, called) => {
  for (const from of ["auto", "lm-eval", "math"] as const) {
    const said = await refusal(join(LOGS, "39-unread", name), { from });
    expect(said, from).toBe(
      `${name}: it is ${called}, which is not read; make JSON lines of it and name them: --prompt COLUMN ` +
        "--answer COLUMN --passed COLUMN (columns in GraphQL)",
    );
  }
});

test("a file that shows nothing, is cut, or unpacks to more than it says is one line", async () => {
  expect(await refusal(file("notes.txt", "Dear reader,\nthis is no log."))).toMatch(/^notes\.txt: nothing in it tells/);
  const whole = readFileSync(join(LOGS, "30-inspect", "arithmetic.eval"));
  expect(await refusal(file("cut.eval", whole.subarray(0, 4000)))).toMatch(
    /^cut\.eval: it is no whole zip: .*; download/,
  );
  // The central directory says one byte for each file.
  const bomb = Uint8Array.from(whole);
  const view = new DataView(bomb.buffer);
  for (let at = 0; at + 46 < bomb.length; at++) {
    if (view.getUint32(at, true) === 0x02014b50) view.setUint32(at + 24, 1, true);
  }
  expect(await refusal(file("bomb.eval", bomb))).toMatch(
    /^bomb\.eval\/header\.json: it cannot be unpacked: .*; pack it/,
  );
  const parquet = readFileSync(join(LOGS, "38-columns", "demo-1m.parquet"));
  const named = { columns: { prompt: "question", answer: "output.text" } };
  expect(await refusal(file("cut.parquet", parquet.subarray(0, parquet.length - 9)), named))
    .toMatch(/^cut\.parquet: it is no Parquet file that can be read: .*; write it again$/);
  const broken = Uint8Array.from(parquet).fill(7, 20, 200);
  expect(await refusal(file("broken.parquet", broken), named)).toMatch(/^broken\.parquet: it is no Parquet file/);
});

test("benchmarks are read from the names that lighteval and HELM write", () => {
  const time = "2026-11-01T10-00-00.000000";
  const benchmarkOf = (format: Format, name: string) => format.benchmark?.(name, undefined);
  for (const task of ["lighteval|gsm8k|5|0", "harness|gsm8k|5", "gsm8k|0", "gsm8k"]) {
    expect(benchmarkOf(lighteval, `run/details_${task}_${time}.parquet`), task).toBe("gsm8k");
  }
  expect(benchmarkOf(lighteval, "rows.parquet")).toBeUndefined();
  expect(benchmarkOf(helm, "runs/mmlu:subject=anatomy,model=openai_gpt2/scenario_state.json")).toBe("mmlu");
  expect(benchmarkOf(helm, "scenario_state.json")).toBeUndefined();
});

test("Python's texts of values are read, and nothing else is", () => {
  expect(pythonLiteral(`['a', "b's", 'it\\'s', (1, -2.5e3), {'x': None, 'y': [True, False]}, '\\u00e9\\n', ]`))
    .toEqual(["a", "b's", "it's", [1, -2500], { x: null, y: [true, false] }, "é\n"]);
  expect(pythonLiteral("[nan, inf]")).toEqual([null, null]);
  for (const wrong of ["", "[1", "'a", "__import__('os')", "{1}", "[1 2]", "1 2", "'\\ud9'", "[".repeat(100_000)]) {
    expect(pythonLiteral(wrong), wrong.slice(0, 20)).toBeUndefined();
  }
});
