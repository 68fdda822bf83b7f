/** The format of an import: as people said it, or as the file shows it. */
import { InputError } from "../../gpu/mod.ts";
import type { ImportChoices, ImportFormat } from "../../schema/tables/values.ts";
import { COLUMNS_MEND } from "./columns.ts";
import type { Format } from "./format.ts";
import { FORMATS } from "./formats.ts";
import { parseText } from "./parse_record.ts";
import { recognise, unknownFormat, wrongFormat } from "./recognise.ts";
import { listFiles, readRecords } from "./records.ts";

/**
 * The format: the one that was named, unless the first record is plainly of another; or the one that the file shows.
 * Throws InputError that names the right one.
 */
export async function chooseFormat(
  { from, path, name, columns }: Pick<ImportChoices, "from" | "columns"> & {
    readonly path: string;
    readonly name: string;
  },
): Promise<ImportFormat> {
  if (columns !== undefined && from !== "auto" && from !== "columns") {
    throw new InputError(`columns are named, and --from is ${from}`, name, "leave one of them out");
  }
  if (columns !== undefined) return "columns";
  if (from === "columns") throw new InputError("its columns are not named", name, COLUMNS_MEND);
  const found = await recognise(path, name);
  if (from === "auto") {
    if (found.format === undefined) throw unknownFormat(found, name);
    return found.format;
  }
  if (found.format !== from) {
    const wrong = wrongFormat(from, found, name);
    if (wrong && !(await readsFirst(FORMATS[from], path, name))) throw wrong;
  }
  return from;
}

/** Whether a format can make anything of the first record of a file or folder. */
async function readsFirst(format: Format, path: string, name: string): Promise<boolean> {
  const files = await listFiles(path, name, format.accepts, format.choose ?? ((names) => names)).catch(() => []);
  const facts = { name, benchmark: "", items: undefined, plain: false, annotator: "" };
  try {
    for await (const { text, where } of readRecords(files, 0, format)) {
      if (text?.trim() === "") continue;
      return text !== undefined && format.read(parseText(text, where), where, facts, 1).length > 0;
    }
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
  }
  return false;
}
