/** The MCP server: the tools, as the official SDK serves them over any transport. */
import { readFileSync } from "node:fs";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { McpServer } from "@modelcontextprotocol/server";
import { InputError } from "../../gpu/mod.ts";
import { ROOT } from "../base/settings.ts";
import { type Api, ApiError } from "./api.ts";
import { askTool } from "./ask_tool.ts";
import { explainTool } from "./explain_tool.ts";
import { findFailuresTool } from "./find_failures_tool.ts";
import { maskTool } from "./mask_tool.ts";
import { modelsTool } from "./models_tool.ts";
import { planTool } from "./plan_tool.ts";
import { traceTool } from "./trace_tool.ts";
import type { Tool, ToolResult } from "./tool.ts";

export const TOOLS: readonly Tool[] = [
  modelsTool,
  askTool,
  findFailuresTool,
  explainTool,
  maskTool,
  traceTool,
  planTool,
];

const INSTRUCTIONS = "Culprit shows which input tokens made a language model fail. Ask a model, or find a stored " +
  "failure; explain one of its tokens against what should have stood there; then mask the blamed tokens to test the " +
  "explanation. Relevance is in logits of the difference between the two tokens; AttnLRP does not sum to it.";

const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { readonly version: string };

/** A server for one client, whose tools ask `api`; an API that is still to be opened is waited for by the first call. */
export function createMcpServer(api: () => Promise<Api> | Api): McpServer {
  const server = new McpServer({ name: "culprit", title: "Culprit", version }, {
    capabilities: { tools: {} },
    instructions: INSTRUCTIONS,
  });
  for (const { name, title, description, input, readOnly, run } of TOOLS) {
    const annotations = { title, readOnlyHint: readOnly, destructiveHint: false, openWorldHint: false };
    server.registerTool(name, { title, description, inputSchema: input, annotations }, async (given, { mcpReq }) => {
      const { signal, _meta: meta, notify } = mcpReq;
      const token = meta?.progressToken;
      let steps = 0;
      try {
        const result = await run(given, {
          api: await api(),
          signal,
          tell: ({ done, total, message }) => {
            if (token === undefined) return;
            // Progress must grow; a job of one piece says by its message how far it is.
            const params = { progressToken: token, progress: ++steps, message: `${message} (${done} of ${total})` };
            notify({ method: "notifications/progress", params }).catch(() => {});
          },
        });
        return { content: contentOf(result) };
      } catch (error) {
        if (!(error instanceof ApiError) && !(error instanceof InputError)) throw error;
        return { content: [{ type: "text", text: error.message }], isError: true };
      }
    });
  }
  return server;
}

function contentOf({ text, picture }: ToolResult) {
  return [
    { type: "text" as const, text },
    ...(picture === undefined
      ? []
      : [{ type: "image" as const, data: Buffer.from(picture).toString("base64"), mimeType: "image/png" }]),
  ];
}
