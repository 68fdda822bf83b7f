/** What computed a result: the engine's version and its kernels. Model, adapter and rule stand beside it in each row. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./settings.ts";

let known: string | undefined;
let adapterChecked = false;

/** Says that the adapter of this process passed the check of its numbers (server/worker/check_adapter.ts). */
export function noteAdapterChecked(): void {
  adapterChecked = true;
}

/** What is stored with each result of this process, beside the adapter's name. */
export function computedBy(): { readonly engine: string; readonly adapterChecked: boolean } {
  return { engine: engineName(), adapterChecked };
}

/**
 * `VERSION+HASH`: the version of package.json and the beginning of the SHA-256 over all kernels (gpu/kernels/*.wgsl) by
 * name. Read once in a process, so that files that change below a running worker do not change what it says.
 */
export function engineName(): string {
  return known ??= readEngineName(ROOT);
}

/** The same for a project that lies elsewhere. */
export function readEngineName(root: string): string {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly version: string };
  const folder = join(root, "gpu", "kernels");
  const hash = createHash("sha256");
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".wgsl")).sort()) {
    const text = readFileSync(join(folder, name));
    hash.update(`${name}\0${text.length}\0`).update(text);
  }
  return `${version}+${hash.digest("hex").slice(0, 16)}`;
}
