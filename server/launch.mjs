#!/usr/bin/env node
// The command `culprit`: runs server/cli.ts with the Deno that npm installed. Plain Node and no dependencies, since it
// must speak clearly before anything is installed.
import { spawn } from "node:child_process";
import { accessSync, chmodSync, constants, existsSync } from "node:fs";
import { createRequire } from "node:module";
import { constants as system } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** npm packages that hold the Deno binary, by `process.platform`-`process.arch`. */
const BINARY_PACKAGES = {
  "linux-x64": "@deno/linux-x64-glibc",
  "linux-arm64": "@deno/linux-arm64-glibc",
  "darwin-x64": "@deno/darwin-x64",
  "darwin-arm64": "@deno/darwin-arm64",
  "win32-x64": "@deno/win32-x64",
  "win32-arm64": "@deno/win32-arm64",
};

function fail(line) {
  console.error(`culprit: ${line}`);
  process.exit(1);
}

/**
 * The binary in the platform's own package. The package `deno` copies it next to itself in an install script, which npm
 * may not have run, so that copy is not relied on.
 */
function findDeno() {
  const platform = `${process.platform}-${process.arch}`;
  const name = BINARY_PACKAGES[platform];
  if (!name) fail(`there is no Deno for ${platform}; use Linux, macOS or Windows on x64 or arm64`);
  const require = createRequire(join(root, "package.json"));
  try {
    // Asked through the package that depends on it, since npm may nest one package in the other.
    const deno = createRequire(require.resolve("deno/package.json"));
    const file = join(
      dirname(deno.resolve(`${name}/package.json`)),
      process.platform === "win32" ? "deno.exe" : "deno",
    );
    if (!existsSync(file)) throw new Error(file);
    try {
      accessSync(file, constants.X_OK);
    } catch {
      chmodSync(file, 0o755);
    }
    return file;
  } catch {
    return fail(`the dependencies are not installed; run npm ci in ${root}`);
  }
}

const child = spawn(
  findDeno(),
  [
    "run",
    "-A",
    "--quiet",
    "--config",
    join(root, "deno.json"),
    join(root, "server", "cli.ts"),
    ...process.argv.slice(2),
  ],
  { stdio: "inherit", env: { ...process.env, DENO_NO_UPDATE_CHECK: "1" } },
);

// Ctrl-C reaches the child by itself too; it takes signals that come close together as one.
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];
for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));

child.on("error", (error) => fail(`Deno did not start (${error.message}); run npm ci in ${root}`));
child.on("exit", (code, signal) => {
  if (signal && !SIGNALS.includes(signal)) {
    fail(`the process was ended by ${signal}; where it was a graphics driver, try CULPRIT_ADAPTER=bundled`);
  }
  process.exit(code ?? 128 + system.signals[signal]);
});
