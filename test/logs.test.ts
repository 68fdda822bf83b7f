/**
 * Logs as people have them: each JSON file of test/data/logs says what is done with the input beside it, and what must
 * come of it. A new report is one more pair.
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { isJsonObject, type JsonObject, loadTokenizer } from "../gpu/mod.ts";
import { failureCases, responses, tokenPairs } from "../schema/tables/tables.ts";
import type { ImportChoices, ImportReport } from "../schema/tables/values.ts";
import { ROOT } from "../server/base/settings.ts";
import { readItems } from "../server/benchmarks/items.ts";
import { questionOf } from "../server/benchmarks/prompt_templates.ts";
import { openCheckers } from "../server/checkers/check.ts";
import { importFile } from "../server/import/import_file.ts";
import { culprit } from "./command_line.ts";
import { storeModel, testDatabase } from "./database.ts";

const FOLDER = join(import.meta.dirname as string, "data", "logs");

/** What a stored text holds, where all of it would be too long to write down. */
interface Parts {
  readonly promptContains?: readonly string[];
  readonly completionContains?: readonly string[];
}

type Case =
  /** An import with the model demo-1m: fields of the report, and of each stored response in their order. */
  | {
    readonly import: ImportChoices & { readonly path: string };
    readonly expected: {
      readonly report: Partial<ImportReport>;
      readonly responses?: readonly (JsonObject & Parts)[];
      /** The beginning of each message about a record that was refused. */
      readonly messages?: readonly string[];
    };
  }
  /** `culprit check --json`: fields of each line, and the exit code. */
  | {
    readonly check: { readonly benchmark: string } & Readonly<Record<string, string>>;
    readonly expected: { readonly exit: number; readonly lines: readonly JsonObject[] };
  }
  /** What `collect` asks of each item of a file. */
  | { readonly ask: { readonly items: string }; readonly expected: { readonly questions: readonly JsonObject[] } };

const database = testDatabase();
const checkers = openCheckers();
beforeAll(async () => {
  await storeModel(database, { directory: join(ROOT, "models", "demo-1m"), vocabulary: 2048 });
  await loadTokenizer(join(ROOT, "models", "demo-1m"));
});
afterAll(() => checkers.close());
beforeEach(async () => {
  const { db } = database.connection;
  await db.delete(tokenPairs);
  await db.delete(failureCases);
  await db.delete(responses);
});

const cases = readdirSync(FOLDER).filter((name) => name.endsWith(".json")).sort();

test.each(cases)("%s", async (name) => {
  const one = JSON.parse(readFileSync(join(FOLDER, name), "utf8")) as Case;
  if ("import" in one) await checkImport(one);
  else if ("check" in one) await checkVerdicts(one);
  else await checkQuestions(one);
});

async function checkImport({ import: { path, items, ...choices }, expected }: Extract<Case, { import: unknown }>) {
  const { report } = await importFile(database.connection.db, {
    ...choices,
    model: "demo-1m",
    ...(items === undefined ? {} : { items: join(FOLDER, items) }),
    path: join(FOLDER, path),
    name: basename(path),
    at: undefined,
    onBatch: () => Promise.resolve(),
    checkers,
  });
  const messages = report.failed.map(({ message }) => message);
  expect(report, messages.join("\n")).toMatchObject(expected.report);
  if (expected.messages) {
    expect(messages.map((message, at) => message.slice(0, expected.messages?.[at]?.length))).toEqual(expected.messages);
  }
  if (!expected.responses) return;
  const stored = await database.connection.db.select().from(responses).orderBy(responses.id);
  const fields = expected.responses.map(({ promptContains: _prompt, completionContains: _completion, ...rest }) =>
    rest
  );
  expect(stored).toMatchObject(fields);
  for (const [at, { promptContains = [], completionContains = [] }] of expected.responses.entries()) {
    for (const part of promptContains) expect(stored[at]?.prompt).toContain(part);
    for (const part of completionContains) expect(stored[at]?.completion).toContain(part);
  }
}

async function checkVerdicts({ check: { benchmark, ...files }, expected }: Extract<Case, { check: unknown }>) {
  const options = Object.entries(files).flatMap(([option, file]) => [`--${option}`, join(FOLDER, file)]);
  const { code, out, err } = await culprit(["check", "--benchmark", benchmark, ...options, "--json"]);
  const lines = out.trim().split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  expect({ exit: code, lines }, err).toMatchObject(expected);
}

async function checkQuestions({ ask, expected }: Extract<Case, { ask: unknown }>) {
  const items = await readItems(join(FOLDER, ask.items), ask.items);
  const questions = Array.from({ length: items.count }, (_, index) => questionOf(items.at(index)!, undefined));
  expect(questions.every(isJsonObject)).toBe(true);
  expect(questions).toMatchObject(expected.questions);
}
