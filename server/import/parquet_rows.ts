/** Rows of a Parquet file as JSON values, a group of rows after another: the file may be larger than memory. */
import { type FileHandle, open } from "node:fs/promises";
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { InputError } from "../../gpu/mod.ts";
import type { FoundRecord, RecordSource } from "./format.ts";

/** Rows that are held at once. */
const ROWS_AT_ONCE = 500;
/** Largest group of rows, in bytes as they unpack. */
const MAX_GROUP_BYTES = 1 << 30;

export interface ParquetRows {
  readonly columns: readonly string[];
  readonly count: number;
  readonly rows: () => AsyncGenerator<Readonly<Record<string, unknown>>>;
  readonly close: () => Promise<void>;
}

/** Opens a Parquet file. Throws InputError, also while rows are read, for one that is broken. */
export async function openParquet(path: string, name: string): Promise<ParquetRows> {
  const handle = await open(path);
  try {
    const file = await bufferOf(handle);
    const metadata = await reading(name, () => parquetMetadataAsync(file));
    checkGroups(metadata, name);
    const [root, ...elements] = metadata.schema;
    return {
      columns: topColumns(root?.num_children ?? 0, elements),
      count: Number(metadata.num_rows),
      rows: () => rowsOf(file, metadata, name),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The rows of a Parquet file, as JSON. */
export async function* parquetRecords({ path, name }: RecordSource): AsyncGenerator<FoundRecord> {
  const file = await openParquet(path, name);
  try {
    let index = 0;
    for await (const row of file.rows()) {
      yield { text: JSON.stringify(row), where: `${name}:${index + 1}`, index, count: file.count };
      index++;
    }
  } finally {
    await file.close();
  }
}

async function* rowsOf(
  file: AsyncBuffer,
  metadata: FileMetaData,
  name: string,
): AsyncGenerator<Readonly<Record<string, unknown>>> {
  const count = Number(metadata.num_rows);
  for (let rowStart = 0; rowStart < count; rowStart += ROWS_AT_ONCE) {
    const rowEnd = Math.min(count, rowStart + ROWS_AT_ONCE);
    const rows = await reading(name, () => parquetReadObjects({ file, metadata, compressors, rowStart, rowEnd }));
    for (const row of rows) yield plain(row) as Readonly<Record<string, unknown>>;
  }
}

/** What the library says of a broken file, as one line. */
async function reading<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof InputError) throw error;
    const reason = (error as Error).message.split("\n")[0];
    throw new InputError(`it is no Parquet file that can be read: ${reason}`, name, "write it again");
  }
}

async function bufferOf(handle: FileHandle): Promise<AsyncBuffer> {
  const { size } = await handle.stat();
  return {
    byteLength: size,
    slice: async (start, end = size) => {
      const bytes = new Uint8Array(Math.max(0, Math.min(end, size) - start));
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, start);
      return bytes.buffer.slice(0, bytesRead);
    },
  };
}

function checkGroups({ row_groups: groups, num_rows: rows }: FileMetaData, name: string): void {
  const large = groups.find(({ total_byte_size: bytes }) => Number(bytes) > MAX_GROUP_BYTES);
  if (large) {
    throw new InputError("a group of its rows is larger than 1 GiB", name, "write it with smaller groups of rows");
  }
  if (!Number.isSafeInteger(Number(rows)) || Number(rows) < 0) {
    throw new InputError(`it says it has ${rows} rows`, name, "write it again");
  }
}

/** Names of the columns at the top of a schema whose elements stand depth first. */
function topColumns(
  count: number,
  elements: readonly { readonly name: string; readonly num_children?: number | undefined }[],
): string[] {
  const names: string[] = [];
  let at = 0;
  const skip = (): void => {
    const children = elements[at]?.num_children ?? 0;
    at++;
    for (let child = 0; child < children && at < elements.length; child++) skip();
  };
  while (names.length < count && at < elements.length) {
    names.push(elements[at]!.name);
    skip();
  }
  return names;
}

/** A value as JSON has it: whole numbers of 64 bits as numbers, times as text. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  if (Array.isArray(value)) return value.map(plain);
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<unknown>, plain);
  if (typeof value !== "object" || value === null) return value === undefined ? null : value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]));
}
