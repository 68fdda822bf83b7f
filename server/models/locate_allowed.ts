/** Models that somebody names over the network: in the folders that may be read, in the hub's cache, or fetched into it. */
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { InputError, type LocatedModel, locateReference, modelPath, parseReference } from "../../gpu/mod.ts";
import { confinedPath } from "../base/confined_path.ts";
import { ROOT, type Settings } from "../base/settings.ts";

/** What helps where the server may fetch nothing. */
export const DOWNLOADS_OFF = "set CULPRIT_DOWNLOADS=on where the server runs";

/**
 * Finds it. A path goes before the hub, and one that lies outside of the folders is refused whatever the hub has.
 * Adapters are folders among them. Throws InputError and UnavailableError, as confinedPath and locateReference.
 */
export async function locateAllowed(
  settings: Settings,
  text: string,
  where: string,
  { adapters = [], fetch = true }: { readonly adapters?: readonly string[]; readonly fetch?: boolean } = {},
): Promise<LocatedModel> {
  const located = await locateBase(settings, text, where, fetch);
  if (adapters.length === 0) return located;
  const folders: string[] = [];
  for (const adapter of adapters) folders.push(await confinedPath(settings, adapter, "adapters"));
  return { path: modelPath({ base: located.path, adapters: folders }), name: undefined };
}

async function locateBase(settings: Settings, text: string, where: string, fetch: boolean): Promise<LocatedModel> {
  const reference = parseReference(text);
  try {
    return { path: await confinedPath(settings, text, where), name: undefined };
  } catch (error) {
    if (reference === undefined || !(error instanceof InputError)) throw error;
    for (const folder of [ROOT, ...settings.modelFolders]) {
      if (await lstat(join(folder, text)).then(() => true, () => false)) throw error;
    }
  }
  return await locateReference(reference, {
    settings: settings.hub,
    forbidden: settings.downloads ? fetch ? undefined : "fetch it with fetchModel" : DOWNLOADS_OFF,
  });
}
