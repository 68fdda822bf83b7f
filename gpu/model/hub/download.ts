/**
 * Fetches files of a repository into the cache. A blob is written beside its place, resumed where it broke off, compared
 * with the hub's size and hash, and only then renamed: nothing half-written is ever seen.
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, rename, rm, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { UnavailableError } from "../../errors.ts";
import { describeBytes } from "../../device/memory.ts";
import { bytesOf, type Link, lockPath, placeBlob, repositoryFolder, withLock } from "./cache.ts";
import { backOffMs, type FetchOptions, hubFetch, pauseFor } from "./hub_fetch.ts";
import type { HubFile } from "./needed_files.ts";
import type { HubReference } from "./reference.ts";
import type { HubSettings } from "./settings.ts";

/** Bytes that are there of those that are wanted. */
export interface DownloadProgress {
  readonly phase: "download";
  readonly done: number;
  readonly total: number;
}

export interface DownloadOptions extends FetchOptions {
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Told before anything is fetched: how much, and into which folder. */
  readonly onStart?: ((start: { readonly bytes: number; readonly folder: string }) => void) | undefined;
  readonly link?: Link | undefined;
  /** How long a connection may be silent, in milliseconds. */
  readonly silentMs?: number | undefined;
}

/** A commit of a repository, as the downloads of its files see it. */
export interface Source {
  readonly settings: HubSettings;
  readonly reference: HubReference;
  readonly commit: string;
}

/** Attempts in a row that brought nothing new. */
const FRUITLESS = 5;
const SILENT_MS = 60_000;

/** Fetches what is missing of these files and puts all into the commit's snapshot. */
export async function downloadFiles(
  source: Source,
  files: readonly HubFile[],
  options: DownloadOptions,
): Promise<void> {
  const snapshot = join(repositoryFolder(source.settings, source.reference), "snapshots", source.commit);
  const missing: HubFile[] = [];
  for (const file of files) if (await bytesOf(join(snapshot, file.path)) !== file.bytes) missing.push(file);
  if (missing.length === 0) return;
  await checkRoom(source, missing);
  const total = missing.reduce((sum, { bytes }) => sum + bytes, 0);
  options.onStart?.({ bytes: total, folder: repositoryFolder(source.settings, source.reference) });
  let before = 0;
  for (const file of missing) {
    const tell = (done: number) => options.onProgress?.({ phase: "download", done: before + done, total });
    await downloadFile(source, file, join(snapshot, file.path), options, tell);
    before += file.bytes;
    tell(0);
  }
}

async function checkRoom({ settings, reference }: Source, missing: readonly HubFile[]): Promise<void> {
  const folder = repositoryFolder(settings, reference);
  await mkdir(join(folder, "blobs"), { recursive: true }).catch((error: { code?: string }) => {
    throw new UnavailableError(`cannot be written (${error.code})`, settings.cache, "set HF_HOME to a folder that can");
  });
  const there = await Promise.all(
    missing.map(async ({ hash }) =>
      Math.max(await bytesOf(join(folder, "blobs", hash)) ?? 0, await bytesOf(draftOf(folder, hash)) ?? 0)
    ),
  );
  const needed = missing.reduce((sum, { bytes }, index) => sum + Math.max(0, bytes - there[index]!), 0);
  const { bavail, bsize } = await statfs(folder);
  if (needed <= bavail * bsize) return;
  throw new UnavailableError(
    `${describeBytes(needed)} are to be fetched and ${describeBytes(bavail * bsize)} are free`,
    settings.cache,
    "free some, or set HF_HOME to a folder on another disk",
  );
}

const draftOf = (folder: string, hash: string): string => join(folder, "blobs", `${hash}.incomplete`);

async function downloadFile(
  source: Source,
  file: HubFile,
  place: string,
  options: DownloadOptions,
  tell: (done: number) => void,
): Promise<void> {
  const { settings, reference } = source;
  const folder = repositoryFolder(settings, reference);
  const blob = join(folder, "blobs", file.hash);
  await withLock(lockPath(settings, reference, file.hash), options.signal, async () => {
    // Another process may have been faster.
    if (await bytesOf(place) === file.bytes) return;
    if (await bytesOf(blob) !== file.bytes) {
      const draft = draftOf(folder, file.hash);
      await fill(source, file, draft, options, tell);
      await rename(draft, blob);
    }
    await placeBlob(blob, place, options.link);
  });
}

/** Writes the whole file to `draft`, going on where it ends. */
async function fill(
  source: Source,
  file: HubFile,
  draft: string,
  options: DownloadOptions,
  tell: (done: number) => void,
): Promise<void> {
  const { pause = pauseFor, signal } = options;
  const seen: Seen = { hash: newHash(file), bytes: 0 };
  let hasWrongBytes = false;
  for (let fruitless = 0;;) {
    await catchUp(file, draft, seen);
    const before = seen.bytes;
    let reason: unknown;
    if (seen.bytes < file.bytes) {
      reason = await append(source, file, draft, seen, options, tell).then(() => undefined, (error) => error);
      signal?.throwIfAborted();
      if (isFinal(reason)) throw reason;
    }
    if (seen.bytes === file.bytes) {
      if (seen.hash.copy().digest("hex") === file.hash) return;
      await rm(draft, { force: true });
      // What was resumed may have been somebody else's broken bytes; a second time it is the hub's.
      if (hasWrongBytes) throw wrongBytes(source, file);
      hasWrongBytes = true;
      continue;
    }
    fruitless = seen.bytes > before ? 0 : fruitless + 1;
    if (fruitless >= FRUITLESS) throw brokenOff(source, file, seen.bytes, reason);
    await pause(fruitless === 0 ? 0 : backOffMs(fruitless - 1));
  }
}

