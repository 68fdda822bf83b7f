// `npm run dev`: the page with hot reload (Vite, port 5173) and the server, which is started again when a file of it
// changes. The page asks the server of `PORT` (4000).
import { spawn } from "node:child_process";
import { watch } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findDeno, SERVER_FLAGS } from "./deno_binary.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const deno = findDeno(root);
/** Editors write a file in several steps, and several files at once. */
const QUIET_MS = 200;

const run = (args, stdin) =>
  spawn(deno, ["run", "-A", "--quiet", ...args], {
    cwd: root,
    stdio: [stdin, "inherit", "inherit"],
    env: { ...process.env, CULPRIT_SUPERVISED: "1", DENO_NO_UPDATE_CHECK: "1" },
  });

let server;
let ending = false;

function start() {
  // It ends when this end of its standard input closes.
  server = run([...SERVER_FLAGS, join("server", "cli.ts"), "serve", ...process.argv.slice(2)], "pipe");
  server.on("exit", (code) => {
    server = undefined;
    if (!ending) console.error(`dev: the server ended (${code}); it starts again when a file changes`);
  });
}

function restart() {
  if (ending) return;
  console.error("dev: a file changed, the server starts again");
  const old = server;
  if (old === undefined) return start();
  old.removeAllListeners("exit");
  old.on("exit", start);
  old.kill("SIGTERM");
}

let timer;
for (const room of ["gpu", "schema", "figures", "server"]) {
  watch(join(root, room), { recursive: true }, (_event, name) => {
    if (!/\.(tsx?|wgsl)$/.test(name ?? "") || /\.test\.tsx?$/.test(name)) return;
    clearTimeout(timer);
    timer = setTimeout(restart, QUIET_MS);
  });
}

const page = run(["node_modules/vite/bin/vite.js", "web"], "ignore");
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    ending = true;
    page.kill(signal);
    server?.kill("SIGTERM");
    const wait = server;
    if (wait) wait.on("exit", () => process.exit(0));
    else process.exit(0);
  });
}
start();
