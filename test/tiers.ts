/**
 * Which tier a test file belongs to: what it imports says what it needs. `unit` needs nothing, `gpu` an adapter (or the
 * command line, which opens one), `server` a database or processes, `browser` the built page and a browser.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

export const TIERS = ["unit", "gpu", "server", "browser"] as const;
export type Tier = (typeof TIERS)[number];

const ROOT = join(import.meta.dirname!, "..");
const FOLDERS = ["gpu", "server", "schema", "figures", "web", "test"];
/** Long runs of their own: `npm run soak`. */
const LEFT_OUT = /^test\/soak\//;

/** What a test file, or a helper in test/ that it imports, has in its text; the first tier that fits counts. */
const NEEDS: readonly (readonly [Tier, RegExp])[] = [
  ["browser", /from "\.\/browser_chromium\.ts"|from "playwright-core"/],
  [
    "server",
    /\btestDatabase\(|startEmbeddedPostgres|\binject\("databaseUrl"\)|from "node:child_process"|openCheckers\(|openCode\(|sandbox\.ts"/,
  ],
  ["gpu", /attribute_once\.ts|\bopenEngine\(|\bopenDevice\(|"\.\/command_line\.ts"/],
];

/** Test files by tier, as paths from the root. */
export function testFiles(): Readonly<Record<Tier, readonly string[]>> {
  const found: Record<Tier, string[]> = { unit: [], gpu: [], server: [], browser: [] };
  for (const folder of FOLDERS) {
    for (const name of readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })) {
      const path = join(folder, name);
      if (/\.test\.ts$/.test(path) && !path.includes("node_modules") && !LEFT_OUT.test(path)) {
        found[tierOf(path)].push(path);
      }
    }
  }
  return found;
}

function tierOf(path: string): Tier {
  const texts = textsOf(join(ROOT, path), new Map());
  return NEEDS.find(([_tier, pattern]) => texts.some((text) => pattern.test(text)))?.[0] ?? "unit";
}

/** The texts of a file and of the helpers in test/ that it imports, directly or not. */
function textsOf(path: string, known: Map<string, string>): readonly string[] {
  const text = readFileSync(path, "utf8");
  known.set(path, text);
  for (const [, specifier] of text.matchAll(/^import (?!type)[^;]*?from "(\.[^"]+)";/gms)) {
    const next = resolve(dirname(path), specifier!);
    if (relative(join(ROOT, "test"), next).startsWith("..") || known.has(next)) continue;
    textsOf(next, known);
  }
  return [...known.values()];
}
