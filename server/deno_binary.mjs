// Finds the Deno that npm installed. Plain Node and no dependencies, for the scripts that run before Deno does.
import { accessSync, chmodSync, constants, existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/**
 * How the server's process runs. What a query makes is garbage at once: a large young generation gets rid of it five
 * times cheaper than the old one (test/soak/README.md). Imports make text that lives longer, and collect it themselves.
 */
export const SERVER_FLAGS = [
  "--v8-flags=--max-semi-space-size=32,--min-semi-space-size=32,--expose-gc",
];

/** How the process that imports runs: it collects what it made itself. */
export const IMPORT_FLAGS = ["--v8-flags=--expose-gc"];

/** How the process runs that reads models' files: what they make endless ends here, and not all of the machine's memory. */
export const READER_FLAGS = ["--v8-flags=--max-old-space-size=2048"];

/**
 * How a worker's process runs: it makes little garbage, and what it holds is meant to be the model. Measured on lavapipe
 * with the smallest golden model: 211 MB in place of 218 MB, CPU seconds the same within their spread of 5 %.
 */
export const WORKER_FLAGS = ["--v8-flags=--max-semi-space-size=2,--min-semi-space-size=1"];
/** One arena of glibc's malloc: threads of a software adapter would keep one each. */
export const WORKER_ENVIRONMENT = { MALLOC_ARENA_MAX: "1" };
/** The exit code of a worker that wants to go on in a fresh process. */
export const REPLACE_CODE = 75;

/** npm packages that hold the Deno binary, by `process.platform`-`process.arch`. */
const BINARY_PACKAGES = {
  "linux-x64": "@deno/linux-x64-glibc",
  "linux-arm64": "@deno/linux-arm64-glibc",
  "darwin-x64": "@deno/darwin-x64",
  "darwin-arm64": "@deno/darwin-arm64",
  "win32-x64": "@deno/win32-x64",
  "win32-arm64": "@deno/win32-arm64",
};

/** The package and file of a platform's Deno. Throws an Error of one line where there is none. */
export function denoPackage(platform, arch) {
  const name = BINARY_PACKAGES[`${platform}-${arch}`];
  if (!name) throw new Error(`there is no Deno for ${platform}-${arch}; use Linux, macOS or Windows on x64 or arm64`);
  return { name, file: platform === "win32" ? "deno.exe" : "deno" };
}

/**
 * Whether a signal is to be handed on to a child. On Windows Ctrl-C reaches all processes of a console by itself, and
 * handing it on would end the child at once, before it has put anything away.
 */
export function passesSignals(platform) {
  return platform !== "win32";
}

/**
 * The binary in the platform's own package. The package `deno` copies it next to itself in an install script, which npm
 * may not have run, so that copy is not relied on. Throws an Error of one line.
 */
export function findDeno(root) {
  const { name, file: program } = denoPackage(process.platform, process.arch);
  const require = createRequire(join(root, "package.json"));
  let file;
  try {
    // Asked through the package that depends on it, since npm may nest one package in the other.
    const deno = createRequire(require.resolve("deno/package.json"));
    file = join(dirname(deno.resolve(`${name}/package.json`)), program);
  } catch {
    file = "";
  }
  if (!existsSync(file)) throw new Error(`the dependencies are not installed; run npm ci in ${root}`);
  try {
    accessSync(file, constants.X_OK);
  } catch {
    chmodSync(file, 0o755);
  }
  return file;
}
