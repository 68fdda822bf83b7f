/**
 * The cache of hub models that Python's huggingface_hub writes and reads, so that whatever fetched a model first, it is
 * there for all:
 *
 *     models--ORG--NAME/refs/REVISION          a commit's hash, as text
 *     models--ORG--NAME/blobs/HASH             contents, by SHA-256 (large files) or git's SHA-1
 *     models--ORG--NAME/snapshots/COMMIT/FILE  links to them, or the contents where links cannot be made
 *     models--ORG--NAME/.no_exist/COMMIT/FILE  empty: the commit has no such file
 *     .locks/models--ORG--NAME/HASH.lock       locked while HASH is written
 */
import { mkdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { parseShardNames } from "./needed_files.ts";
import type { HubReference } from "./reference.ts";
import type { HubSettings } from "./settings.ts";

export const COMMIT = /^[0-9a-f]{40}$/;

/** The folder of a repository. */
export function repositoryFolder({ cache }: HubSettings, { repository }: HubReference): string {
  return join(cache, folderName(repository));
}

const folderName = (repository: string): string => `models--${repository.replace("/", "--")}`;

/** The file that is locked while a blob is written. */
export function lockPath({ cache }: HubSettings, { repository }: HubReference, blob: string): string {
  return join(cache, ".locks", folderName(repository), `${blob}.lock`);
}

/** The commit that a revision was when it was last fetched; undefined where it never was. */
export async function cachedCommit(folder: string, revision: string): Promise<string | undefined> {
  if (COMMIT.test(revision)) return revision;
  const commit = (await readFile(join(folder, "refs", revision), "utf8").catch(() => "")).trim();
  return COMMIT.test(commit) ? commit : undefined;
}

/** A model in the cache. */
export interface CachedModel {
  /** The snapshot's folder, or the GGUF file. */
  readonly path: string;
  /** False where the tokenizer is missing though the hub may have it. */
  readonly complete: boolean;
}

/** Finds all that a model's weights need in its snapshot; undefined where anything of it is missing. */
export async function findCached(settings: HubSettings, reference: HubReference): Promise<CachedModel | undefined> {
  const folder = repositoryFolder(settings, reference);
  const commit = await cachedCommit(folder, reference.revision);
  if (commit === undefined) return undefined;
  const snapshot = join(folder, "snapshots", commit);
  const has = async (name: string): Promise<boolean> => (await bytesOf(join(snapshot, name))) !== undefined;
  const hasAll = async (names: readonly string[]): Promise<boolean> =>
    (await Promise.all(names.map(has))).every((there) => there);
  if (reference.file !== undefined) {
    const shards = parseShardNames(reference.file);
    return await hasAll(shards) ? { path: join(snapshot, shards[0]!), complete: true } : undefined;
  }
  if (!await has("config.json") || !await hasWeights(snapshot, has, hasAll)) return undefined;
  const isKnown = await has("tokenizer.json") ||
    await bytesOf(join(folder, ".no_exist", commit, "tokenizer.json")) !== undefined;
  return { path: snapshot, complete: isKnown };
}

async function hasWeights(
  snapshot: string,
  has: (name: string) => Promise<boolean>,
  hasAll: (names: readonly string[]) => Promise<boolean>,
): Promise<boolean> {
  if (await has("model.safetensors")) return true;
  const index = await readFile(join(snapshot, "model.safetensors.index.json"), "utf8").catch(() => undefined);
  if (index !== undefined) {
    const shards = shardsOf(index);
    return shards.length > 0 && await hasAll(shards);
  }
  return await has("model-00001-of-00001.safetensors");
}

/** Shards that an index names; none where it is not one. */
export function shardsOf(index: string): string[] {
  try {
    const { weight_map: map } = JSON.parse(index) as { readonly weight_map?: Readonly<Record<string, unknown>> };
    const shards = [...new Set(Object.values(map ?? {}))];
    const areNames = shards.every((name) => typeof name === "string" && /^[^/\\]+\.safetensors$/.test(name));
    return areNames ? (shards as string[]).sort() : [];
  } catch {
    return [];
  }
}

/** Bytes of a file, links followed; undefined where there is none. */
export function bytesOf(path: string): Promise<number | undefined> {
  return stat(path).then((found) => found.isFile() ? found.size : undefined, () => undefined);
}

/** Makes links; tests bring one that cannot. */
export type Link = (target: string, path: string) => Promise<void>;
export const makeLink: Link = (target, path) => symlink(target, path, "file");

/** Puts a blob into a snapshot: a link, or the blob itself where the system makes no links. */
export async function placeBlob(blob: string, place: string, link: Link = makeLink): Promise<void> {
  await mkdir(dirname(place), { recursive: true });
  const draft = `${place}.${crypto.randomUUID()}`;
  try {
    await link(relative(dirname(place), blob), draft);
    await rename(draft, place);
  } catch {
    await rm(draft, { force: true });
    await rename(blob, place);
  }
}

/** Writes down what a revision is now. */
export async function writeRevision(folder: string, revision: string, commit: string): Promise<void> {
  if (COMMIT.test(revision)) return;
  const path = join(folder, "refs", revision);
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.${crypto.randomUUID()}`;
  await writeFile(draft, commit);
  await rename(draft, path);
}

/** Writes down that a commit has no such file. */
export async function writeAbsent(folder: string, commit: string, name: string): Promise<void> {
  const path = join(folder, ".no_exist", commit, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, "");
}

/** How often a lock that another process has is tried again, in milliseconds. */
const LOCK_MS = 200;

/** Runs the work while no other process, of Python either, runs it under the same lock. */
export async function withLock<Result>(
  path: string,
  signal: AbortSignal | undefined,
  work: () => Promise<Result>,
): Promise<Result> {
  await mkdir(dirname(path), { recursive: true });
  const file = await Deno.open(path, { create: true, write: true });
  try {
    while (!await file.tryLock(true)) {
      signal?.throwIfAborted();
      await new Promise((done) => setTimeout(done, LOCK_MS));
    }
    return await work();
  } finally {
    // Closing unlocks.
    file.close();
  }
}
