/** Which request goes where. */
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { InputError } from "../../schema/types/input_error.ts";
import type { Context } from "../../schema/services/services.ts";
import { createOpenStreams } from "./access/open_streams.ts";
import { BODY_LIMITS, type BodyLimits, boundBody } from "./access/bounded_body.ts";
import { type Documents, hashOfDocument, readDocuments } from "./access/documents.ts";
import { refusal } from "./access/refusal.ts";
import type { Scope } from "../base/tokens.ts";
import { audited, listAudit } from "./audit.ts";
import { TOOL_DOCUMENTS } from "../mcp/documents.ts";
import type { createHttpMcp } from "../mcp/http_handler.ts";
import { downloadGraph } from "../graphs/download.ts";
import { downloadTrace } from "../traces/download.ts";
import { unavailable } from "../database/database_errors.ts";
import { downloadRelevance } from "../attributions/download.ts";
import { createGraphQL, MAX_REQUEST_BYTES } from "./graphql.ts";
import { createGuard } from "./guard.ts";
import { receiveImport } from "./receive_import.ts";
import { createMetrics } from "./metrics.ts";
import { askedBy, ForbiddenError } from "../base/asker.ts";
import { type ModelReader, ownReader } from "../models/reading.ts";
import { downloadPreferences } from "../preferences/preference_job.ts";
import { downloadCase, downloadReport } from "../report/download.ts";
import { ROOT, type Settings } from "../base/settings.ts";
import { serveFile } from "./static_files.ts";
import type { WorkerState } from "../worker/supervisor.ts";

export interface HttpParts {
  readonly settings: Settings;
  readonly context: Context;
  /** How the worker is; undefined when this server keeps none. */
  readonly workerState: () => WorkerState | undefined;
  /** How large and how slow bodies may be; tests are less patient. */
  readonly limits?: BodyLimits;
  /** Reads models' files; this process where nobody else waits for it. */
  readonly reader?: ModelReader;
}

/** Answers a request that came from an address. */
export type Handler = (request: Request, address?: string) => Promise<Response>;

/** Documents of the tools for agents. */
const TOOLS: Documents = new Map(TOOL_DOCUMENTS.map((document) => [hashOfDocument(document), document]));

