/** `culprit mcp`: the tools for agents over standard input and output. */
import { Buffer } from "node:buffer";
import process from "node:process";
import { Readable, Writable } from "node:stream";
import { InputError } from "../../gpu/mod.ts";
import type { Api } from "../mcp/api.ts";
import { optionText, type Verb, type VerbContext } from "./verb.ts";

export const verb: Verb = {
  name: "mcp",
  summary: "Serves the tools for agents (Model Context Protocol) on standard input and output",
  usage: "mcp [--server URL]",
  example: "npx culprit mcp --server http://localhost:4000",
  options: {
    server: {
      type: "string",
      value: "URL",
      help: "a server that runs, with the token of the variable CULPRIT_TOKEN; without it the work is done here",
    },
  },
  run,
};

async function run(context: VerbContext): Promise<void> {
  const { refusePositionals } = await import("./model_session.ts");
  refusePositionals(context, verb.name);
  const address = optionText(context, "server");
  if (address === undefined) return await serveHere(context);
  const { createApi } = await import("../mcp/api.ts");
  const origin = originOf(address);
  const token = process.env["CULPRIT_TOKEN"]?.trim();
  const headers = token ? { authorization: `Bearer ${token}` } : undefined;
  await serve(context, () => createApi(origin, fetch, { page: origin, ...(headers ? { headers } : {}) }));
}

function originOf(text: string): string {
  const url = URL.parse(text);
  if (url && /^https?:$/.test(url.protocol)) return url.origin;
  throw new InputError(`${JSON.stringify(text)} is no address`, "--server", "give one like http://localhost:4000");
}

/** Database, worker and planner in this process, opened by the first call of a tool. */
async function serveHere(context: VerbContext): Promise<void> {
  const { withWorker } = await import("./with_worker.ts");
  const [{ createApi }, { createGraphQL }, { createPlanner }] = await Promise.all([
    import("../mcp/api.ts"),
    import("../http/graphql.ts"),
    import("../planning/planner.ts"),
  ]);
  const over = Promise.withResolvers<void>();
  let closing: Promise<void> | undefined;
  let opening: Promise<Api> | undefined;
  const open = (): Promise<Api> => {
    const { promise, resolve, reject } = Promise.withResolvers<Api>();
    const planner = createPlanner();
    closing = withWorker({ progress: false, note: context.note }, async ({ connection, services }) => {
      const graphql = createGraphQL({ db: connection.db, services });
      resolve(createApi("http://localhost", (request) => graphql(request)));
      await over.promise;
    }, planner).catch(reject).finally(() => planner.stop());
    return promise;
  };
  try {
    await serve(context, () => opening ??= open());
  } finally {
    over.resolve();
    await closing;
  }
}

/** Serves until standard input ends or the person interrupts. */
async function serve({ stdin, out, note, signal }: VerbContext, api: () => Promise<Api> | Api): Promise<void> {
  const [{ serveStdio, StdioServerTransport }, { createMcpServer }] = await Promise.all([
    import("@modelcontextprotocol/server/stdio"),
    import("../mcp/server.ts"),
  ]);
  const input = Readable.fromWeb(stdin as never);
  const output = new Writable({
    write: (bytes: Buffer, _encoding, done) => void out(bytes.toString()).then(() => done(), done),
  });
  const ended = new Promise<void>((done) => {
    input.once("close", done);
    signal.addEventListener("abort", () => done(), { once: true });
    if (signal.aborted) done();
  });
  const handle = serveStdio(() => createMcpServer(api), {
    transport: new StdioServerTransport(input, output),
    onerror: (error) => note(`${error.message}\n`),
  });
  await ended;
  await handle.close();
}