/** What of the draft has gone into the hash. */
interface Seen {
  hash: Hash;
  bytes: number;
}

function newHash({ kind, bytes }: HubFile): Hash {
  return kind === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${bytes}\0`);
}

/** Reads what is in the draft and was not seen: what an earlier process left. */
async function catchUp(file: HubFile, draft: string, seen: Seen): Promise<void> {
  let there = await bytesOf(draft) ?? 0;
  if (there > file.bytes) {
    await rm(draft);
    there = 0;
  }
  if (there === seen.bytes) return;
  seen.hash = newHash(file);
  seen.bytes = 0;
  if (there === 0) return;
  for await (const chunk of createReadStream(draft)) {
    seen.hash.update(chunk as Uint8Array);
    seen.bytes += (chunk as Uint8Array).length;
  }
}

/** Asks for the rest of a file and appends what comes. Throws where the connection breaks off. */
async function append(
  { settings, reference, commit }: Source,
  file: HubFile,
  draft: string,
  seen: Seen,
  options: DownloadOptions,
  tell: (done: number) => void,
): Promise<void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, ...options.signal ? [options.signal] : []]);
  const path = file.path.split("/").map(encodeURIComponent).join("/");
  const response = await hubFetch(settings, reference, { ...options, signal })(
    `${settings.endpoint}/${reference.repository}/resolve/${commit}/${path}`,
    {
      headers: {
        // Lengths and ranges are those of the file itself.
        "accept-encoding": "identity",
        ...(seen.bytes > 0 ? { range: `bytes=${seen.bytes}-` } : {}),
      },
    },
  );
  const isRest = response.status === 206 &&
    response.headers.get("content-range") === `bytes ${seen.bytes}-${file.bytes - 1}/${file.bytes}`;
  if (seen.bytes > 0 && !isRest) {
    // It sends the whole, or something else: begin again.
    await rm(draft, { force: true });
    seen.hash = newHash(file);
    seen.bytes = 0;
    if (response.status !== 200) return await response.body?.cancel();
  }
  if (seen.bytes === 0 && response.status === 206) throw new Error("a part came where the whole was asked for");
  const output = await Deno.open(draft, { append: true, create: true });
  const silence = watchSilence(() => stop.abort(new Error("the connection is silent")), options.silentMs ?? SILENT_MS);
  try {
    for await (const chunk of response.body ?? []) {
      if (seen.bytes + chunk.length > file.bytes) {
        await output.truncate(0);
        throw new Error("more bytes came than the hub had said");
      }
      await writeWhole(output, chunk, draft);
      seen.hash.update(chunk);
      seen.bytes += chunk.length;
      silence.broken();
      tell(seen.bytes);
    }
  } finally {
    silence.end();
    output.close();
  }
}

async function writeWhole(output: Deno.FsFile, chunk: Uint8Array, draft: string): Promise<void> {
  try {
    for (let done = 0; done < chunk.length;) done += await output.write(chunk.subarray(done));
  } catch (error) {
    const { code, message } = error as { readonly code?: string; readonly message: string };
    const where = dirname(dirname(dirname(draft)));
    throw new UnavailableError(`cannot be written (${code ?? message})`, where, "make room there, and run it again");
  }
}

/** Calls `onSilence` when nothing was said to be `broken` for so long. */
function watchSilence(onSilence: () => void, silentMs: number): { broken(): void; end(): void } {
  let timer = setTimeout(onSilence, silentMs);
  const end = () => clearTimeout(timer);
  return {
    broken: () => {
      end();
      timer = setTimeout(onSilence, silentMs);
    },
    end,
  };
}

/** Whether another attempt would end alike. */
function isFinal(reason: unknown): boolean {
  return reason instanceof Error && (reason.name === "InputError" || reason.name === "UnavailableError");
}

function wrongBytes({ settings, reference }: Source, { path, hash }: HubFile): UnavailableError {
  return new UnavailableError(
    `${path} arrived twice with other contents than its hash ${hash.slice(0, 12)}... says`,
    reference.text,
    `try again, and look for a proxy between here and ${settings.endpoint}`,
  );
}

function brokenOff({ reference }: Source, file: HubFile, bytes: number, reason: unknown): UnavailableError {
  const why = reason instanceof Error ? reason.message.replaceAll(/\s+/g, " ").slice(0, 200) : "it ended too early";
  return new UnavailableError(
    `${file.path} broke off at ${describeBytes(bytes)} of ${describeBytes(file.bytes)} again and again (${why})`,
    reference.text,
    "run it again: what arrived is kept, and goes on from there",
  );
}
