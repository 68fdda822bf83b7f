import { join } from "node:path";
import { expect, test } from "vitest";
import { readSettings, ROOT } from "./settings.ts";

test("without any setting the server listens on this machine only, with its own database", () => {
  expect(readSettings({})).toEqual({
    port: 4000,
    host: "127.0.0.1",
    databaseUrl: undefined,
    home: join(ROOT, ".culprit"),
    modelFolders: [join(ROOT, "models")],
    adapter: undefined,
    tokens: [],
  });
});

test.each([
  [{ PORT: "http" }, /^PORT: "http" is no port; give a number/],
  [{ PORT: "70000" }, /^PORT: /],
  [{ DATABASE_URL: "mysql://somewhere/x" }, /^DATABASE_URL: "mysql:" is no PostgreSQL URL; give postgres:/],
  [{ DATABASE_URL: "not a url" }, /^DATABASE_URL: it is no URL; give/],
  [{ CULPRIT_TOKENS: "short" }, /^CULPRIT_TOKENS: token 1 has fewer than 16 characters; take longer/],
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

test("listening beyond this machine is fine with tokens", () => {
  const settings = readSettings({ HOST: "0.0.0.0", CULPRIT_TOKENS: "0123456789abcdef, fedcba9876543210" });
  expect(settings.tokens).toEqual(["0123456789abcdef", "fedcba9876543210"]);
});

test("relative folders start at the project's root, several are separated by colons", () => {
  expect(readSettings({ CULPRIT_MODELS: "models:/data/models" }).modelFolders)
    .toEqual([join(ROOT, "models"), "/data/models"]);
});
