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

/** Serves folders as repositories: `{"org/name": folder}`. `org/gated` is closed. */
export async function openHub(repos: Readonly<Record<string, string>>, options: HubOptions = {}): Promise<HubServer> {
  const { commit = COMMIT, large = 100_000, fails = () => undefined, hidden = [] } = options;
  const requests: string[] = [];
  const tokens: boolean[] = [];

  const filesOf = (folder: string) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((file) => statSync(join(folder, file)).isFile() && !hidden.includes(file));

  const json = (response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) => {
    response.writeHead(status, { "content-type": "application/json", "x-repo-commit": commit, ...headers });
    response.end(JSON.stringify(body));
  };

  const send = (request: IncomingMessage, response: ServerResponse, path: string, headers: Record<string, string>) => {
    const size = statSync(path).size;
    const failure = fails(`${request.method} ${request.url}`, path);
    const range = failure === "no ranges" ? null : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    const from = range ? Number(range[1]) : 0;
    const to = range?.[2] ? Math.min(Number(range[2]), size - 1) : size - 1;
    if (typeof failure === "object" && "status" in failure) {
      response.writeHead(failure.status, failure.headers);
      return response.end(failure.body ?? "");
    }
    if (range && from >= size) {
      response.writeHead(416, { "content-range": `bytes */${size}` });
      return response.end();
    }
    response.writeHead(range ? 206 : 200, {
      "content-type": "application/octet-stream",
      "accept-ranges": "bytes",
      "content-length": to - from + 1,
      ...(range ? { "content-range": `bytes ${from}-${to}/${size}` } : {}),
      ...headers,
    });
    if (request.method === "HEAD") return response.end();
    if (failure === "other bytes") return response.end(new Uint8Array(to - from + 1).fill(7));
    if (failure === "silence") return response.flushHeaders();
    const cutAt = typeof failure === "object" && "cutAt" in failure ? failure.cutAt : undefined;
    if (cutAt === undefined) return createReadStream(path, { start: from, end: to }).pipe(response);
    // What was written reaches the other end before the connection ends.
    const cut = () => setTimeout(() => response.destroy(), 20);
    if (cutAt <= from) {
      response.flushHeaders();
      return cut();
    }
    const part = createReadStream(path, { start: from, end: cutAt - 1 });
    part.pipe(response, { end: false });
    part.on("end", cut);
  };

  const server = createServer((request, response) => {
    const url = new URL(request.url!, "http://hub");
    const range = request.headers.range ? ` ${request.headers.range}` : "";
    requests.push(`${request.method} ${url.pathname}${range}`);
    tokens.push(request.headers.authorization !== undefined);
    const parts = url.pathname.split("/").filter((part) => part !== "").map(decodeURIComponent);
    if (parts[0] === "cdn") {
      const [, repo, ...file] = parts;
      return send(request, response, join(repos[repo!.replace("--", "/")]!, ...file), { etag: '"cdn"' });
    }
    const isApi = parts[0] === "api";
    const rest = isApi ? parts.slice(2) : parts;
    const repo = rest.slice(0, 2).join("/");
    const failure = isApi ? fails(`${request.method} ${request.url}`, undefined) : undefined;
    if (typeof failure === "object" && "status" in failure) {
      response.writeHead(failure.status, failure.headers);
      return response.end(failure.body ?? "");
    }
    if (repo.endsWith("/gated")) {
      const said = "Access to model is restricted. You must have access to it and be authenticated to access it.";
      const headers = { "x-error-code": "GatedRepo", "x-error-message": "Access to model is restricted." };
      return json(response, request.headers.authorization ? 403 : 401, { error: said }, headers);
    }
    const folder = repos[repo];
    const missing = (code: string) =>
      json(response, 404, { error: code }, { "x-error-code": code, "x-error-message": code });
    if (!folder) return missing("RepoNotFound");
    if (isApi) return answerApi(response, folder, repo, rest, missing);
    if (rest[2] !== "resolve") return missing("EntryNotFound");
    const file = rest.slice(4).join("/");
    const path = join(folder, file);
    if (!filesOf(folder).includes(file)) return missing("EntryNotFound");
    const size = statSync(path).size;
    if (size < large) return send(request, response, path, { etag: `"${gitHash(path)}"`, "x-repo-commit": commit });
    const { port } = server.address() as AddressInfo;
    response.writeHead(302, {
      // Another host: what is meant for the hub must not reach it.
      location: `http://localhost:${port}/cdn/${repo.replace("/", "--")}/${file}`,
      etag: `"${gitHash(path)}"`,
      "x-linked-etag": `"${sha256(path)}"`,
      "x-linked-size": size,
      "x-repo-commit": commit,
      "accept-ranges": "bytes",
      "content-length": 0,
    });
    response.end();
  });

  const answerApi = (
    response: ServerResponse,
    folder: string,
    repo: string,
    rest: readonly string[],
    missing: (code: string) => void,
  ) => {
    if (rest[3] !== undefined && !["main", "HEAD", "refs/pr/1", commit].includes(rest[3])) {
      return missing("RevisionNotFound");
    }
    if (rest[2] === "tree") {
      const inside = rest.slice(4).join("/");
      const below = filesOf(folder).filter((file) =>
        (file.includes("/") ? file.replace(/\/[^/]*$/, "") : "") === inside
      );
      return json(response, 200, below.map((file) => entry(folder, file, large)));
    }
    const siblings = filesOf(folder).map((rfilename) => ({ rfilename }));
    const dates = { lastModified: "2026-11-01T00:00:00.000Z", createdAt: "2026-11-01T00:00:00.000Z" };
    json(response, 200, {
      _id: "1",
      id: repo,
      modelId: repo,
      sha: commit,
      private: false,
      gated: false,
      ...dates,
      siblings,
    });
  };

  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    commit,
    requests,
    tokens,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
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
