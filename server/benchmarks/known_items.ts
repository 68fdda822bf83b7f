/** Items of benchmarks that are known by name: what checks another answer to a case that came without its item. */
import { eq } from "drizzle-orm";
import { InputError } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { benchmarks } from "../../schema/tables/tables.ts";
import type { ChatMessage, CheckItem } from "../../schema/tables/values.ts";
import { addShippedBenchmarks } from "./benchmarks.ts";
import { checkItemOf, type Items, readItems } from "./items.ts";

export interface AskedItem {
  readonly benchmark: string;
  readonly task: string;
  readonly prompt: string;
  readonly messages?: readonly ChatMessage[];
}

/** The item of a case, or null. */
export type FindItem = (asked: AskedItem) => Promise<CheckItem | null>;

/**
 * Finds items in the benchmarks that the database knows, each file read once. Where a file is given, it counts for all
 * cases. A file that is gone or broken has no items: that is no fault of the cases.
 */
export function itemFinder(db: Database, given: Items | undefined): FindItem {
  const known = new Map<string, Promise<Items | undefined>>();
  const pathOf = async (name: string): Promise<string | undefined> =>
    (await db.select({ path: benchmarks.path }).from(benchmarks).where(eq(benchmarks.name, name)))[0]?.path;
  let shipped: Promise<void> | undefined;
  const read = async (name: string): Promise<Items | undefined> => {
    let path = await pathOf(name);
    if (path === undefined) {
      await (shipped ??= addShippedBenchmarks(db));
      path = await pathOf(name);
    }
    if (path === undefined) return undefined;
    return await readItems(path, path).catch((error) => {
      if (error instanceof InputError) return undefined;
      throw error;
    });
  };
  return async (asked) => {
    const reading = known.get(asked.benchmark) ?? read(asked.benchmark);
    known.set(asked.benchmark, reading);
    const items = given ?? await reading;
    return items === undefined ? null : itemIn(items, asked);
  };
}

/** By what the user said, else by the task's name, if the prompt holds that item's text. */
function itemIn(items: Items, { benchmark, task, prompt, messages = [] }: AskedItem): CheckItem | null {
  const said = messages.findLast(({ role }) => role === "user")?.content;
  const byText = said === undefined ? undefined : items.find(said);
  if (byText) return checkItemOf(byText);
  for (const name of [task, `${benchmark}/${task}`, String(Number(task))]) {
    const row = items.find(name);
    const text = row?.["prompt"] ?? row?.["problem"];
    if (row && typeof text === "string" && prompt.includes(text.trim())) return checkItemOf(row);
  }
  return null;
}
