/** Files of labels: the two blind readings of the demo come into the database as they are, and agree as documented. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, expect, test } from "vitest";
import { labels } from "../schema/tables/analysis_tables.ts";
import { failureCases, tokenPairs } from "../schema/tables/tables.ts";
import type { ImportFormat, ImportReport } from "../schema/tables/values.ts";
import { importFile } from "../server/import/import_file.ts";
import { parseLabels } from "../server/diagnosis/labels.ts";
import { labelAgreement } from "../server/diagnosis/label_agreement.ts";
import { ROOT } from "../server/base/settings.ts";
import { storeModel, storePair, testDatabase } from "./database.ts";
import { graphqlClient } from "./graphql_client.ts";

const DEMO = join(ROOT, "models", "demo-1m");
const LABELS = join(ROOT, "test", "data", "labels");

const database = testDatabase();
const ask = graphqlClient(database, {
  labelAgreement: (request) => labelAgreement(database.connection.db, request),
});
let folder = "";
let modelId = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "culprit-labels-"));
  modelId = await storeModel(database, { directory: DEMO });
  for (const name of ["failure-cases.jsonl", "failure-cases-divergence.jsonl"]) {
    expect(await importIt("culprit", join(DEMO, name))).toMatchObject({ failedCount: 0 });
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function importIt(from: ImportFormat, path: string, annotator?: string): Promise<ImportReport> {
  const { report } = await importFile(database.connection.db, {
    path,
    name: "labels.jsonl",
    from,
    ...(annotator === undefined ? {} : { annotator }),
    at: undefined,
    onBatch: () => Promise.resolve(),
  });
  return report;
}
async function importLines(lines: readonly object[], annotator?: string): Promise<ImportReport> {
  const path = join(folder, "labels.jsonl");
  await writeFile(path, lines.map((line) => JSON.stringify(line)).join("\n"));
  return await importIt("labels", path, annotator);
}
const stored = () => database.connection.db.select().from(labels).orderBy(labels.id);

test("both readings land whole and once, and agree as the files do", async () => {
  for (const reader of ["reader-a", "reader-b"]) {
    const path = join(LABELS, `${reader}.jsonl`);
    expect(await importIt("labels", path, reader)).toMatchObject({ lines: 72, inserted: 72, failedCount: 0 });
    expect(await importIt("labels", path, reader)).toMatchObject({ inserted: 0, unchanged: 72, failedCount: 0 });
    const rows = await database.connection.db.select({
      key: failureCases.key,
      outcome: labels.outcome,
      pattern: labels.pattern,
      note: labels.note,
    }).from(labels).innerJoin(tokenPairs, eq(tokenPairs.id, labels.tokenPairId))
      .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId)).where(eq(labels.reader, reader))
      .orderBy(labels.id);
    expect(rows).toEqual(parseLabels(await readFile(path, "utf8"), path));
  }
  const { data, errors } = await ask(`{ labelAgreement { one other pairs outcome { kappa } pattern { kappa } } }`);
  expect(errors).toBeUndefined();
  const [agreement, ...others] = data.labelAgreement;
  expect(others).toEqual([]);
  expect(agreement).toMatchObject({ one: "reader-a", other: "reader-b", pairs: 72 });
  // Reader A and reader B over all 72, as docs/diagnosis.md tells.
  expect(agreement.outcome.kappa).toBeCloseTo(0.76, 2);
  expect(agreement.pattern.kappa).toBeCloseTo(0.64, 2);
});

test("what a person said is never overwritten by a file", async () => {
  const before = await stored();
  const key = "demo-ifeval/0711";
  const report = await importLines([
    { key, outcome: "M-IA", pattern: "URT", note: "second thoughts" },
    { key, outcome: "M-IA", pattern: null, note: "", reader: "reader-c" },
  ], "reader-a");
  // The file's own reader counts for both lines.
  expect(report).toMatchObject({ inserted: 0, failedCount: 2 });
  expect(report.failed[0]!.message).toMatch(/^labels\.jsonl:1: reader-a has labelled "demo-ifeval\/0711" otherwise; /);
  expect(await stored()).toEqual(before);
});

test("a line that cannot be is told with its place, and the others land", async () => {
  const pair = await storePair(database, modelId, "two");
  const [first] = await database.connection.db.select().from(tokenPairs).where(eq(tokenPairs.id, pair));
  const { id: _id, createdAt: _createdAt, ...values } = first!;
  const [second] = await database.connection.db.insert(tokenPairs)
    .values({ ...values, contrastId: 9, contrastText: " other", contentHash: "second" })
    .returning({ id: tokenPairs.id });
  const [open] = await database.connection.db.select().from(failureCases).where(eq(failureCases.key, "two"));
  const { id: _caseId, createdAt: _caseCreatedAt, ...bare } = open!;
  await database.connection.db.insert(failureCases).values({ ...bare, key: "open", contentHash: "open" });
  const label = { outcome: "M-IA", pattern: "OIT" };
  const report = await importLines([
    { key: "two", ...label },
    { key: "two", ...label, contrast: "none such" },
    { key: "two", ...label, contrast: "other" },
    { key: "open", ...label },
    { key: "absent", ...label },
    { key: "two", outcome: "NC-IA+AG", pattern: "OIT" },
    { key: "two", outcome: "m_ia", pattern: "OIT" },
    { key: "two", outcome: "M-IA" },
  ], "reader-d");
  expect(report).toMatchObject({ lines: 8, inserted: 1, failedCount: 7 });
  expect(report.failed.map(({ message }) => message)).toEqual([
    expect.stringMatching(/:1: "two" has 2 token pairs; say which: "contrast" is one of " right", " other"$/),
    expect.stringMatching(/:2: "two" has no pair with this contrast; say which/),
    expect.stringMatching(/:4: "open" has no token pair yet; /),
    expect.stringMatching(/:5: there is no failure case "absent"; /),
    expect.stringMatching(/:6: what nothing explains has no pattern; write null/),
    expect.stringMatching(/:7: outcome: .*; give a label/),
    expect.stringMatching(/:8: pattern: .*; give a label/),
  ]);
  expect((await stored()).at(-1)).toMatchObject({ tokenPairId: second!.id, reader: "reader-d", pattern: "oit" });
  expect((await importLines([{ key: "two", ...label, contrast: "other" }])).failed[0]!.message)
    .toMatch(/nobody says who read it; give --annotator NAME/);
  expect(await importLines([{ key: "two", ...label, contrast: "other", reader: "reader-e" }]))
    .toMatchObject({ inserted: 1 });
});
