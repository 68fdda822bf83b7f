#!/usr/bin/env node
// The command `culprit`: runs server/cli.ts with the Deno that npm installed. Plain Node and no dependencies, since it
// must speak clearly before anything is installed. In a package that npm installed (server/pack.mjs), where TypeScript
// became JavaScript, no verb starts everything, and what is kept lies in the folder where it was called.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants as system } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  findDeno,
  passesSignals,
  REPLACE_CODE,
  SERVER_FLAGS,
  WORKER_ENVIRONMENT,
  WORKER_FLAGS,
} from "./deno_binary.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const isPackage = !existsSync(join(root, "server", "cli.ts"));
const given = process.argv.slice(2);
const args = isPackage && given.length === 0 ? ["serve", "--demo"] : given;
const home = isPackage ? { CULPRIT_HOME: join(process.cwd(), ".culprit") } : {};

function fail(line) {
  console.error(`culprit: ${line}`);
  process.exit(1);
}

function deno() {
  try {
    return findDeno(root);
  } catch (error) {
    return fail(error.message);
  }
}

const isWorker = args[0] === "worker";
let child;
let asked = false;

function start() {
  child = spawn(
    deno(),
    [
      "run",
      "-A",
      "--quiet",
      ...(["serve", "import"].includes(args[0]) ? SERVER_FLAGS : []),
      ...(isWorker ? WORKER_FLAGS : []),
      "--config",
      join(root, "deno.json"),
      join(root, "server", isPackage ? "cli.js" : "cli.ts"),
      ...args,
    ],
    {
      stdio: "inherit",
      env: { ...(isWorker ? WORKER_ENVIRONMENT : {}), ...home, ...process.env, DENO_NO_UPDATE_CHECK: "1" },
    },
  );
  child.on("error", (error) => fail(`Deno did not start (${error.message}); run npm ci in ${root}`));
  child.on("exit", (code, signal) => {
    if (code === REPLACE_CODE && isWorker && !asked) return start();
    if (signal && !SIGNALS.includes(signal)) {
      fail(`the process was ended by ${signal}; where it was a graphics driver, try CULPRIT_ADAPTER=bundled`);
    }
    process.exit(code ?? 128 + system.signals[signal]);
  });
}

// Ctrl-C reaches the child by itself too; it takes signals that come close together as one.
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];
for (const signal of SIGNALS) {
  process.on(signal, () => {
    asked = true;
    if (passesSignals(process.platform)) child.kill(signal);
  });
}
start();
