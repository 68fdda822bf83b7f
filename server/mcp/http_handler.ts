/** MCP over HTTP: every request stands alone, so that any server of several may answer it. */
import { createMcpHandler } from "@modelcontextprotocol/server";
import { getLogger } from "@logtape/logtape";
import type { Client } from "../base/tokens.ts";
import { createApi } from "./api.ts";
import { createMcpServer } from "./server.ts";

/** Answers `/mcp`; `graphql` answers what the tools ask, with the scope of the client. */
export function createHttpMcp(
  graphql: (request: Request, client: Client) => Promise<Response>,
): (request: Request, client: Client) => Promise<Response> {
  return async (request, client) => {
    const { origin } = new URL(request.url);
    const api = createApi(origin, (asked) => graphql(asked, client), { page: origin });
    const handler = createMcpHandler(() => createMcpServer(() => api), {
      onerror: (error) => getLogger(["culprit", "mcp"]).debug("{error}", { error: error.message }),
    });
    return await handler.fetch(request);
  };
}
