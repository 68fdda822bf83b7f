/** Records of a file or of a folder's files, with their places: an import that is interrupted goes on from there. */
import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { basename, extname, join, relative } from "node:path";
import { InputError } from "../../gpu/errors.ts";
import type { Cut } from "./format.ts";
import { readElements } from "./json_elements.ts";
import { readLines } from "./text_lines.ts";

/** Places in files are stored as 32-bit numbers. */
const MAX_BYTES = 2 ** 31 - 1;
/** Largest file that is read as one record, in bytes. */
const MAX_WHOLE_BYTES = 64 << 20;
/** Levels of folders below the one that is given. */
const MAX_DEPTH = 4;
const MAX_FILES = 100_000;
/** How much of a file is looked at to see how it is cut, in bytes. */
const SNIFFED_BYTES = 1 << 16;

/** One file of an import. */
export interface RecordFile {
  readonly path: string;
  /** What people call it. */
  readonly name: string;
  readonly bytes: number;
}

export interface TextRecord {
  readonly file: RecordFile;
  /** Undefined when it is too long to be read. */
  readonly text: string | undefined;
  /** `file`, or `file:N` with N counted from 1 within the file. */
  readonly where: string;
  /** Where the next record begins: bytes of all files before, and of this one. */
  readonly end: number;
}

/**
 * The files of an import, sorted by name: the file itself, or those of a folder that `accepts` takes. Throws InputError
 * when there is none, or when they are too large together.
 */
export async function listFiles(
  path: string,
  name: string,
  accepts: (name: string) => boolean,
): Promise<readonly RecordFile[]> {
  const info = await stat(path).catch(() => undefined);
  if (!info?.isFile() && !info?.isDirectory()) {
    throw new InputError("it cannot be read as a file", name, "give the path of a file or a folder");
  }
  const files: RecordFile[] = [];
  const walk = async (folder: string, depth: number): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true });
    for (const entry of entries.sort((a, b) => a.name < b.name ? -1 : 1)) {
      const full = join(folder, entry.name);
      if (entry.isDirectory() && depth < MAX_DEPTH) await walk(full, depth + 1);
      const inside = relative(path, full);
      if (!entry.isFile() || !accepts(inside)) continue;
      if (files.length === MAX_FILES) throw new InputError(`it has more than ${MAX_FILES} files`, name, "split it");
      files.push({ path: full, name: join(name, inside), bytes: (await stat(full)).size });
    }
  };
  if (info.isFile()) files.push({ path, name, bytes: info.size });
  else await walk(path, 0);
  if (files.length === 0) {
    throw new InputError("the folder has no file of this format", name, "name the right folder, or a file");
  }
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total > MAX_BYTES) throw new InputError("it is larger than 2 GiB", name, "split it");
  return files;
}

/** The records from a place on. `cutOf` says how a file is cut where its name decides. */
export async function* readRecords(
  files: readonly RecordFile[],
  from: number,
  cutOf: (name: string) => Cut | undefined,
): AsyncGenerator<TextRecord> {
  let base = 0;
  for (const file of files) {
    const end = base + file.bytes;
    // An empty file has no records; a file that was read to its end has none left.
    if (end > from) yield* recordsOf(file, base, from, cutOf(file.name));
    base = end;
  }
}

async function* recordsOf(
  file: RecordFile,
  base: number,
  from: number,
  known: Cut | undefined,
): AsyncGenerator<TextRecord> {
  const handle = await open(file.path);
  try {
    const cut = known ?? await sniff(handle, file.name);
    if (cut === "whole") {
      const tooLong = file.bytes > MAX_WHOLE_BYTES;
      const text = tooLong ? undefined : new TextDecoder().decode(await handle.readFile());
      yield { file, text, where: file.name, end: base + file.bytes };
      return;
    }
    let number = 0;
    // Records before the place are counted, so that messages name the right ones.
    for await (const { text, end } of cut === "lines" ? readLines(handle) : readElements(handle)) {
      number++;
      if (base + end > from) yield { file, text, where: `${file.name}:${number}`, end: base + end };
    }
  } finally {
    await handle.close();
  }
}

/** How a file is cut: JSON Lines by its name or by a first line that is a whole object, a list, or one value. */
async function sniff(handle: FileHandle, name: string): Promise<Cut> {
  const extension = extname(basename(name)).toLowerCase();
  if (extension === ".jsonl" || extension === ".ndjson") return "lines";
  const buffer = new Uint8Array(SNIFFED_BYTES);
  const { bytesRead } = await handle.read(buffer, 0, SNIFFED_BYTES, 0);
  const start = new TextDecoder().decode(buffer.subarray(0, bytesRead)).replace(/^\uFEFF/, "").trimStart();
  if (start.startsWith("[")) return "elements";
  const [first = "", ...rest] = start.split("\n");
  if (rest.length === 0 && bytesRead === SNIFFED_BYTES) return extension === ".json" ? "whole" : "lines";
  try {
    JSON.parse(first);
    return "lines";
  } catch {
    return extension === ".json" ? "whole" : "lines";
  }
}
