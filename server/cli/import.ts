/** `culprit import`: stores failure cases of a file. */
import { InputError } from "../../gpu/errors.ts";
import { importFile } from "../import_file.ts";
import { progressBar } from "./progress.ts";
import type { Verb, VerbContext } from "./verb.ts";
import { withDatabase } from "./with_database.ts";

export const verb: Verb = {
  name: "import",
  summary: "Stores failure cases of a file; the same file again changes nothing",
  usage: "import --from culprit PATH [--json]",
  example: "npx culprit import --from culprit models/demo-1m/failure-cases.jsonl",
  options: { "from": { type: "string", value: "FORMAT", help: "the file's format: culprit" } },
  run,
};

const FORMATS = ["culprit"];

async function run(context: VerbContext): Promise<void> {
  const { values, positionals, json, out, note } = context;
  const from = String(values["from"] ?? "");
  if (!FORMATS.includes(from)) {
    throw new InputError(`"${from}" is no format that can be imported`, "--from", `give one of: ${FORMATS.join(", ")}`);
  }
  const [path, ...more] = positionals;
  if (path === undefined || more.length > 0) {
    throw new InputError(`${positionals.length} files are given`, "culprit import", "give one file");
  }
  const bar = progressBar(context);
  const { report } = await withDatabase(({ db }) =>
    importFile(db, {
      path,
      name: path,
      from: undefined,
      onBatch: (_tx, { done, total }) => {
        bar.update({ phase: "import", done, total });
        return Promise.resolve();
      },
      onLines: async (lines) => {
        if (!json || lines.length === 0) return;
        const items = lines.map(({ id, ...line }) => ({
          id,
          kind: "failureCase",
          status: line.result === "failed" ? "FAILED" : "COMPLETED",
          ...line,
        }));
        await out(items.map((item) => `${JSON.stringify(item)}\n`).join(""));
      },
    })
  ).finally(() => bar.end());
  const { inserted, unchanged, failedCount, failed } = report;
  for (const { message } of failed) note(`${message}\n`);
  await out(
    json
      ? `${JSON.stringify({ total: report.lines, inserted, unchanged, failed: failedCount })}\n`
      : `${inserted} added, ${unchanged} unchanged, ${failedCount} failed\n`,
  );
  if (failedCount > 0) {
    throw new InputError(
      `${failedCount} of ${report.lines} lines could not be stored`,
      path,
      "mend them and import the file again; the others are stored",
    );
  }
}
