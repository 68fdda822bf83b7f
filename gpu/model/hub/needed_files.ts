/** Which files of a repository a model is made of: what the engine reads, and nothing else. */
import { InputError } from "../../errors.ts";
import { type HubReference, isPlainPath } from "./reference.ts";

/** A file as the hub lists it. */
export interface HubFile {
  /** Its path inside the repository. */
  readonly path: string;
  readonly bytes: number;
  /** SHA-256 of the contents, or SHA-1 as git makes it (of `blob SIZE\0` and the contents): the blob's name. */
  readonly hash: string;
  readonly kind: "sha256" | "git";
}

const CONFIG = "config.json";
const SINGLE = "model.safetensors";
export const INDEX = "model.safetensors.index.json";
const ONLY_SHARD = "model-00001-of-00001.safetensors";
/** Read where they are there. */
export const OPTIONAL = [
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "chat_template.jinja",
  "quantize_config.json",
] as const;

/** What a model needs: small files, and then weights. */
export interface NeededFiles {
  readonly small: readonly HubFile[];
  /** Empty where the index, one of the small files, says which they are. */
  readonly weights: readonly HubFile[];
}

/** Chooses from a listing. Throws InputError where the repository holds no model that can be read. */
export function neededFiles(reference: HubReference, listing: readonly HubFile[]): NeededFiles {
  const byPath = new Map(listing.map((file) => [file.path, file]));
  const named = (paths: readonly string[]): HubFile[] =>
    paths.map((path) => {
      const file = byPath.get(path);
      if (file) return file;
      throw new InputError(`the repository has no file ${path}`, reference.text, namesOf(listing, /\.gguf$/));
    });
  if (reference.file !== undefined) return { small: [], weights: named(parseShardNames(reference.file)) };
  const small = [CONFIG, ...OPTIONAL].flatMap((name) => byPath.get(name) ?? []);
  const weights = byPath.get(SINGLE) ?? (byPath.has(INDEX) ? undefined : byPath.get(ONLY_SHARD));
  if (!byPath.has(CONFIG) || (!weights && !byPath.has(INDEX))) throw refusal(reference, listing);
  return weights ? { small, weights: [weights] } : { small: [...small, byPath.get(INDEX)!], weights: [] };
}

function refusal(reference: HubReference, listing: readonly HubFile[]): InputError {
  const has = (pattern: RegExp) => listing.some(({ path }) => pattern.test(path));
  if (has(/\.gguf$/)) {
    return new InputError("the repository holds GGUF files", reference.text, namesOf(listing, /\.gguf$/));
  }
  if (has(/^adapter_config\.json$/)) {
    return new InputError(
      "the repository holds a LoRA adapter and no model",
      reference.text,
      "give the model that it was trained on, and the adapter's folder with --lora",
    );
  }
  if (has(/\.(bin|pt|pth)$/)) {
    return new InputError(
      "the weights are PyTorch pickles, which can run code when they are read",
      reference.text,
      "name a revision with model.safetensors (often @refs/pr/1), or save it again with transformers",
    );
  }
  return new InputError(
    `the repository has no ${has(/^config\.json$/) ? `${SINGLE}, nor ${INDEX}` : CONFIG}`,
    reference.text,
    "name a repository of a language model in the format of transformers",
  );
}

/** How many names a line takes. */
const MOST_NAMES = 8;

function namesOf(listing: readonly HubFile[], pattern: RegExp): string {
  const names = listing.map(({ path }) => path).filter((path) => pattern.test(path));
  if (names.length === 0) return "name another repository: it has no GGUF files";
  const more = names.length > MOST_NAMES ? `, and ${names.length - MOST_NAMES} more` : "";
  return `give ORG/NAME:FILE with one of ${names.slice(0, MOST_NAMES).join(", ")}${more}`;
}

/** All shards of a GGUF file of which one is named; itself where it is whole. */
export function parseShardNames(file: string): string[] {
  const [, begin, count] = /^(.*)-\d{5}-of-(\d{5})\.gguf$/.exec(file) ?? [];
  if (begin === undefined || count === undefined) return [file];
  const name = (number: number) => `${begin}-${String(number).padStart(5, "0")}-of-${count}.gguf`;
  return Array.from({ length: Number(count) }, (_, index) => name(index + 1));
}

/** A listing's entry as a file; undefined for folders. Throws InputError for what no hub should say. */
export function readEntry(
  reference: HubReference,
  { type, path, size, oid, lfs }: {
    readonly type: string;
    readonly path: string;
    readonly size: number;
    readonly oid?: string;
    readonly lfs?: { readonly oid: string; readonly size: number };
  },
): HubFile | undefined {
  if (type !== "file") return undefined;
  const file = lfs
    ? { path, bytes: lfs.size, hash: lfs.oid, kind: "sha256" as const }
    : { path, bytes: size, hash: oid ?? "", kind: "git" as const };
  const isHash = (file.kind === "git" ? /^[0-9a-f]{40}$/ : /^[0-9a-f]{64}$/).test(file.hash);
  const isSize = Number.isSafeInteger(file.bytes) && file.bytes >= 0;
  // Names that a cache cannot hold are nobody's model files.
  if (!isPlainPath(path)) return undefined;
  if (isHash && isSize) return file;
  throw new InputError(
    `the hub lists ${JSON.stringify(path)} without a usable ${isHash ? "size" : "hash"}`,
    reference.text,
    "check HF_ENDPOINT: it may be no hub",
  );
}
