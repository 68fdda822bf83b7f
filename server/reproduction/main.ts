/**
 * `npm run reproduce [-- --home FOLDER] [--check] [--snapshot]`: computes the study with the demo models and writes docs/reproduction.md,
 * its figures and numbers; with --check it compares with the numbers that lie
 * there instead, with --snapshot it writes the results that a new installation shows (server/backup/snapshot.ts).
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { desc } from "drizzle-orm";
import { attributions } from "../../schema/tables/tables.ts";
import { withDatabase } from "../cli/with_database.ts";
import { readReport, type Report } from "../report/read_report.ts";
import { ROOT } from "../base/settings.ts";
import { writeSnapshot } from "../backup/snapshot.ts";
import { type Timed, withEarlier } from "../paper/verbs.ts";
import { compareNumbers } from "./compare.ts";
import { computeDemo, computeStudy } from "./compute.ts";
import { type DocumentParts, reproductionDocument } from "./document.ts";
import { figuresOf } from "./figures.ts";
import { numbersOf, type ReproductionNumbers } from "./numbers.ts";
import { REPRODUCTION, type ReproductionStudy } from "./study.ts";

const DOCUMENT = join(ROOT, "docs", "reproduction.md");
const FOLDER = join(ROOT, "docs", "reproduction");
const NUMBERS = join(FOLDER, "numbers.json");

const { values } = parseArgs({
  options: { home: { type: "string" }, check: { type: "boolean" }, snapshot: { type: "boolean" } },
});
const note = (text: string) => void Deno.stderr.writeSync(new TextEncoder().encode(text));
const home = values.home ?? await mkdtemp(join(tmpdir(), "culprit-reproduce-"));
Deno.env.set("CULPRIT_HOME", home);
Deno.env.delete("DATABASE_URL");
try {
  const timed = await withEarlier(home, await computeStudy(REPRODUCTION, note));
  const { parts, figures } = await readAll(REPRODUCTION, timed);
  if (values.check === true) {
    await check(parts.numbers);
  } else {
    await rm(FOLDER, { recursive: true, force: true });
    await mkdir(FOLDER, { recursive: true });
    for (const [name, svg] of figures) await writeFile(join(FOLDER, name), svg);
    await writeFile(NUMBERS, `${JSON.stringify(parts, null, 2)}\n`);
    await writeFile(DOCUMENT, reproductionDocument(parts));
    await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", NUMBERS, DOCUMENT], cwd: ROOT }).output();
    if (values.snapshot === true) {
      await computeDemo(note);
      note(`snapshot: ${await withDatabase(writeSnapshot)} rows\n`);
    }
    note(`written: ${DOCUMENT}\n`);
  }
} finally {
  if (values.home === undefined) await rm(home, { recursive: true, force: true });
}

async function check(fresh: ReproductionNumbers): Promise<void> {
  const stored = JSON.parse(await readFile(NUMBERS, "utf8")) as DocumentParts;
  const gaps = compareNumbers(stored.numbers, fresh);
  for (const gap of gaps) console.log(gap);
  console.log(gaps.length === 0 ? "The numbers agree with the stored ones." : `${gaps.length} numbers differ.`);
  Deno.exitCode = gaps.length === 0 ? 0 : 1;
}

/** What the database holds, as parts of the document and figure files by name. */
async function readAll(study: ReproductionStudy, timed: readonly Timed[]) {
  return await withDatabase(async ({ db }) => {
    const selection = { selection: "clean", model: study.model, benchmarks: null, key: null, limit: null } as const;
    const request = { selection, rule: "attnlrp", seed: study.seed } as const;
    const tables = await readReport(db, { ...request, study: study.series[0]!.series });
    const reports: Report[] = [];
    for (const { series, cases } of study.series) {
      reports.push(await readReport(db, { ...request, selection: { ...selection, model: cases }, study: series }));
    }
    const [newest] = await db.select({ adapter: attributions.adapter }).from(attributions)
      .orderBy(desc(attributions.id)).limit(1);
    const figures = figuresOf(study, tables, reports);
    const parts: DocumentParts = {
      numbers: await numbersOf(db, study, tables, reports),
      examples: tables.examples.map(({ label, key, target, contrast, delta, summary }) => (
        { label, key, target, contrast, delta, summary }
      )),
      graphKey: tables.graph?.key ?? null,
      timed,
      adapter: newest?.adapter ?? "none",
      cores: availableParallelism(),
      figures: [...figures.keys()],
    };
    return { parts, figures };
  });
}
