/**
 * The memory of a Python that was started, kept on disk: starting one takes seconds, and each process of each server,
 * command and test run would do so again. One file for a version of Deno, Pyodide and our own interpreter.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Bytes of the SHA-256 that stands before the memory. */
const DIGEST_BYTES = 32;

const digestOf = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(bytes).digest());

/**
 * The memory that `folder` keeps for a version, or the one that is made now and kept there. A file that is broken is made
 * anew, one that cannot be written is made again the next time, and those of other versions go.
 */
export async function keptSnapshot(
  folder: string,
  version: readonly string[],
  make: () => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const name = `${createHash("sha256").update(JSON.stringify(version)).digest("hex").slice(0, 32)}.snapshot`;
  const kept = await readKept(join(folder, name));
  if (kept) return kept;
  const made = await make();
  await keep(folder, name, made).catch(() => {});
  return made;
}

async function readKept(path: string): Promise<Uint8Array | undefined> {
  const bytes = await readFile(path).catch(() => undefined);
  if (bytes === undefined || bytes.length <= DIGEST_BYTES) return undefined;
  const memory = bytes.subarray(DIGEST_BYTES);
  return digestOf(memory).every((value, at) => value === bytes[at]) ? memory : undefined;
}

async function keep(folder: string, name: string, memory: Uint8Array): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const others = (await readdir(folder)).filter((one) => one !== name && one.endsWith(".snapshot"));
  const draft = join(folder, `${name}.${crypto.randomUUID()}`);
  try {
    await writeFile(draft, [digestOf(memory), memory], { mode: 0o600, flag: "wx" });
    await rename(draft, join(folder, name));
  } finally {
    await rm(draft, { force: true });
  }
  for (const one of others) await rm(join(folder, one), { force: true });
}
