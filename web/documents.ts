/** Writes every GraphQL document of the page into `documents.json` beside it: the server knows them by their hashes. */
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type Plugin, runnerImport } from "vite";
import { isFragment } from "./src/shell/graphql.ts";

const ROOMS = new URL("./src/", import.meta.url);

export function documents(): Plugin {
  return {
    name: "culprit-documents",
    apply: "build",
    generateBundle: async function () {
      const source = JSON.stringify(await listDocuments(), null, 1);
      this.emitFile({ type: "asset", fileName: "documents.json", source });
    },
  };
}

/** What stands in the files `documents.ts` of the rooms, in the order of its text. */
export async function listDocuments(): Promise<string[]> {
  const found = new Set<string>();
  for (const name of await readdir(ROOMS, { recursive: true })) {
    if (!/(^|[/\\_])documents\.ts$/.test(name)) continue;
    const { module } = await runnerImport<Record<string, unknown>>(fileURLToPath(new URL(name, ROOMS)));
    for (const value of Object.values(module)) {
      const { document } = (typeof value === "object" && value !== null ? value : {}) as {
        readonly document?: unknown;
      };
      if (typeof document === "string" && !isFragment(document)) found.add(document);
    }
  }
  return [...found].sort();
}
