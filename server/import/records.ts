/** Records of a file or of a folder's files, with their places: an import that is interrupted goes on from there. */
import { readdir, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { InputError } from "../../gpu/mod.ts";
import { type Container, containerOf, cutOf, MAX_WHOLE_BYTES, readPieces, textBytes } from "../base/container.ts";
import { readElements } from "../base/json_elements.ts";
import { decodeText, readLines, type TextFault, type TextLine } from "../base/text_lines.ts";
import type { Format } from "./format.ts";

/** Places in files are stored as 32-bit numbers. */
const MAX_BYTES = 2 ** 31 - 1;
/** Levels of folders below the one that is given. */
const MAX_DEPTH = 4;
const MAX_FILES = 100_000;

/** One file of an import. */
export interface RecordFile {
  readonly path: string;
  /** What people call it. */
  readonly name: string;
  /** The name without the ending of its packing: formats know files by it. */
  readonly unpackedName: string;
  readonly container: Container;
  /** Bytes of its text as UTF-8, unpacked: places are counted in them. */
  readonly bytes: number;
}

export interface TextRecord {
  readonly file: RecordFile;
  /** Undefined when it cannot be read. */
  readonly text: string | undefined;
  /** Why there is no text. */
  readonly fault?: TextFault;
  /** The text was no UTF-8 and was read as Latin-1 (Windows-1252). */
  readonly latin1?: true;
  /** `file`, or `file:N` with N counted from 1 within the file. */
  readonly where: string;
  /** Where the next record begins: bytes of all files before, and of this one. */
  readonly end: number;
}

/**
 * The files of an import, sorted by name: the file itself, or those of a folder that `accepts` takes and `choose` keeps. Throws InputError
 * when there is none, or when they are too large together.
 */
export async function listFiles(
  path: string,
  name: string,
  accepts: (name: string) => boolean,
  choose: (names: readonly string[]) => readonly string[],
): Promise<readonly RecordFile[]> {
  const info = await stat(path).catch(() => undefined);
  if (!info?.isFile() && !info?.isDirectory()) {
    throw new InputError("it cannot be read as a file", name, "give the path of a file or a folder");
  }
  const files: RecordFile[] = [];
  let total = 0;
  const add = async (full: string, called: string, size: number): Promise<void> => {
    if (files.length === MAX_FILES) throw new InputError(`it has more than ${MAX_FILES} files`, name, "split it");
    const container = await containerOf(full, called);
    const packed = container.kind === "text" && (container.gzip || container.encoding !== "utf-8");
    const bytes = packed ? await textBytes(full, called, container, MAX_BYTES - total) : size;
    total += bytes;
    if (total > MAX_BYTES) throw new InputError("it is larger than 2 GiB", name, "split it");
    files.push({ path: full, name: called, unpackedName: unpackedName(called), container, bytes });
  };
  const inside: string[] = [];
  const walk = async (folder: string, depth: number): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true });
    for (const entry of entries.sort((a, b) => a.name < b.name ? -1 : 1)) {
      const full = join(folder, entry.name);
      if (entry.isDirectory() && depth < MAX_DEPTH) await walk(full, depth + 1);
      else if (entry.isFile() && accepts(unpackedName(relative(path, full)))) inside.push(relative(path, full));
      if (inside.length > 2 * MAX_FILES) throw new InputError(`it has more than ${MAX_FILES} files`, name, "split it");
    }
  };
  if (info.isFile()) await add(path, name, info.size);
  else {
    await walk(path, 0);
    for (const one of choose(inside)) await add(join(path, one), join(name, one), (await stat(join(path, one))).size);
  }
  if (files.length === 0) {
    throw new InputError("the folder has no file of this format", name, "name the right folder, or a file");
  }
  return files;
}

/** A file's name without the ending that says how it is packed. */
export function unpackedName(name: string): string {
  return name.replace(/\.gz$/i, "");
}

/**
 * The records from a place on, as the format has them: cut where the file's name decides, or found by the format itself.
 * Throws InputError for a file that holds no text and that the format cannot read.
 */
export async function* readRecords(
  files: readonly RecordFile[],
  from: number,
  format: Pick<Format, "cut" | "records">,
): AsyncGenerator<TextRecord> {
  let base = 0;
  for (const file of files) {
    const end = base + file.bytes;
    // An empty file has no records; a file that was read to its end has none left.
    if (end > from) yield* recordsOf(file, base, from, format);
    base = end;
  }
}

async function* recordsOf(
  file: RecordFile,
  base: number,
  from: number,
  format: Pick<Format, "cut" | "records">,
): AsyncGenerator<TextRecord> {
  const { path, name, container, bytes } = file;
  const found = format.records?.({ path, name, kind: container.kind });
  if (found) {
    for await (const { text, where, index, count } of found) {
      const end = base + Math.floor((index + 1) * bytes / count);
      // Where several records share a place, all of them are read again: those that are stored are not stored twice.
      if (end > from || (end === from && count > bytes)) yield { text, file, where, end };
    }
    return;
  }
  if (container.kind !== "text") {
    throw new InputError(`it is no text, but ${container.kind}`, name, "unpack it, or name its format with --from");
  }
  const cut = format.cut?.(file.unpackedName) ?? await cutOf(readPieces(path, name, container));
  if (cut === "whole") {
    yield { ...await wholeText(file), file, where: name, end: base + bytes };
    return;
  }
  let number = 0;
  const pieces = readPieces(path, name, container);
  // Records before the place are counted, so that messages name the right ones.
  for await (const { end, ...read } of cut === "lines" ? readLines(pieces) : readElements(pieces)) {
    number++;
    if (base + end > from) yield { ...read, file, where: `${name}:${number}`, end: base + end };
  }
}

async function wholeText({ path, name, container, bytes }: RecordFile): Promise<Omit<TextLine, "end">> {
  if (bytes > MAX_WHOLE_BYTES || container.kind !== "text") return { text: undefined, fault: "too_long" };
  const whole = new Uint8Array(bytes);
  let at = 0;
  for await (const piece of readPieces(path, name, container)) {
    // A file that grew since it was listed is read as it was.
    whole.set(piece.subarray(0, bytes - at), at);
    at += Math.min(piece.length, bytes - at);
  }
  return decodeText(whole.subarray(0, at));
}
