/**
 * Asks the registry for known weaknesses of what users install, as part of `npm run check`. Ends with 1 where one is high
 * or critical. A registry that cannot be asked (mirrors mostly have no audit endpoint) fails nothing, and is said.
 */
export type Audit =
  | { readonly kind: "sound" }
  /** A line for each package with a weakness that is high or critical. */
  | { readonly kind: "weak"; readonly lines: readonly string[] }
  /** Nobody answered. */
  | { readonly kind: "unasked"; readonly why: string };

interface Report {
  readonly auditReportVersion?: number;
  readonly vulnerabilities?: Readonly<Record<string, Vulnerability>>;
  /** In place of a report: what went wrong. */
  readonly message?: string;
}
interface Vulnerability {
  readonly name: string;
  readonly severity: string;
  readonly range: string;
  /** Weaknesses of its own, and names of weak packages that it depends on. */
  readonly via: readonly (string | { readonly title: string; readonly url: string })[];
}

const BAD: ReadonlySet<string> = new Set(["high", "critical"]);

/** What `npm audit --json` printed. */
export function readAudit(text: string): Audit {
  let report: Report;
  try {
    report = JSON.parse(text);
  } catch {
    return { kind: "unasked", why: `npm audit printed no JSON: ${text.trim().slice(0, 200)}` };
  }
  if (report.auditReportVersion === undefined) return { kind: "unasked", why: report.message ?? "it gave no report" };
  const lines = Object.values(report.vulnerabilities ?? {}).filter(({ severity }) => BAD.has(severity)).map(
    ({ name, range, severity, via }) =>
      `${name} ${range}: ${severity}, ${
        via.map((one) => typeof one === "string" ? `by ${one}` : `${one.title} (${one.url})`).join("; ")
      }`,
  );
  return lines.length === 0 ? { kind: "sound" } : { kind: "weak", lines };
}

if (import.meta.main) {
  // One try: whoever has no network need not wait for three.
  const options = ["--omit=dev", "--json", "--fetch-retries=0", "--fetch-timeout=20000"];
  const npm = new Deno.Command(Deno.build.os === "windows" ? "npm.cmd" : "npm", { args: ["audit", ...options] });
  const audit = readAudit(new TextDecoder().decode(npm.outputSync().stdout));
  if (audit.kind === "weak") {
    console.error(`npm audit:\n${audit.lines.join("\n")}`);
    Deno.exit(1);
  }
  const said = audit.kind === "sound" ? "no weakness that is high or critical is known" : `not asked (${audit.why})`;
  console.error(`npm audit: ${said}`);
}
