/** Paths that people give: inside the allowed folders only, after links were followed. */
import { realpath, stat } from "node:fs/promises";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { InputError } from "../../gpu/mod.ts";
import { requireScope } from "./asker.ts";
import { ROOT, type Settings } from "./settings.ts";

/**
 * The real path of what a person named, who must have the scope `admin`: absolute, or relative to the project's root or to one of the folders.
 * Throws ForbiddenError, and InputError when there is no such thing, or when it lies outside CULPRIT_MODELS. What lies outside is answered
 * alike whether it exists or not.
 */
export async function confinedPath(settings: Settings, path: string, where: string): Promise<string> {
  requireScope("admin", `${where}: reading a file of the server`);
  if (path.trim() === "") throw new InputError("it is empty", where, "give the path of a file or folder");
  const folders = (await Promise.all(settings.modelFolders.map(real))).filter((folder) => folder !== undefined);
  const places = isAbsolute(path) ? [path] : [ROOT, ...folders].map((folder) => join(folder, path));
  const candidates = [];
  for (const place of places) {
    const found = await real(place);
    if (found !== undefined && folders.some((folder) => isInside(folder, found))) {
      await requireReadable(found, path, where);
      return found;
    }
    candidates.push(resolve(place));
  }
  const mightBe = candidates.some((place) => [...folders, ...settings.modelFolders].some((f) => isInside(f, place)));
  if (mightBe) throw new InputError(`there is no ${path}`, where, "give the path of something that is there");
  throw new InputError(
    `${path} lies outside the folders that may be read`,
    where,
    `put it inside ${settings.modelFolders.join(" or ")}, or add its folder to CULPRIT_MODELS`,
  );
}

/** A pipe or a device would be read for ever. */
async function requireReadable(real: string, path: string, where: string): Promise<void> {
  const info = await stat(real);
  if (info.isFile() || info.isDirectory()) return;
  throw new InputError(`${path} is neither a file nor a folder`, where, "give the path of one");
}

function real(path: string): Promise<string | undefined> {
  return realpath(path).catch(() => undefined);
}

function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === "" || (way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}
