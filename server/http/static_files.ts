/** The built page: names with a hash are kept by browsers for ever, the rest is asked for again each time. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { extname, join, normalize, sep } from "node:path";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".json": "application/json",
  ".map": "application/json",
  ".woff2": "font/woff2",
};

/** What the page may load: its own files only. */
const POLICY = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Answers a GET of the page or one of its files inside `folder`; undefined when there is no such file. */
export async function serveFile(folder: string, request: Request): Promise<Response | undefined> {
  const path = safePath(new URL(request.url).pathname);
  if (path === undefined) return undefined;
  const body = await readFile(join(folder, path)).catch(() => undefined);
  if (!body) return undefined;
  const hashed = path.startsWith(`assets${sep}`);
  const tag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  const headers = new Headers({
    "content-type": TYPES[extname(path)] ?? "application/octet-stream",
    "cache-control": hashed ? "public, max-age=31536000, immutable" : "no-cache",
    "etag": tag,
    "x-content-type-options": "nosniff",
    "content-security-policy": POLICY,
    "referrer-policy": "no-referrer",
  });
  if (request.headers.get("if-none-match") === tag) return new Response(null, { status: 304, headers });
  return new Response(request.method === "HEAD" ? null : new Uint8Array(body), { headers });
}

/** The file that a path of the address names, relative to the folder and never outside it. */
function safePath(pathname: string): string | undefined {
  let decoded: string;
  try {
    decoded = decodeURIComponent(pathname);
  } catch {
    return undefined;
  }
  if (decoded.includes("\0")) return undefined;
  const path = normalize(decoded === "/" ? "index.html" : decoded.slice(1));
  return path.startsWith("..") || path.startsWith(sep) ? undefined : path;
}
