/** Files inside of a zip, read one after another: stored, deflated, or packed with Zstandard, as Inspect writes them. */
import { zstdDecompressSync } from "node:zlib";
import { type Entry, openPromise, type ZipFile } from "yauzl";
import { InputError } from "../../gpu/mod.ts";
import { MAX_JSON_BYTES } from "./json_file.ts";

const ZSTANDARD = 93;
/** Files in one zip that are listed at most. */
const MAX_ENTRIES = 1_000_000;

export interface OpenZip {
  /** Names of its files, in the zip's order. */
  readonly names: readonly string[];
  /** The text of a file. Throws InputError for one that is too large, broken, or packed otherwise. */
  readonly text: (name: string) => Promise<string>;
  readonly close: () => void;
}

/** Opens a zip. Throws InputError for a broken one. */
export async function openZip(path: string, name: string): Promise<OpenZip> {
  const broken = (error: unknown) =>
    new InputError(`it is no whole zip: ${(error as Error).message}`, name, "download it again");
  let zip: ZipFile;
  const entries = new Map<string, Entry>();
  try {
    zip = await openPromise(path, { autoClose: false, lazyEntries: true });
  } catch (error) {
    throw broken(error);
  }
  try {
    for await (const entry of zip.eachEntry()) {
      if (entries.size === MAX_ENTRIES) throw new Error(`it holds more than ${MAX_ENTRIES} files`);
      if (!entry.fileName.endsWith("/")) entries.set(entry.fileName, entry);
    }
  } catch (error) {
    zip.close();
    throw broken(error);
  }
  return {
    names: [...entries.keys()],
    text: async (file) => {
      const entry = entries.get(file);
      const where = `${name}/${file}`;
      if (entry === undefined) throw new InputError("the zip does not hold it", where, "download it again");
      if (entry.uncompressedSize > MAX_JSON_BYTES) {
        throw new InputError(`it is larger than ${MAX_JSON_BYTES >> 20} MiB`, where, "leave it out of the zip");
      }
      try {
        return new TextDecoder().decode(await bytesOf(zip, entry));
      } catch (error) {
        throw new InputError(`it cannot be unpacked: ${(error as Error).message}`, where, "pack it again");
      }
    },
    close: () => zip.close(),
  };
}

async function bytesOf(zip: ZipFile, entry: Entry): Promise<Uint8Array> {
  const packed = entry.compressionMethod === ZSTANDARD;
  const stream = await zip.openReadStreamPromise(entry, packed ? { decodeFileData: false } : {});
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece as Uint8Array);
  const bytes = new Uint8Array(await new Blob(pieces as BlobPart[]).arrayBuffer());
  // What unpacks to more than the zip says is a bomb, or broken.
  return packed ? zstdDecompressSync(bytes, { maxOutputLength: entry.uncompressedSize }) : bytes;
}
