/** Where a model that somebody named lies on this machine: a path as it is, a hub's model from the cache or fetched. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { InputError, UnavailableError } from "../../errors.ts";
import { modelPath, parseModelPath } from "../model_path.ts";
import { COMMIT, findCached, repositoryFolder, shardsOf, writeAbsent, writeRevision } from "./cache.ts";
import { downloadFiles, type DownloadOptions, type Source } from "./download.ts";
import { hubFetch } from "./hub_fetch.ts";
import { type HubFile, INDEX, neededFiles, OPTIONAL, readEntry } from "./needed_files.ts";
import { type HubReference, parseReference } from "./reference.ts";
import { type HubSettings, readHubSettings } from "./settings.ts";

export interface LocateOptions extends DownloadOptions {
  /** Default: by the environment. */
  readonly settings?: HubSettings | undefined;
  /** Why nothing may be fetched, as the mend of an error: `set CULPRIT_DOWNLOADS=on`. */
  readonly forbidden?: string | undefined;
}

export interface LocatedModel {
  /** A folder or a file. */
  readonly path: string;
  /** As it was typed, where a hub has it: a better name than its folder's in the cache. */
  readonly name: string | undefined;
}

/**
 * Finds a model by what people type: a path, or `ORG/NAME[@REVISION][:FILE.gguf]`, and adapters (model_path.ts). A path that is there comes first, then
 * the hub's cache as it stands, then the hub. What is neither is given back as a path, for who opens it to complain.
 * Throws InputError for what the hub does not have or give, UnavailableError where it cannot be reached.
 */
export async function locateModel(text: string, options: LocateOptions = {}): Promise<LocatedModel> {
  const { base, adapters } = parseModelPath(text);
  if (adapters.length > 0) {
    const { path } = await locateModel(base, options);
    return { path: modelPath({ base: path, adapters }), name: undefined };
  }
  const isThere = await stat(text).then(() => true, () => false);
  const reference = isThere ? undefined : parseReference(text);
  return reference === undefined ? { path: text, name: undefined } : await locateReference(reference, options);
}

/** Finds a hub's model in the cache, or fetches it. Throws as locateModel. */
export async function locateReference(reference: HubReference, options: LocateOptions = {}): Promise<LocatedModel> {
  const { text: name } = reference;
  const settings = options.settings ?? readHubSettings(Deno.env.toObject());
  const cached = await findCached(settings, reference);
  const mayFetch = !settings.offline && options.forbidden === undefined;
  if (cached && (cached.complete || !mayFetch)) return { path: cached.path, name };
  try {
    return { path: await downloadModel(reference, { ...options, settings }), name };
  } catch (error) {
    // What is there may be all that there is.
    if (cached && error instanceof UnavailableError) return { path: cached.path, name };
    throw error;
  }
}

/** Fetches what is missing of a model as the hub has it now, and returns its path in the cache. Throws as locateModel. */
export async function downloadModel(reference: HubReference, options: LocateOptions = {}): Promise<string> {
  const settings = options.settings ?? readHubSettings(Deno.env.toObject());
  const forbidden = options.forbidden ?? (settings.offline ? "unset HF_HUB_OFFLINE to fetch it" : undefined);
  if (forbidden !== undefined) {
    throw new InputError(
      `there is no such folder, and no such model in the hub's cache ${settings.cache}`,
      reference.text,
      `${forbidden}, or name a model that is there`,
    );
  }
  const source: Source = { settings, reference, commit: await commitOf(settings, reference, options) };
  const listing = await listRepository(source, options);
  const { small, weights } = neededFiles(reference, listing);
  const folder = repositoryFolder(settings, reference);
  const snapshot = join(folder, "snapshots", source.commit);
  // Weights come last: where they are there, all is.
  const index = small.find(({ path }) => path === INDEX);
  if (index) await downloadFiles(source, [index], { ...options, onStart: undefined, onProgress: undefined });
  const shards = index ? await shardFiles(reference, join(snapshot, INDEX), listing) : weights;
  await downloadFiles(source, [...small, ...shards], options);
  if (reference.file === undefined) {
    const listed = new Set(listing.map(({ path }) => path));
    for (const name of OPTIONAL) if (!listed.has(name)) await writeAbsent(folder, source.commit, name);
  }
  await writeRevision(folder, reference.revision, source.commit);
  return reference.file === undefined ? snapshot : join(snapshot, weights[0]!.path);
}

async function commitOf(settings: HubSettings, reference: HubReference, options: DownloadOptions): Promise<string> {
  const { modelInfo } = await import("@huggingface/hub");
  const { sha } = await modelInfo({
    name: reference.repository,
    revision: reference.revision,
    hubUrl: settings.endpoint,
    additionalFields: ["sha"],
    fetch: hubFetch(settings, reference, options),
  });
  if (typeof sha === "string" && COMMIT.test(sha)) return sha;
  throw new InputError("the hub names no commit", reference.text, "check HF_ENDPOINT: it may be no hub");
}

/** The files of the folder that the model is in. */
async function listRepository({ settings, reference, commit }: Source, options: DownloadOptions): Promise<HubFile[]> {
  const slash = reference.file?.lastIndexOf("/") ?? -1;
  const files: HubFile[] = [];
  const { listFiles } = await import("@huggingface/hub");
  const entries = listFiles({
    repo: reference.repository,
    revision: commit,
    hubUrl: settings.endpoint,
    fetch: hubFetch(settings, reference, options),
    ...(slash > 0 ? { path: reference.file!.slice(0, slash) } : {}),
  });
  for await (const entry of entries) {
    const file = readEntry(reference, entry);
    if (file) files.push(file);
  }
  return files;
}

async function shardFiles(reference: HubReference, index: string, listing: readonly HubFile[]): Promise<HubFile[]> {
  const names = shardsOf(await readFile(index, "utf8"));
  const files = names.flatMap((name) => listing.find(({ path }) => path === name) ?? []);
  if (names.length > 0 && files.length === names.length) return files;
  throw new InputError(
    names.length === 0 ? `${INDEX} names no shards` : "the repository lacks shards that its index names",
    reference.text,
    "name another revision of it",
  );
}