/** The server's one request handler. */
export function createHandler(
  { settings, context, workerState, limits = BODY_LIMITS, reader = ownReader() }: HttpParts,
): Handler {
  const guard = createGuard(settings);
  const metrics = createMetrics(context.db, workerState);
  const streams = createOpenStreams(metrics);
  const documents = once(() => readDocuments());
  const graphql = createGraphQL(context, {
    costs: guard.costs,
    documents: async () => new Map([...await documents(), ...TOOLS]),
    persistedOnly: settings.persistedOnly,
    metrics,
  });
  const page = join(ROOT, "web", "dist");
  /** Loaded when an agent comes. */
  let mcp: Promise<ReturnType<typeof createHttpMcp>> | undefined;

  const askGraphQL: Handler = async (request, address = "local") => {
    const client = guard.admit(request, address);
    if (client instanceof Response) return client;
    const isForm = request.headers.get("content-type")?.toLowerCase().startsWith("multipart/") === true;
    const bounded = boundBody(request, { ...limits, bytes: isForm ? MAX_REQUEST_BYTES : limits.bytes });
    if (bounded instanceof Response) return bounded;
    const answer = await graphql(bounded.request, client);
    return bounded.refusal() ?? streams.count(answer, client);
  };
  const askMcp: Handler = async (request, address = "local") => {
    const client = guard.admit(request, address);
    if (client instanceof Response) return client;
    const bounded = boundBody(request, limits);
    if (bounded instanceof Response) return bounded;
    mcp ??= import("../mcp/http_handler.ts").then(({ createHttpMcp }) => createHttpMcp(graphql));
    const answer = await (await mcp)(bounded.request, client);
    return bounded.refusal() ?? streams.count(answer, client);
  };
  const receive = (request: Request, url: URL): Promise<Response> =>
    audited(context.db, "POST /imports", Object.fromEntries(url.searchParams), async (judge) => {
      const answer = await receiveImport(context, request, url, limits);
      judge(answer.ok ? "done" : answer.status >= 500 ? "ERROR" : "BAD_INPUT");
      return answer;
    });
  const guarded = async (
    request: Request,
    address: string,
    scope: Scope,
    answer: () => Promise<Response | undefined>,
  ): Promise<Response | undefined> => {
    const client = guard.admit(request, address, scope);
    return client instanceof Response ? client : await askedBy(client, answer);
  };

  const route = async (request: Request, address: string): Promise<readonly [string, Response]> => {
    const url = new URL(request.url);
    const { pathname } = url;
    const read = (answer: () => Promise<Response | undefined>) => guarded(request, address, "read", answer);
    if (pathname === "/health") return ["health", Response.json({ status: "ok" })];
    if (pathname === "/ready") return ["ready", await ready(context, workerState())];
    if (pathname === "/graphql") return ["graphql", await askGraphQL(request, address)];
    if (pathname === "/mcp") return ["mcp", await askMcp(request, address)];
    if (pathname === "/imports") {
      const answer = await guarded(request, address, "run", async () => await receive(request, url));
      return ["imports", answer!];
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      return ["page", new Response("Method not allowed\n", { status: 405, headers: { allow: "GET, HEAD" } })];
    }
    if (pathname === "/metrics") return ["metrics", (await read(() => metrics.print()))!];
    if (pathname === "/audit") {
      return ["audit", (await guarded(request, address, "admin", () => listAudit(context.db, url)))!];
    }
    if (/^\/(attributions|graphs|traces|preferences)\//.test(pathname)) {
      const answer = await read(async () =>
        await downloadRelevance(context.db, pathname) ?? await downloadGraph(context.db, pathname) ??
          await downloadTrace(context.db, pathname) ??
          (pathname.startsWith("/preferences/") ? await downloadPreferences(context.db, reader, url) : undefined)
      );
      if (answer) return ["download", answer];
    }
    if (pathname === "/case.html") return ["report", (await read(() => downloadCase(context.db, url)))!];
    if (pathname === "/report.html") return ["report", (await read(() => downloadReport(context.db, url)))!];
    return ["page", await serveFile(page, request) ?? missing(pathname)];
  };
  return async (request, address = "local") => {
    const start = performance.now();
    const [name, response] = await route(request, address).catch((error) => ["failed", refusalOf(error)] as const);
    metrics.request(name, response.status, (performance.now() - start) / 1000);
    return response;
  };
}

function missing(pathname: string): Response {
  const line = pathname === "/" ? "The page is not built; run npm start\n" : "There is no such page\n";
  return new Response(line, { status: 404 });
}

/** What people can mend, and what mends itself, is told; all else is for the log. */
function refusalOf(error: unknown): Response {
  if (error instanceof InputError) return refusal(400, "BAD_INPUT", error.message);
  if (error instanceof ForbiddenError) return refusal(403, "FORBIDDEN", error.message);
  const away = unavailable(error);
  if (!away) throw error;
  return refusal(503, away.code, away.message, { "retry-after": "1" });
}

/** Asks once, and again after it failed or brought nothing. */
function once(read: () => Promise<Documents>): () => Promise<Documents> {
  let known: Documents = new Map();
  return async () => known.size > 0 ? known : known = await read();
}

/** How long the database may take to answer before it counts as away, in milliseconds. */
const READY_MS = 3000;

/** 200 when work that is asked for will be done: the database answers, its tables are there, and a worker is ready. */
async function ready({ db }: Context, worker: WorkerState | undefined): Promise<Response> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<string>((done) => timer = setTimeout(() => done("unreachable"), READY_MS));
  const asked = db.execute(sql`select 1 from jobs limit 1`).then(() => "ready", () => "unreachable");
  const database = await Promise.race([asked, late]).finally(() => clearTimeout(timer));
  const working = worker === undefined || worker.kind === "ready";
  const status = database === "ready" && working ? 200 : 503;
  return Response.json({ database, worker: worker ?? { kind: "elsewhere" } }, {
    status,
    headers: status === 503 ? { "retry-after": "1" } : {},
  });
}
