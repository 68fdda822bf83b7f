/** The folder of a server's files (CULPRIT_HOME), known by a name of its own: uploads are read where they lie. */
import { mkdir, mkdtemp, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../../gpu/mod.ts";
import type { Settings } from "./settings.ts";

/** Makes the home where it is missing. Throws InputError when nothing can be written there. */
export async function openHome({ home }: Pick<Settings, "home">): Promise<void> {
  try {
    await mkdir(home, { recursive: true });
    // Permissions say nothing of a file system that is read-only: only writing does.
    await rmdir(await mkdtemp(join(home, ".writable-")));
  } catch (error) {
    const { code } = error as { readonly code?: string };
    // A full disk is said by whoever needs the room.
    if (code === "ENOSPC" || code === "EDQUOT") return;
    throw new InputError(`${home} cannot be written (${code})`, "CULPRIT_HOME", "name a folder that can be written");
  }
}

/** The home's id, made on first use. Servers that share the folder have one id. */
export async function homeId({ home }: Pick<Settings, "home">): Promise<string> {
  await openHome({ home });
  const file = join(home, "id");
  // Of servers that start together, one writes it.
  await writeFile(file, `${crypto.randomUUID()}\n`, { flag: "wx" }).catch((error) => {
    if ((error as { readonly code?: string }).code !== "EEXIST") throw error;
  });
  for (let tries = 0; tries < 100; tries++) {
    const id = (await readFile(file, "utf8")).trim();
    if (/^[\w-]+$/.test(id)) return id;
    await new Promise((done) => setTimeout(done, 10));
  }
  throw new InputError("it holds no id", file, "remove it, and start again");
}
