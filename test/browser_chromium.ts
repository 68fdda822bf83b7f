/** The headless Chromium that the npm package `@sparticuz/chromium` carries, unpacked once to a cache folder. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import process from "node:process";
import { brotliDecompressSync } from "node:zlib";
import { type Browser, chromium } from "playwright-core";
import { readSettings } from "../server/settings.ts";

/** Starts Chromium. The package unpacks to the temporary folder of the environment, so that is pointed at the cache. */
export async function launchChromium(): Promise<Browser> {
  const cache = join(readSettings().home, "chromium");
  mkdirSync(cache, { recursive: true });
  const usual = process.env["TMPDIR"];
  process.env["TMPDIR"] = cache;
  try {
    const { default: bundled } = await import("@sparticuz/chromium");
    bundled.setGraphicsMode = false;
    const executablePath = await bundled.executablePath();
    return await chromium.launch({
      executablePath,
      args: ["--no-sandbox", "--no-zygote", "--single-process", "--headless=shell", "--disable-gpu"],
      env: { ...process.env, ...missingLibraries(executablePath, cache) },
    });
  } finally {
    if (usual === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = usual;
  }
}

/** On a machine without the libraries of a browser, those that the package brings along. */
function missingLibraries(executable: string, cache: string): Record<string, string> {
  if (!execFileSync("ldd", [executable], { encoding: "utf8" }).includes("not found")) return {};
  const main = createRequire(import.meta.url).resolve("@sparticuz/chromium");
  const archive = brotliDecompressSync(readFileSync(join(dirname(main), "..", "..", "bin", "al2023.tar.br")));
  execFileSync("tar", ["-x", "-C", cache], { input: archive });
  return { LD_LIBRARY_PATH: join(cache, "lib") };
}
