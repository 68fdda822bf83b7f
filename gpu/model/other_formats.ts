/** What a file is that is not what its name says: told by its first bytes, with the line that helps. */
import { InputError } from "../errors.ts";

/** Bytes from the start of a file that are enough to tell. */
export const TELLING_BYTES = 512;

/** The error for a file of another format than it should have, at `where`; undefined when it is no known one. */
export function otherFormat(start: Uint8Array, where: string): InputError | undefined {
  const text = new TextDecoder("latin1").decode(start.subarray(0, TELLING_BYTES));
  if (text.startsWith("version https://git-lfs.github.com/spec/")) {
    const size = /^size (\d+)$/m.exec(text)?.[1];
    const named = size === undefined ? "" : ` of ${size} bytes`;
    return new InputError(
      `is a Git LFS pointer to a file${named}, not the file itself`,
      where,
      "run `git lfs pull` in the folder, or download the file",
    );
  }
  if (/^\s*(<!doctype html|<html|<\?xml|<head)/i.test(text.replace(/^\u00ef\u00bb\u00bf/, ""))) {
    return new InputError(
      "is a web page: the download was answered with a page instead of the file",
      where,
      "download the file again, from the address that its page gives (`resolve`, not `blob`)",
    );
  }
  if (text.startsWith("GGUF")) return new InputError("is a GGUF file", where, "give its path, with the ending .gguf");
  if (text.startsWith("PK\x03\x04")) {
    return new InputError("is a zip archive (PyTorch saves its files so)", where, "save the model as safetensors");
  }
  if (text.startsWith("\x1f\x8b")) return new InputError("is compressed by gzip", where, "unpack it with gunzip");
  if (text.startsWith("\x89HDF")) return new InputError("is an HDF5 file", where, "save the model as safetensors");
  return undefined;
}
