// What `npm pack` does before and after it: Deno and Node run no TypeScript under node_modules, so the package holds
// JavaScript in its place, beside it for the time of packing. `node server/pack.mjs build` makes it and the page,
// `clean` takes it away.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findDeno } from "./deno_binary.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const ROOMS = ["gpu", "schema", "figures", "server"];

/** The TypeScript of the rooms without its tests, from the root. */
const sources = () =>
  ROOMS.flatMap((room) =>
    readdirSync(join(root, room), { recursive: true })
      .filter((name) => /\.tsx?$/.test(name) && !/\.(test|d)\.tsx?$/.test(name))
      .map((name) => join(room, name))
  );

/** Names of files that a text imports, reads or starts. */
const renamed = (text) => text.replaceAll(/(["'`])([\w./-]*\w)\.tsx?\1/g, "$1$2.js$1");
const scriptOf = (path, ending = ".js") => path.replace(/\.tsx?$/, ending);

async function build() {
  clean();
  const { default: ts } = await import("typescript");
  const options = {
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    jsx: ts.JsxEmit.ReactJSX,
    jsxImportSource: "preact",
    allowImportingTsExtensions: true,
    declaration: true,
    emitDeclarationOnly: true,
    stripInternal: true,
    skipLibCheck: true,
    lib: ["lib.esnext.full.d.ts"],
    types: ["node", "@webgpu/types"],
  };
  for (const path of sources()) {
    const { outputText } = ts.transpileModule(readFileSync(join(root, path), "utf8"), { compilerOptions: options });
    writeFileSync(join(root, scriptOf(path)), renamed(outputText));
  }
  // The engine's types, as far as its front door shows them.
  const program = ts.createProgram([join(root, "gpu", "mod.ts")], options);
  program.emit(undefined, (path, text) => writeFileSync(path, renamed(text)));
  const vite = ["run", "-A", "--quiet", "node_modules/vite/bin/vite.js", "build", "web", "--logLevel", "warn"];
  packManifest();
  execFileSync(findDeno(root), vite, {
    cwd: root,
    stdio: ["ignore", 2, 2],
    env: { ...process.env, NODE_ENV: "production" },
  });
}

const manifest = join(root, "package.json");
const kept = join(root, "package.json.kept");
const SHRINKWRAP = join(root, "npm-shrinkwrap.json");

/**
 * Whoever installs the package gets the versions that were tested together. A folder cannot be a dependency there: what
 * gpu/device/bundled stands for is named itself, and so installed on every system.
 */
function packManifest() {
  const read = (path) => JSON.parse(readFileSync(path, "utf8"));
  const write = (path, value) => writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
  const { name, dependencies } = read(join(root, "gpu", "device", "bundled", "package.json"));
  const named = (own) => {
    const { [name]: _folder, ...others } = own;
    return { ...others, ...dependencies };
  };
  const own = read(manifest);
  copyFileSync(manifest, kept);
  write(manifest, { ...own, optionalDependencies: named(own.optionalDependencies) });
  const lock = read(join(root, "package-lock.json"));
  const { "gpu/device/bundled": _place, [`node_modules/${name}`]: _link, ...packages } = lock.packages;
  packages[""] = { ...packages[""], optionalDependencies: named(packages[""].optionalDependencies) };
  write(SHRINKWRAP, { ...lock, packages });
}

function clean() {
  if (existsSync(kept)) renameSync(kept, manifest);
  rmSync(SHRINKWRAP, { force: true });
  for (const path of sources()) {
    for (const ending of [".js", ".d.ts"]) rmSync(join(root, scriptOf(path, ending)), { force: true });
  }
}

if (existsSync(join(root, "gpu", "mod.ts")) && process.argv[2] === "build") await build();
else if (process.argv[2] === "clean") clean();
