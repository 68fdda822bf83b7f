#!/usr/bin/env node
// `npm start`: installs what is missing, builds the page when it is older than its sources, and runs the server until
// Ctrl-C. Plain Node and no dependencies, since it runs before anything is installed.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findDeno, passesSignals, SERVER_FLAGS } from "./deno_binary.mjs";
import { onParentEnd } from "./parent_watch.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

/** The process that runs now; signals are passed on to it. */
let current;
let interrupted = false;
onParentEnd(() => {
  interrupted = true;
  current?.kill("SIGTERM");
});
for (const signal of SIGNALS) {
  process.on(signal, () => {
    interrupted = true;
    if (passesSignals(process.platform)) current?.kill(signal);
  });
}

function fail(line) {
  console.error(`culprit: ${line}`);
  process.exit(1);
}

/** Runs a program to its end; resolves with its exit code. */
function run(command, args, options = {}) {
  return new Promise((done, failed) => {
    current = spawn(command, args, { cwd: root, stdio: "inherit", ...options });
    current.on("error", failed);
    current.on("exit", (code, signal) => {
      current = undefined;
      done(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}

const lockFile = join(root, "package-lock.json");
/** What the lock file was when this script installed from it. */
const stampFile = join(root, "node_modules", ".culprit-lock");

function lockHash() {
  return createHash("sha256").update(readFileSync(lockFile)).digest("hex");
}

/** Whether node_modules is there and is what the lock file says. */
function isInstalled() {
  const record = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(record)) return false;
  if (existsSync(stampFile) && statSync(stampFile).mtimeMs >= statSync(record).mtimeMs) {
    return readFileSync(stampFile, "utf8") === lockHash();
  }
  // Installed by hand: by the times of the files.
  return statSync(record).mtimeMs >= statSync(lockFile).mtimeMs;
}

async function install() {
  console.error("Installing dependencies (npm ci); this happens once ...");
  const args = ["ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"];
  const npm = process.env["npm_execpath"];
  const code = npm
    ? await run(process.execPath, [npm, ...args])
    : await run("npm", args, { shell: process.platform === "win32" });
  if (interrupted) process.exit(130);
  if (code !== 0) fail(`npm ci ended with ${code}; see above, and run npm start again`);
  writeFileSync(stampFile, lockHash());
}

/** The newest change among files, in milliseconds. */
function newest(path) {
  const info = statSync(path, { throwIfNoEntry: false });
  if (!info) return 0;
  if (!info.isDirectory()) return info.mtimeMs;
  return Math.max(0, ...readdirSync(path).filter((name) => name !== "dist").map((name) => newest(join(path, name))));
}

function isBuilt() {
  const built = statSync(join(root, "web", "dist", "index.html"), { throwIfNoEntry: false });
  return built !== undefined && ["web", "figures"].every((room) => built.mtimeMs >= newest(join(root, room)));
}

async function build(deno) {
  console.error("Building the page ...");
  const code = await run(
    deno,
    ["run", "-A", "--quiet", "node_modules/vite/bin/vite.js", "build", "web", "--logLevel", "warn"],
    { env: { ...process.env, NODE_ENV: "production", DENO_NO_UPDATE_CHECK: "1" } },
  );
  if (interrupted) process.exit(130);
  if (code !== 0) fail(`the page could not be built (exit code ${code}); see above`);
}

async function serve(deno) {
  console.error("Starting Culprit ...");
  return await run(
    deno,
    ["run", "-A", "--quiet", ...SERVER_FLAGS, join("server", "cli.ts"), "serve", "--demo", ...process.argv.slice(2)],
    {
      // The server ends when this end of its standard input closes, however this process ends.
      stdio: ["pipe", "inherit", "inherit"],
      env: { ...process.env, CULPRIT_SUPERVISED: "1", DENO_NO_UPDATE_CHECK: "1" },
    },
  );
}

if (Number(process.versions.node.split(".")[0]) < 20) {
  fail(`Node ${process.versions.node} is too old; install Node 20 or newer`);
}
try {
  if (!isInstalled()) await install();
  const deno = findDeno(root);
  if (!isBuilt()) await build(deno);
  const code = await serve(deno);
  // Ctrl-C is how it is meant to end.
  process.exit(interrupted && code < 128 ? 0 : code);
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
}
