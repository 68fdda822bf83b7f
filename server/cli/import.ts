/** `culprit import`: stores responses and failure cases of evaluation logs. */
import { InputError } from "../../gpu/mod.ts";
import { type ColumnNames, IMPORT_FORMATS, type ImportFormat, type ImportReport } from "../../schema/tables/values.ts";
import type { ImportedLine } from "../import/store_batch.ts";
import { progressBar } from "./progress.ts";
import { optionText, type Verb, type VerbContext } from "./verb.ts";

export const verb: Verb = {
  name: "import",
  summary: "Stores responses and failure cases of evaluation logs; the same file again changes nothing",
  usage:
    `import [--from auto|${
      IMPORT_FORMATS.join("|")
    }] PATH [--model NAME] [--items FILE] [--prompt COLUMN --answer COLUMN ` +
    "[--passed COLUMN]] [--json]",
  example: "npx culprit import --from culprit models/demo-1m/failure-cases.jsonl",
  options: {
    "from": {
      type: "string",
      value: "FORMAT",
      help: `the format, else told by the file: ${IMPORT_FORMATS.join(", ")}`,
      default: "auto",
    },
    "model": { type: "string", value: "NAME", help: "the model that was added; overrides what the log says" },
    "items": { type: "string", value: "FILE", help: "the benchmark's file: instructions, prompts, tests" },
    "benchmark": { type: "string", value: "NAME", help: "the benchmark's name; the log's own if left out" },
    "plain": { type: "boolean", help: "the model read the log's prompts as they are, without its chat template" },
    "prompt": { type: "string", value: "COLUMN", help: "JSON lines or Parquet of any origin: the column of prompts" },
    "answer": { type: "string", value: "COLUMN", help: "the column of responses" },
    "passed": { type: "string", value: "COLUMN", help: "the column that says whether they passed" },
    "id": { type: "string", value: "COLUMN", help: "the column of the rows' names" },
    "annotator": { type: "string", value: "NAME", help: "who made the annotations or labels" },
  },
  run,
};

async function run(context: VerbContext): Promise<void> {
  const { values, positionals, json, out, note } = context;
  const from = String(values["from"] ?? "auto");
  if (from !== "auto" && !isFormat(from)) {
    throw new InputError(
      `"${from}" is no format that can be imported`,
      "--from",
      `give one of: auto, ${IMPORT_FORMATS.join(", ")}`,
    );
  }
  const [path, ...more] = positionals;
  if (path === undefined || more.length > 0) {
    throw new InputError(`${positionals.length} files are given`, "culprit import", "give one file or folder");
  }
  const [{ importFile }, { TITLES }, { withDatabase }] = await Promise.all([
    import("../import/import_file.ts"),
    import("../import/recognise.ts"),
    import("./with_database.ts"),
  ]);
  const columns = columnsOf(context);
  const bar = progressBar(context);
  const choice = (name: "model" | "items" | "benchmark" | "annotator") => {
    const text = optionText(context, name);
    return text === undefined ? {} : { [name]: text };
  };
  let known: ImportFormat | undefined;
  const { report } = await withDatabase(({ db }) =>
    importFile(db, {
      path,
      name: path,
      from,
      ...choice("model"),
      ...choice("items"),
      ...choice("benchmark"),
      ...choice("annotator"),
      ...(columns ? { columns } : {}),
      plain: values["plain"] === true,
      at: undefined,
      onFormat: (format) => {
        known = format;
        if (from === "auto" && !columns) note(`${path} is ${TITLES[format]}: --from ${format}\n`);
      },
      onBatch: (_tx, { done, total }) => {
        bar.update({ phase: "import", done, total });
        return Promise.resolve();
      },
      onLines: async (lines) => {
        if (json && lines.length > 0) await out(lines.map((line) => `${JSON.stringify(itemOf(line))}\n`).join(""));
      },
    })
  ).finally(() => bar.end());
  if (known === "annotations" && report.inserted > 0) {
    note("These are votes: npx culprit pairs --model NAME computes the pairs that most annotators chose\n");
  }
  if (known === "labels" && report.inserted > 0) {
    note("labelAgreement in GraphQL, and npx culprit export report, compare them with the classifier\n");
  }
  if (report.undecided > 0 && known !== "gaia2" && values["items"] === undefined) {
    note("Import the file again with --items FILE, the benchmark's own, to have undecided responses checked\n");
  }
  for (const { message } of report.failed) note(`${message}\n`);
  await out(json ? `${JSON.stringify(totalsOf(report))}\n` : summaryOf(report));
  if (report.failedCount > 0) {
    throw new InputError(
      `${report.failedCount} of ${report.lines} lines could not be stored`,
      path,
      "mend them and import the file again; the others are stored",
    );
  }
}

/** The columns that were named. Throws InputError for some without the others that they need. */
function columnsOf(context: VerbContext): ColumnNames | undefined {
  const [prompt, answer, passed, id] = ["prompt", "answer", "passed", "id"].map((name) => optionText(context, name));
  if ([prompt, answer, passed, id].every((one) => one === undefined)) return undefined;
  if (prompt === undefined || answer === undefined) {
    throw new InputError(
      "it takes the columns of prompts and of responses",
      prompt === undefined ? "--prompt" : "--answer",
      "name both: --prompt COLUMN --answer COLUMN",
    );
  }
  return { prompt, answer, ...(passed === undefined ? {} : { passed }), ...(id === undefined ? {} : { id }) };
}

function isFormat(name: string): name is ImportFormat {
  return (IMPORT_FORMATS as readonly string[]).includes(name);
}

const STATUS = { inserted: "COMPLETED", unchanged: "COMPLETED", skipped: "SKIPPED", failed: "FAILED" } as const;

function itemOf({ id, kind, ...line }: ImportedLine) {
  return { id, kind, status: STATUS[line.result], ...line };
}

const MENDED: Readonly<Record<string, string>> = {
  latin1: "records were no UTF-8 and were read as Latin-1",
  unstorable_characters: "characters cannot be stored (NUL, halves of surrogate pairs): U+FFFD stands for them",
};

/** Counts of responses stand only where there were any. */
function totalsOf(
  { lines, inserted, unchanged, failedCount, failed: _failed, skipped, mended, ...counts }: ImportReport,
) {
  return {
    total: lines,
    inserted,
    unchanged,
    failed: failedCount,
    ...(counts.responses > 0 ? counts : {}),
    ...(Object.keys(skipped).length > 0 ? { skipped } : {}),
    ...(Object.keys(mended).length > 0 ? { mended } : {}),
  };
}

function summaryOf(report: ImportReport): string {
  const { inserted, unchanged, failedCount, responses, passed, failedResponses, undecided, disagreements } = report;
  const lines = [`${inserted} added, ${unchanged} unchanged, ${failedCount} failed`];
  if (responses > 0) {
    lines.push(`${responses} responses: ${passed} passed, ${failedResponses} did not, ${undecided} undecided`);
  }
  if (disagreements > 0) {
    lines.push(`${disagreements} where our checker and the log disagree: npx culprit export disagreements`);
  }
  for (const [reason, count] of Object.entries(report.skipped)) lines.push(`${count} left out: ${reason}`);
  for (const [what, count] of Object.entries(report.mended)) lines.push(`${count} ${MENDED[what] ?? what}`);
  return lines.map((line) => `${line}\n`).join("");
}
