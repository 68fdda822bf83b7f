/** Writes what a run found: its numbers, its figures, and the document. */
import { mkdir, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { withDatabase } from "../cli/with_database.ts";
import { loopDocument } from "./document.ts";
import { readNumbers } from "./numbers.ts";
import { countPairs, type Loop } from "./run.ts";

/** Writes numbers.json, figures and the document; its folder is the document's name without ending. */
export async function writeReport(loop: Loop, document: string): Promise<void> {
  const pairs = await countPairs(loop);
  const folder = document.replace(/\.md$/, "");
  await mkdir(folder, { recursive: true });
  const { numbers, figures } = await withDatabase(({ db }) => readNumbers(db, loop, pairs, basename(folder)));
  for (const [name, svg] of figures) await writeFile(join(folder, name), svg);
  const path = join(folder, "numbers.json");
  await writeFile(path, `${JSON.stringify(numbers, null, 2)}\n`);
  await writeFile(document, loopDocument(numbers));
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", path, document], cwd: dirname(document) })
    .output();
  loop.note(`written: ${document}\n`);
}
