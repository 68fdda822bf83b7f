/** Benchmark files that `collect` can run a model over. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { basename, join, resolve, sep } from "node:path";
import { eq } from "drizzle-orm";
import { InputError } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { benchmarks } from "../../schema/tables/tables.ts";
import { checkItemOf, readItems } from "./items.ts";
import { ROOT } from "../base/settings.ts";

export type BenchmarkRow = typeof benchmarks.$inferSelect;

const SHIPPED = join(ROOT, "models", "benchmarks");

/** Whether a benchmark's file comes with the project. */
export function isShipped(path: string): boolean {
  return path.startsWith(`${SHIPPED}${sep}`);
}

/** Makes the benchmarks that come with the project known. */
export async function addShippedBenchmarks(db: Database): Promise<void> {
  const files = await readdir(SHIPPED).catch(() => []);
  for (const file of files.sort()) {
    if (file.endsWith(".jsonl")) await addBenchmark(db, join(SHIPPED, file));
  }
}

/**
 * Stores a benchmark file under its name without ending. A file that has changed since takes the place of the old one.
 * Throws InputError for a file whose items no checker can judge.
 */
export async function addBenchmark(db: Database, path: string): Promise<BenchmarkRow> {
  const full = resolve(path);
  const items = await readItems(full, path);
  const first = items.at(0);
  const kind = first && checkItemOf(first)?.kind;
  if (kind === undefined) {
    throw new InputError(
      "its first item is not of a benchmark with a checker",
      path,
      "give rows of IFEval, MATH, GSM8K, HumanEval, EvalPlus or GAIA2 with what their checkers need",
    );
  }
  const hash = createHash("sha256").update(await readFile(full)).digest("hex");
  const values = { name: basename(full).replace(/\.jsonl?(\.gz)?$/, ""), kind, path: full, items: items.count, hash };
  const [row] = await db.insert(benchmarks).values(values)
    .onConflictDoUpdate({ target: benchmarks.name, set: values }).returning();
  return row!;
}

/** A benchmark by its name, or by the path of its file. Throws InputError when it is neither. */
export async function findBenchmark(db: Database, nameOrPath: string, where: string): Promise<BenchmarkRow> {
  const find = async () => (await db.select().from(benchmarks).where(eq(benchmarks.name, nameOrPath)))[0];
  const known = await find();
  if (known) return known;
  if (/[./\\]/.test(nameOrPath)) return await addBenchmark(db, nameOrPath);
  await addShippedBenchmarks(db);
  const shipped = await find();
  if (shipped) return shipped;
  const names = (await db.select({ name: benchmarks.name }).from(benchmarks).orderBy(benchmarks.name))
    .map(({ name }) => name);
  throw new InputError(
    `there is no benchmark ${JSON.stringify(nameOrPath)}`,
    where,
    `give the path of its file, or one of: ${names.join(", ")}`,
  );
}
