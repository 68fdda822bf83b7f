/** Benchmark files that `collect` can run a model over. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { basename, join, resolve, sep } from "node:path";
import { eq } from "drizzle-orm";
import { InputError } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { benchmarks } from "../../schema/tables/tables.ts";
import type { CheckItem } from "../../schema/tables/values.ts";
import { ROOT } from "../base/settings.ts";
import { type ModelReader, ownReader, type Reading } from "../models/reading.ts";
import { checkItemOf, readItems } from "./items.ts";

export type BenchmarkRow = typeof benchmarks.$inferSelect;

const SHIPPED = join(ROOT, "models", "benchmarks");

/** Whether a benchmark's file comes with the project. */
export function isShipped(path: string): boolean {
  return path.startsWith(`${SHIPPED}${sep}`);
}

/** What is stored of a benchmark's file. */
interface BenchmarkFile {
  /** Of its checker. */
  readonly kind: CheckItem["kind"];
  readonly items: number;
  /** SHA-256 of the file, hexadecimal. */
  readonly hash: string;
}

/** Reads a benchmark's file, whose path is the reading's directory. `name` is what people call it, for errors. */
export const DESCRIBE_BENCHMARK: Reading<{ readonly name: string }, BenchmarkFile> = {
  name: "benchmark",
  mend: "give a smaller file, or one that Culprit wrote",
  read: async ({ directory: path }, { name }) => {
    const items = await readItems(path, name);
    const first = items.at(0);
    const kind = first && checkItemOf(first)?.kind;
    if (kind === undefined) {
      throw new InputError(
        "its first item is not of a benchmark with a checker",
        name,
        "give rows of IFEval, MATH, GSM8K, HumanEval, EvalPlus or GAIA2 with what their checkers need",
      );
    }
    const hash = createHash("sha256").update(await readFile(path)).digest("hex");
    return { kind, items: items.count, hash };
  },
};

/** Makes the benchmarks that come with the project known. */
export async function addShippedBenchmarks(db: Database, reader: ModelReader = ownReader()): Promise<void> {
  const files = await readdir(SHIPPED).catch(() => []);
  for (const file of files.sort()) {
    if (file.endsWith(".jsonl")) await addBenchmark(db, join(SHIPPED, file), reader);
  }
}

/**
 * Stores a benchmark file under its name without ending. A file that has changed since takes the place of the old one.
 * Throws InputError for a file whose items no checker can judge.
 */
export async function addBenchmark(
  db: Database,
  path: string,
  reader: ModelReader = ownReader(),
): Promise<BenchmarkRow> {
  const full = resolve(path);
  const file = await reader.read(DESCRIBE_BENCHMARK, full, { name: path });
  const values = { name: basename(full).replace(/\.jsonl?(\.gz)?$/, ""), path: full, ...file };
  const [row] = await db.insert(benchmarks).values(values)
    .onConflictDoUpdate({ target: benchmarks.name, set: values }).returning();
  return row!;
}

/**
 * A benchmark by its name, or by the path of its file, which `reader` reads where people wait for this process. Throws
 * InputError when it is neither.
 */
export async function findBenchmark(
  db: Database,
  nameOrPath: string,
  where: string,
  reader: ModelReader = ownReader(),
): Promise<BenchmarkRow> {
  const find = async () => (await db.select().from(benchmarks).where(eq(benchmarks.name, nameOrPath)))[0];
  const known = await find();
  if (known) return known;
  if (/[./\\]/.test(nameOrPath)) return await addBenchmark(db, nameOrPath, reader);
  await addShippedBenchmarks(db, reader);
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
