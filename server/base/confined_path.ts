/** Paths that people give: inside the allowed folders only, after links were followed. */
import { realpath } from "node:fs/promises";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { InputError } from "../../gpu/mod.ts";
import { ROOT, type Settings } from "./settings.ts";

/**
 * The real path of what a person named: absolute, or relative to the project's root or to one of the folders.
 * Throws InputError when there is no such thing, or when it lies outside CULPRIT_MODELS. What lies outside is answered
 * alike whether it exists or not.
 */
export async function confinedPath(settings: Settings, path: string, where: string): Promise<string> {
  const folders = (await Promise.all(settings.modelFolders.map(real))).filter((folder) => folder !== undefined);
  const places = isAbsolute(path) ? [path] : [ROOT, ...folders].map((folder) => join(folder, path));
  const candidates = [];
  for (const place of places) {
    const found = await real(place);
    if (found !== undefined && folders.some((folder) => isInside(folder, found))) return found;
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

function real(path: string): Promise<string | undefined> {
  return realpath(path).catch(() => undefined);
}

function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === "" || (way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}
