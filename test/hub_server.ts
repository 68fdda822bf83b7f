/** A hub of models on loopback: the protocol as Python's huggingface_hub and @huggingface/hub speak it, and its failures. */
import { createHash } from "node:crypto";
import { createReadStream, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

/** What a request meets in place of its answer. */
export type Failure =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  /** Bytes of the file after which the connection is cut. */
  | { readonly cutAt: number }
  /** The whole file, whatever range was asked for. */
  | "no ranges"
  /** As many bytes as promised, other ones. */
  | "other bytes"
  /** Begins to answer, and is silent then. */
  | "silence";

export interface HubServer {
  readonly url: string;
  readonly commit: string;
  /** Requests as `METHOD PATH`, with the range where one was asked for. */
  readonly requests: string[];
  /** Whether each request, in order, carried a token. */
  readonly tokens: boolean[];
  close(): void;
}

export interface HubOptions {
  readonly commit?: string;
  /** Files of as many bytes are stored as LFS does, behind a redirect to another host. */
  readonly large?: number;
  /** Asked for each request; `file` is undefined for the hub's own answers. */
  readonly fails?: (request: string, file: string | undefined) => Failure | undefined;
  /** Files that exist, by name, instead of what lies in the folder. */
  readonly hidden?: readonly string[];
}

export const COMMIT = "a".repeat(40);

/** What all answers of one hub share. */
interface Hub {
  readonly repos: Readonly<Record<string, string>>;
  readonly commit: string;
  readonly large: number;
  readonly fails: NonNullable<HubOptions["fails"]>;
  readonly hidden: readonly string[];
  /** Where it listens. */
  readonly port: () => number;
}

/** Serves folders as repositories: `{"org/name": folder}`. `org/gated` is closed. */
export async function openHub(repos: Readonly<Record<string, string>>, options: HubOptions = {}): Promise<HubServer> {
  const { commit = COMMIT, large = 100_000, fails = () => undefined, hidden = [] } = options;
  const requests: string[] = [];
  const tokens: boolean[] = [];
  const port = () => (server.address() as AddressInfo).port;
  const hub: Hub = { repos, commit, large, fails, hidden, port };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, "http://hub");
    const range = request.headers.range ? ` ${request.headers.range}` : "";
    requests.push(`${request.method} ${pathname}${range}`);
    tokens.push(request.headers.authorization !== undefined);
    answer(hub, request, response, pathname.split("/").filter((part) => part !== "").map(decodeURIComponent));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${port()}`,
    commit,
    requests,
    tokens,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function filesOf({ hidden }: Hub, folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => statSync(join(folder, file)).isFile() && !hidden.includes(file));
}

function sendJson(
  { commit }: Hub,
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", "x-repo-commit": commit, ...headers });
  response.end(JSON.stringify(body));
}

function sendMissing(hub: Hub, response: ServerResponse, code: string): void {
  sendJson(hub, response, 404, { error: code }, { "x-error-code": code, "x-error-message": code });
}

/** Answers in place of the hub where it fails so; false where it does not. */
function failed(failure: Failure | undefined, response: ServerResponse): boolean {
  if (typeof failure !== "object" || !("status" in failure)) return false;
  response.writeHead(failure.status, failure.headers);
  response.end(failure.body ?? "");
  return true;
}

/** Answers a request for a path of these parts. */
function answer(hub: Hub, request: IncomingMessage, response: ServerResponse, parts: readonly string[]): void {
  const { repos, commit, large, fails, port } = hub;
  if (parts[0] === "cdn") {
    const [, repo, ...file] = parts;
    return sendFile(hub, request, response, join(repos[repo!.replace("--", "/")]!, ...file), { etag: '"cdn"' });
  }
  const isApi = parts[0] === "api";
  const rest = isApi ? parts.slice(2) : parts;
  const repo = rest.slice(0, 2).join("/");
  if (isApi && failed(fails(`${request.method} ${request.url}`, undefined), response)) return;
  if (repo.endsWith("/gated")) {
    const said = "Access to model is restricted. You must have access to it and be authenticated to access it.";
    const headers = { "x-error-code": "GatedRepo", "x-error-message": "Access to model is restricted." };
    return sendJson(hub, response, request.headers.authorization ? 403 : 401, { error: said }, headers);
  }
  const folder = repos[repo];
  if (!folder) return sendMissing(hub, response, "RepoNotFound");
  if (isApi) return answerApi(hub, response, folder, rest);
  if (rest[2] !== "resolve") return sendMissing(hub, response, "EntryNotFound");
  const file = rest.slice(4).join("/");
  const path = join(folder, file);
  if (!filesOf(hub, folder).includes(file)) return sendMissing(hub, response, "EntryNotFound");
  const size = statSync(path).size;
  if (size < large) {
    return sendFile(hub, request, response, path, { etag: `"${gitHash(path)}"`, "x-repo-commit": commit });
  }
  response.writeHead(302, {
    // Another host: what is meant for the hub must not reach it.
    location: `http://localhost:${port()}/cdn/${repo.replace("/", "--")}/${file}`,
    etag: `"${gitHash(path)}"`,
    "x-linked-etag": `"${sha256(path)}"`,
    "x-linked-size": size,
    "x-repo-commit": commit,
    "accept-ranges": "bytes",
    "content-length": 0,
  });
  response.end();
}

