/** Documents that are known before they are asked: those of the page, by their hash. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "../../base/settings.ts";

/** Documents by the SHA-256 of their text, in hexadecimal. */
export type Documents = ReadonlyMap<string, string>;

/** Written beside the page when it is built (web/documents.ts). */
const FILE = join(ROOT, "web", "dist", "documents.json");

/** The page's documents; none while the page is not built. */
export async function readDocuments(path = FILE): Promise<Documents> {
  const text = await readFile(path, "utf8").catch(() => "[]");
  return new Map((JSON.parse(text) as string[]).map((document) => [hashOfDocument(document), document]));
}

export function hashOfDocument(document: string): string {
  return createHash("sha256").update(document).digest("hex");
}
