/** What people type for a model of a hub: `ORG/NAME`, `ORG/NAME@REVISION`, and `:FILE.gguf` behind either. */

export interface HubReference {
  /** As it was typed. */
  readonly text: string;
  /** `ORG/NAME`. */
  readonly repository: string;
  /** A branch, a tag, `refs/pr/N` or a commit's hash of 40 digits; `main` where none was named. */
  readonly revision: string;
  /** The GGUF file that was named, its path inside the repository. */
  readonly file: string | undefined;
}

/** A name as hubs allow them: no `..` and no `--`, which stands for the slash in the names of the cache's folders. */
const NAME = /^(?!.*(?:\.\.|--))[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?$/;
/** Parts of a revision or path, each of which becomes a file's name. */
const PART = /^(?!\.{1,2}$)[\w.+-]+$/;
const MOST_CHARACTERS = 96;

/** Whether each part of a path with slashes may be a file's name in the cache. */
export function isPlainPath(path: string): boolean {
  return path.split("/").every((part) => PART.test(part));
}

/** Reads a reference; undefined for what is none, such as most paths. `a/b` is both: whoever asks looks for a folder first. */
export function parseReference(text: string): HubReference | undefined {
  const [, organisation, name, revision = "main", file] =
    /^([^/@:\\]+)\/([^/@:\\]+)(?:@([^:@\\]+))?(?::([^:\\]+\.gguf))?$/.exec(text) ?? [];
  if (organisation === undefined || name === undefined) return undefined;
  if (!NAME.test(organisation) || !NAME.test(name) || organisation.length + name.length >= MOST_CHARACTERS) {
    return undefined;
  }
  if (!isPlainPath(revision) || (file !== undefined && !isPlainPath(file))) return undefined;
  return { text, repository: `${organisation}/${name}`, revision, file };
}
