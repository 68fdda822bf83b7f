/** One run of the study: stages, then the stored files and the document. */
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { basename, dirname, join } from "node:path";
import { desc } from "drizzle-orm";
import type { Database } from "../../schema/tables/database.ts";
import { attributions } from "../../schema/tables/tables.ts";
import { writeSnapshot } from "../backup/snapshot.ts";
import { withDatabase } from "../cli/with_database.ts";
import { paperDrawings, svgFiles } from "../paper/figures.ts";
import { type Note, readTimed } from "../paper/verbs.ts";
import { readReport } from "../report/read_report.ts";
import { computeStages, studyOf, type WildRequest } from "./compute.ts";
import { wildDocument, type WildParts } from "./document.ts";
import { wildNumbers } from "./numbers.ts";
import { readProofs } from "./proofs.ts";
import { readReference } from "./reference.ts";
import { writeReadings } from "./readings.ts";
import { packed, readAnswers, readCaseLines, readResults, type StoredResult } from "./results.ts";
import { controlName } from "../cases/controls.ts";
import { failureBenchmarks, type Stage, type WildStudy } from "./study.ts";

export interface WildRun {
  readonly request: WildRequest;
  readonly stages: readonly Stage[];
  /** Folder of the database, of times, and of preference files. */
  readonly home: string;
  /** The document; the stored files lie in a folder of its name beside it. */
  readonly document: string;
  /** Where all that the database holds is stored too, so that a new installation can load it; null: nowhere. */
  readonly snapshot: string | null;
  readonly note: Note;
}

/** The folder of a document's stored files. */
export const folderOf = (document: string): string => document.replace(/\.md$/, "");

/** Throws InputError for what is not there, and what a verb said when it fails. */
export async function runWild({ request, stages, home, document, snapshot, note }: WildRun): Promise<void> {
  await mkdir(home, { recursive: true });
  const study = await studyOf(request);
  await computeStages({ request, study, home, note }, stages);
  if (stages.includes("readings")) {
    const folder = join(home, "readings");
    const { labels, sentences } = await withDatabase(({ db }) => writeReadings(db, study, folder, study.readEach));
    note(`${folder}: ${labels} cases for labels, ${sentences} for sentences\n`);
  }
  if (!stages.includes("report")) return;
  await withDatabase(async (connection) => {
    // All of it from one moment: another verb may be writing.
    await connection.db.transaction((tx) => writeResults(tx as unknown as Database, study, home, document), {
      isolationLevel: "repeatable read",
      accessMode: "read only",
    });
    if (snapshot !== null) note(`${snapshot}: ${await writeSnapshot(connection, snapshot)} rows\n`);
  });
  note(`written: ${document}\n`);
}

async function writeResults(db: Database, study: WildStudy, home: string, document: string): Promise<void> {
  const folder = folderOf(document);
  await mkdir(folder, { recursive: true });
  const results = await readResults(db, study);
  const { parts, figures } = await readParts(db, study, home, { folder, results });
  for (const name of await readdir(folder)) {
    if (name.endsWith(".svg") && !figures.has(name)) await rm(join(folder, name));
  }
  for (const [name, svg] of figures) await writeFile(join(folder, name), svg);
  await writeFile(join(folder, "answers.jsonl.gz"), packed(await readAnswers(db, study)));
  await writeFile(join(folder, "results.jsonl.gz"), packed(results));
  await writeFile(join(folder, "cases.jsonl.gz"), packed(await readCaseLines(db, study)));
  const numbers = join(folder, "numbers.json");
  await writeFile(numbers, `${JSON.stringify(parts, null, 2)}\n`);
  await writeFile(document, wildDocument(parts));
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", numbers, document], cwd: dirname(document) })
    .output();
}

/** What the database holds, as parts of the document and figure files by name. */
async function readParts(
  db: Database,
  study: WildStudy,
  home: string,
  { folder, results }: { readonly folder: string; readonly results: readonly StoredResult[] },
) {
  const names = failureBenchmarks(study);
  const report = (benchmarks: readonly string[]) =>
    readReport(db, {
      selection: { selection: "clean", model: study.model, benchmarks, key: null, limit: null },
      rule: "attnlrp",
      study: undefined,
      seed: study.seed,
    });
  const tables = await report(names);
  const numbers = await wildNumbers(
    db,
    study,
    home,
    tables,
    await report(study.benchmarks.map(({ name }) => controlName(name))),
  );
  const [newest] = await db.select({ adapter: attributions.adapter }).from(attributions)
    .orderBy(desc(attributions.id)).limit(1);
  const figures = svgFiles(paperDrawings(tables));
  const parts: WildParts = {
    numbers,
    reference: await readReference(folder, results),
    proofs: await readProofs(home, folder, study),
    examples: tables.examples.map(({ label, key, target, contrast, delta, summary }) => (
      { label, key, target, contrast, delta, summary }
    )),
    graphKey: tables.graph?.key ?? null,
    timed: await readTimed(home),
    adapter: newest?.adapter ?? "none",
    cores: availableParallelism(),
    figures: [...figures.keys()],
    folder: basename(folder),
  };
  return { parts, figures };
}
