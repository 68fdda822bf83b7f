/** Which request goes where. */
import { join } from "node:path";
import { sql } from "drizzle-orm";
import type { Context } from "../schema/context.ts";
import { downloadGraph } from "./compute_graph.ts";
import { downloadRelevance } from "./download.ts";
import { downloadPreferences } from "./preference_job.ts";
import { createGraphQL } from "./graphql.ts";
import { refuse } from "./guard.ts";
import { ROOT, type Settings } from "./settings.ts";
import { serveFile } from "./static_files.ts";
import type { WorkerState } from "./supervisor.ts";

export interface HttpParts {
  readonly settings: Settings;
  readonly context: Context;
  /** How the worker is; undefined when this server keeps none. */
  readonly workerState: () => WorkerState | undefined;
}

/** The server's one request handler. */
export function createHandler({ settings, context, workerState }: HttpParts): (request: Request) => Promise<Response> {
  const graphql = createGraphQL(context);
  const page = join(ROOT, "web", "dist");
  return async (request) => {
    const url = new URL(request.url);
    const { pathname } = url;
    if (pathname === "/health") return Response.json({ status: "ok" });
    if (pathname === "/ready") return await ready(context, workerState());
    if (pathname === "/graphql") return refuse(settings, request) ?? await graphql(request);
    if (pathname.startsWith("/attributions/") || pathname.startsWith("/graphs/")) {
      const answer = refuse(settings, request) ?? await downloadRelevance(context.db, pathname) ??
        await downloadGraph(context.db, pathname);
      if (answer) return answer;
    }
    if (pathname.startsWith("/preferences/")) {
      const answer = refuse(settings, request) ?? await downloadPreferences(context.db, url);
      if (answer) return answer;
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      return new Response("Method not allowed\n", { status: 405, headers: { allow: "GET, HEAD" } });
    }
    const file = await serveFile(page, request);
    if (file) return file;
    const line = pathname === "/" ? "The page is not built; run npm start\n" : "There is no such page\n";
    return new Response(line, { status: 404 });
  };
}

/** 200 when work that is asked for will be done: the database answers, its tables are there, and a worker is ready. */
async function ready({ db }: Context, worker: WorkerState | undefined): Promise<Response> {
  const database = await db.execute(sql`select 1 from jobs limit 1`).then(() => "ready", () => "unreachable");
  const working = worker === undefined || worker.kind === "ready";
  const status = database === "ready" && working ? 200 : 503;
  return Response.json({ database, worker: worker ?? { kind: "elsewhere" } }, {
    status,
    headers: status === 503 ? { "retry-after": "1" } : {},
  });
}