/** What the hub says of a repository, or of a folder in it; `rest` is the path behind `/api/models`. */
function answerApi(hub: Hub, response: ServerResponse, folder: string, rest: readonly string[]): void {
  const { commit, large } = hub;
  if (rest[3] !== undefined && !["main", "HEAD", "refs/pr/1", commit].includes(rest[3])) {
    return sendMissing(hub, response, "RevisionNotFound");
  }
  if (rest[2] === "tree") {
    const inside = rest.slice(4).join("/");
    const below = filesOf(hub, folder).filter((file) =>
      (file.includes("/") ? file.replace(/\/[^/]*$/, "") : "") === inside
    );
    return sendJson(hub, response, 200, below.map((file) => entry(folder, file, large)));
  }
  const repo = rest.slice(0, 2).join("/");
  const dates = { lastModified: "2026-11-01T00:00:00.000Z", createdAt: "2026-11-01T00:00:00.000Z" };
  sendJson(hub, response, 200, {
    _id: "1",
    id: repo,
    modelId: repo,
    sha: commit,
    private: false,
    gated: false,
    ...dates,
    siblings: filesOf(hub, folder).map((rfilename) => ({ rfilename })),
  });
}

/** Sends a file, or the range of it that was asked for, or fails at it. */
function sendFile(
  { fails }: Hub,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  headers: Readonly<Record<string, string>>,
): void {
  const size = statSync(path).size;
  const failure = fails(`${request.method} ${request.url}`, path);
  if (failed(failure, response)) return;
  const range = failure === "no ranges" ? null : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
  const from = range ? Number(range[1]) : 0;
  const to = range?.[2] ? Math.min(Number(range[2]), size - 1) : size - 1;
  if (range && from >= size) {
    response.writeHead(416, { "content-range": `bytes */${size}` });
    return void response.end();
  }
  response.writeHead(range ? 206 : 200, {
    "content-type": "application/octet-stream",
    "accept-ranges": "bytes",
    "content-length": to - from + 1,
    ...(range ? { "content-range": `bytes ${from}-${to}/${size}` } : {}),
    ...headers,
  });
  if (request.method === "HEAD") return void response.end();
  if (failure === "other bytes") return void response.end(new Uint8Array(to - from + 1).fill(7));
  if (failure === "silence") return response.flushHeaders();
  if (typeof failure === "object" && "cutAt" in failure) return cutShort(response, path, from, failure.cutAt);
  createReadStream(path, { start: from, end: to }).pipe(response);
}

/** Sends a file's bytes up to a place, and cuts the connection there. */
function cutShort(response: ServerResponse, path: string, from: number, cutAt: number): void {
  // What was written reaches the other end before the connection ends.
  const cut = () => setTimeout(() => response.destroy(), 20);
  if (cutAt <= from) {
    response.flushHeaders();
    return void cut();
  }
  const part = createReadStream(path, { start: from, end: cutAt - 1 });
  part.pipe(response, { end: false });
  part.on("end", cut);
}

export const sha256 = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

export function gitHash(path: string): string {
  const bytes = readFileSync(path);
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}

function entry(folder: string, file: string, large: number) {
  const path = join(folder, file);
  const { size } = statSync(path);
  const lfs = size >= large ? { lfs: { oid: sha256(path), size, pointerSize: 134 } } : {};
  return { type: "file", path: file, size, oid: gitHash(path), ...lfs };
}
