/** The headless Chromium that the npm package `@sparticuz/chromium` carries, unpacked once to a cache folder. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import process from "node:process";
import { brotliDecompressSync } from "node:zlib";
import { type Browser, chromium } from "playwright-core";
import { readSettings } from "../server/base/settings.ts";

/** How long a page may let a test wait: less than the test's own time, more than half a minute of a busy software adapter. */
const WAIT_MS = 100_000;

export async function launchChromium(): Promise<Browser> {
  const cache = join(readSettings().home, "chromium");
  if (!existsSync(cache)) await unpackTo(cache);
  const libraries = join(cache, "lib");
  const browser = await chromium.launch({
    executablePath: join(cache, "chromium"),
    args: ["--no-sandbox", "--no-zygote", "--single-process", "--headless=shell", "--disable-gpu"],
    env: {
      ...process.env,
      FONTCONFIG_FILE: fonts(cache),
      ...(existsSync(libraries) ? { LD_LIBRARY_PATH: libraries } : {}),
    },
  });
  const newPage = browser.newPage.bind(browser);
  browser.newPage = async (options) => {
    const page = await newPage(options);
    page.setDefaultTimeout(WAIT_MS);
    return page;
  };
  return browser;
}

/** Fills the cache folder at one blow: test files that begin at the same time must not see half of it. */
async function unpackTo(cache: string): Promise<void> {
  const own = `${cache}-${process.pid}`;
  mkdirSync(own, { recursive: true });
  unpackLibraries(await unpack(own), own);
  try {
    renameSync(own, cache);
  } catch (error) {
    // Somebody else was faster.
    rmSync(own, { recursive: true, force: true });
    if (!existsSync(cache)) throw error;
  }
}

/** The package unpacks to the temporary folder of the environment, so that is pointed at the cache meanwhile. */
async function unpack(folder: string): Promise<string> {
  const usual = process.env["TMPDIR"];
  process.env["TMPDIR"] = folder;
  try {
    const { default: bundled } = await import("@sparticuz/chromium");
    return await bundled.executablePath();
  } finally {
    if (usual === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = usual;
  }
}

/** Without any font text has no height, and nothing counts as visible: the package's font joins the system's. */
function fonts(cache: string): string {
  const file = join(cache, "fonts.conf");
  const text = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>${join(cache, "fonts")}</dir>
  <cachedir>${join(cache, "fonts-cache")}</cachedir>
</fontconfig>
`;
  if (existsSync(file) && readFileSync(file, "utf8") === text) return file;
  // At one blow: another test's browser may read it now.
  const draft = `${file}-${process.pid}`;
  writeFileSync(draft, text);
  renameSync(draft, file);
  return file;
}

/** On a machine without the libraries of a browser, those that the package brings along. */
function unpackLibraries(executable: string, folder: string): void {
  if (!execFileSync("ldd", [executable], { encoding: "utf8" }).includes("not found")) return;
  const main = createRequire(import.meta.url).resolve("@sparticuz/chromium");
  const archive = brotliDecompressSync(readFileSync(join(dirname(main), "..", "..", "bin", "al2023.tar.br")));
  execFileSync("tar", ["-x", "-C", folder], { input: archive });
}
