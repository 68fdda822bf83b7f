/** Packages that answers import and the sandbox lacks: that says nothing about the answer. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/**
 * The package that an exception's words say is missing, where it is one that people have (Pyodide's own list of packages
 * names it); undefined for a module that does not exist anywhere.
 */
export function missingPackage(error: string): string | undefined {
  const name = /^ModuleNotFoundError: No module named '([\w.]+)'/.exec(error)?.[1]?.split(".")[0];
  return name !== undefined && knownModules().has(name) ? name : undefined;
}

let known: ReadonlySet<string> | undefined;

function knownModules(): ReadonlySet<string> {
  if (known === undefined) {
    const path = createRequire(import.meta.url).resolve("pyodide/pyodide-lock.json");
    const lock = JSON.parse(readFileSync(path, "utf8")) as {
      readonly packages: Readonly<Record<string, { readonly imports: readonly string[] }>>;
    };
    const imported = Object.values(lock.packages).flatMap(({ imports }) => imports);
    known = new Set([...imported, "torch", "tensorflow", "jax"]);
  }
  return known;
}
