import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readHubSettings } from "../../gpu/mod.ts";
import { clientOf } from "./tokens.ts";
import { verb as serve } from "../cli/serve.ts";
import { verb as worker } from "../cli/worker.ts";
import { parseTokens } from "./tokens.ts";
import { readSettings, ROOT } from "./settings.ts";

test("without any setting the server listens on this machine only, with its own database", () => {
  expect(readSettings({})).toEqual({
    port: 4000,
    host: "127.0.0.1",
    databaseUrl: undefined,
    home: join(ROOT, ".culprit"),
    modelFolders: [join(ROOT, "models")],
    adapter: undefined,
    hub: readHubSettings({}),
    downloads: true,
    tokens: [],
    rate: 300,
    persistedOnly: false,
    log: "text",
    workerWasteBytes: 500e6,
  });
});

test.each([
  [{ PORT: "http" }, /^PORT: "http" is no port; give a number/],
  [{ PORT: "70000" }, /^PORT: /],
  [{ HF_ENDPOINT: "huggingface" }, /^HF_ENDPOINT: "huggingface" is no address of a hub; give https/],
  [{ CULPRIT_DOWNLOADS: "yes" }, /^CULPRIT_DOWNLOADS: "yes" is none of its values; give on or off/],
  [{ DATABASE_URL: "mysql://somewhere/x" }, /^DATABASE_URL: "mysql:" is no PostgreSQL URL; give postgres:/],
  [{ DATABASE_URL: "not a url" }, /^DATABASE_URL: it is no URL; give/],
  [{ CULPRIT_TOKENS: "short" }, /^CULPRIT_TOKENS: token 1 has fewer than 16 characters; take longer/],
  [{ CULPRIT_TOKENS: "write:0123456789abcdef" }, /^CULPRIT_TOKENS: token 1 has no scope that there is; begin it with/],
  [{ CULPRIT_TOKENS: "0123456789abcdef,read:0123456789abcdef" }, /^CULPRIT_TOKENS: token 2 is token 1 again/],
  [{ CULPRIT_RATE: "fast" }, /^CULPRIT_RATE: "fast" is no rate/],
  [{ CULPRIT_WORKER_WASTE: "0" }, /^CULPRIT_WORKER_WASTE: "0" is no amount of memory; give a number of megabytes/],
  [{ CULPRIT_LOG: "xml" }, /^CULPRIT_LOG: "xml" is none of its values; give text or json/],
  [{ HOST: "0.0.0.0" }, /^HOST: 0\.0\.0\.0 can be reached from other machines.*; set CULPRIT_TOKENS/],
])("a wrong value is one clear line: %j", (environment, line) => {
  expect(() => readSettings(environment as Record<string, string>)).toThrow(line);
  try {
    readSettings(environment as Record<string, string>);
  } catch (error) {
    expect((error as Error).message).not.toContain("\n");
  }
});

test("a password in a wrong DATABASE_URL is not repeated", () => {
  expect(() => readSettings({ DATABASE_URL: "mysql://me:secret@host/db" })).toThrow(/^(?!.*secret)/);
});

test("a server that others reach fetches models only where it is told to", () => {
  const beyond = { HOST: "0.0.0.0", CULPRIT_TOKENS: "a-long-enough-token" };
  expect(readSettings(beyond).downloads).toBe(false);
  expect(readSettings({ ...beyond, CULPRIT_DOWNLOADS: "on" }).downloads).toBe(true);
  expect(readSettings({ CULPRIT_DOWNLOADS: "off" }).downloads).toBe(false);
});

test("listening beyond this machine is fine with tokens", () => {
  const settings = readSettings({ HOST: "0.0.0.0", CULPRIT_TOKENS: "0123456789abcdef, fedcba9876543210" });
  expect(settings.tokens.map(({ scope }) => scope)).toEqual(["admin", "admin"]);
});

test("relative folders start at the project's root, several are separated by colons", () => {
  expect(readSettings({ CULPRIT_MODELS: "models:/data/models" }).modelFolders)
    .toEqual([join(ROOT, "models"), "/data/models"]);
});

test("a hash with a digit too few is no secret of its own", () => {
  for (const hash of [`sha256:${"a".repeat(63)}`, `sha256:${"a".repeat(65)}`, "SHA256:x"]) {
    expect(() => parseTokens(`read:${hash}`)).toThrow(
      "CULPRIT_TOKENS: token 1 has no whole hash; write sha256: and its 64 hexadecimal digits",
    );
  }
});

test("tokens have scopes, may be given by their hash, and are not kept themselves", () => {
  const hash = "93fe8be2956b6b46ccd5c4a2ae11b42a62d97b1ed1b4f74db7a3923ba14e6932";
  const { tokens } = readSettings({ CULPRIT_TOKENS: `read:0123456789abcdef,run:sha256:${hash},fedcba9876543210` });
  expect(JSON.stringify(tokens.map(({ hash, scope }) => [scope, hash.toHex()]))).not.toContain('0123456789abcdef"');
  expect(clientOf(tokens, "0123456789abcdef")?.scope).toBe("read");
  // printf abcd1234abcd1234 | sha256sum
  expect(clientOf(tokens, "abcd1234abcd1234")).toMatchObject({ scope: "run", name: `run:${hash.slice(0, 8)}` });
  expect(clientOf(tokens, "fedcba9876543210")?.scope).toBe("admin");
  for (const wrong of ["", "0123456789abcde", "read:0123456789abcdef", hash]) {
    expect(clientOf(tokens, wrong)).toBeUndefined();
  }
});

test("files for deployment set variables that there are, and start what there is", async () => {
  const folder = join(ROOT, "docs", "deploy");
  const { version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as { readonly version: string };
  const known = new Set(["DATABASE_URL", "HOST", "PORT"]);
  for (const file of ["server/base/settings.ts", "gpu/device/memory.ts"]) {
    for (const [name] of (await readFile(join(ROOT, file), "utf8")).matchAll(/\bCULPRIT_[A-Z_]+\b/g)) known.add(name);
  }
  const files = ["Dockerfile", "compose.yaml", "kubernetes.yaml", "culprit.service"];
  for (const file of files) {
    const text = await readFile(join(folder, file), "utf8");
    const set = [...text.matchAll(/\bCULPRIT_[A-Z_]+\b/g)].map(([name]) => name);
    expect(set.length, file).toBeGreaterThan(0);
    for (const name of set) expect(known, file).toContain(name);
    for (const [, image] of text.matchAll(/\bculprit:([\d.]+)/g)) expect(image, file).toBe(version);
  }
  const [compose, kubernetes] = await Promise.all(
    files.slice(1, 3).map((file) => readFile(join(folder, file), "utf8")),
  );
  const starts = [
    ...compose!.matchAll(/command: (\["(?:serve|worker).*\])/g),
    ...kubernetes!.matchAll(/args: (\[(?:serve|worker).*\])/g),
  ].map(([, list]) => list!.replace(/[[\]",]/g, " ").trim().split(/\s+/));
  expect(starts.length).toBe(4);
  const verbs = { serve, worker };
  for (const [verb, ...args] of starts) {
    const { options } = verbs[verb as keyof typeof verbs];
    for (const arg of args.filter((one) => one.startsWith("--"))) expect(Object.keys(options)).toContain(arg.slice(2));
  }
});
