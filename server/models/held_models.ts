/** The models whose files are on this machine, by what is in them: a path on one machine says nothing about another. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { InputError, openModelDirectory, parseModelPath } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { models } from "../../schema/tables/tables.ts";
import { ROOT } from "../base/settings.ts";

/** A model's files on this machine. */
interface HeldModel {
  readonly directory: string;
  readonly hash: string;
  readonly tokenizerHash: string | null;
}

export interface HeldModels {
  /** Looks again; directories that did not change are not read. */
  scan(): Promise<void>;
  /** Hashes of what was found. */
  hashes(): readonly string[];
  /**
   * The model with the directory where its files are here: its own where that holds them, else another with the same
   * weights. Throws InputError when there is none with its tokenizer.
   */
  locate<Model extends { name: string; directory: string; hash: string; tokenizerHash: string }>(model: Model): Model;
  /**
   * A benchmark with the path where its file is here: its own, or that of a file of its name and content in the folders
   * or among those that come with the project. Throws InputError when there is none.
   */
  locateFile<File extends { name: string; path: string; hash: string }>(file: File): Promise<File>;
}

/** Benchmarks that come with the project. */
const SHIPPED = join(ROOT, "models", "benchmarks");
/** How deep below the folders models may lie. */
const DEPTH = 3;
/** Files that tell whether a directory is a model, and whether it changed. */
const CONFIG = "config.json";
const isGguf = (name: string) => /\.gguf$/i.test(name);
const isWeights = (name: string) => name.endsWith(".safetensors") || name.endsWith(".safetensors.index.json");

/** Where a hub's snapshot lies below any machine's cache. */
export const HUB_SNAPSHOT: RegExp =
  /[/\\](?<place>models--(?<folder>[^/\\]+)[/\\]snapshots[/\\](?<commit>[0-9a-f]{40})(?:[/\\](?<file>.*))?)$/;

/**
 * Holds what lies in `folders`, and what was added to the database from elsewhere and is here too: at the same path, or
 * at the same place of this machine's cache of hub models.
 */
export function createHeldModels(db: Database, folders: readonly string[], hubCache?: string): HeldModels {
  /** By directory; undefined where the files are no model that the engine reads. */
  const read = new Map<string, { readonly stamp: string; readonly model: HeldModel | undefined }>();
  let found: readonly HeldModel[] = [];

  const look = async (directory: string): Promise<HeldModel | undefined> => {
    const stamp = await stampOf(directory);
    if (stamp === undefined) return undefined;
    const known = read.get(directory);
    if (known?.stamp === stamp) return known.model;
    const model = await openModelDirectory(directory).then((opened) => {
      opened.close();
      return { directory: opened.directory, hash: opened.hash, tokenizerHash: opened.tokenizerHash };
    }, () => undefined);
    read.set(directory, { stamp, model });
    return model;
  };

  return {
    scan: async () => {
      const added = await db.selectDistinct({ directory: models.directory }).from(models);
      const directories = new Set(added.map(({ directory }) => directory));
      for (const { directory } of added) {
        const place = HUB_SNAPSHOT.exec(directory)?.groups?.["place"];
        if (place !== undefined && hubCache !== undefined) directories.add(join(hubCache, ...place.split(/[/\\]/)));
      }
      for (const folder of folders) for (const directory of await below(folder, DEPTH)) directories.add(directory);
      const all: HeldModel[] = [];
      for (const directory of directories) {
        const model = await look(directory);
        if (model) all.push(model);
      }
      found = all;
    },
    locateFile: async (file) => {
      const places = [file.path];
      for (const folder of [SHIPPED, ...folders]) places.push(...await filesBelow(folder, basename(file.path), DEPTH));
      for (const path of places) if (await hashOf(path) === file.hash) return { ...file, path };
      throw new InputError(
        `the file of the benchmark ${file.name} is not on the worker's machine, or has changed`,
        file.path,
        "put it into a folder of CULPRIT_MODELS there",
      );
    },
    hashes: () => [...new Set(found.map(({ hash }) => hash))].sort(),
    locate: (model) => {
      const same = found.filter(({ hash }) => hash === model.hash);
      const own = same.find(({ directory }) => directory === model.directory);
      // Models without a tokenizer are computed with ids alone.
      const fitting = same.find(({ tokenizerHash }) => tokenizerHash === model.tokenizerHash);
      const { directory } = own ?? fitting ?? same[0] ?? model;
      if (own || fitting || same.length === 0) return { ...model, directory };
      throw new InputError(
        `the weights of ${model.name} are there with another tokenizer`,
        directory,
        "put the tokenizer.json beside them that the model was added with",
      );
    },
  };
}

/** Files of a name, in the folder and below it. */
async function filesBelow(folder: string, name: string, depth: number): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const own = entries.some((entry) => entry.name === name && !entry.isDirectory()) ? [join(folder, name)] : [];
  if (depth === 0) return own;
  const inside = entries.filter((entry) => entry.isDirectory() && entry.name[0] !== ".");
  return [
    ...own,
    ...(await Promise.all(inside.map((entry) => filesBelow(join(folder, entry.name), name, depth - 1)))).flat(),
  ];
}

/** SHA-256 of a file, hexadecimal; undefined where it cannot be read. */
async function hashOf(path: string): Promise<string | undefined> {
  const hash = createHash("sha256");
  try {
    for await (const part of createReadStream(path)) hash.update(part as Uint8Array);
    return hash.digest("hex");
  } catch {
    return undefined;
  }
}

/** Directories with a config.json, the folder's own and those below it, and GGUF files. */
async function below(folder: string, depth: number): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  if (entries.some(({ name }) => name === CONFIG)) return [folder];
  const files = entries.filter(({ name }) => isGguf(name)).map(({ name }) => join(folder, name));
  if (depth === 0) return files;
  const inside = entries.filter((entry) => (entry.isDirectory() || entry.isSymbolicLink()) && entry.name[0] !== ".");
  const found = await Promise.all(inside.map(({ name }) => below(join(folder, name), depth - 1)));
  return [...files, ...found.flat()];
}

/** Names, sizes and times of a model's files, and of its adapters'; undefined where there are none. */
async function stampOf(model: string): Promise<string | undefined> {
  const { base, adapters } = parseModelPath(model);
  const stamps = [isGguf(base) ? await stampOfFile(base) : await stampOfFolder(base, CONFIG)];
  for (const adapter of adapters) stamps.push(await stampOfFolder(adapter, "adapter_config.json"));
  return stamps.includes(undefined) ? undefined : stamps.join("\n");
}

/** A shard's own times do not tell of the others': those of one model are written together. */
async function stampOfFile(path: string): Promise<string | undefined> {
  const info = await stat(path).catch(() => undefined);
  return info && `${path} ${info.size} ${info.mtimeMs}`;
}

async function stampOfFolder(directory: string, sign: string): Promise<string | undefined> {
  const names = await readdir(directory).catch(() => []);
  const files = names.filter((name) => name === sign || name === "tokenizer.json" || isWeights(name)).sort();
  if (!files.includes(sign)) return undefined;
  const stamps = await Promise.all(files.map(async (name) => {
    const info = await stat(join(directory, name)).catch(() => undefined);
    return `${name} ${info?.size} ${info?.mtimeMs}`;
  }));
  return stamps.join("\n");
}
