/**
 * The HTTP server: requests and answers of the web over node:http, whose bodies cost the same however fast they come.
 * (Deno.serve's cost grows with what waits: docs/operations.md, "Uploads".)
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { getLogger } from "@logtape/logtape";
import { InputError } from "../../gpu/mod.ts";
import type { Handler } from "./http.ts";

export interface Listening {
  readonly port: number;
  /** Takes no more requests, and resolves when those under way were answered; after `milliseconds` they are cut. */
  stop(milliseconds: number): Promise<void>;
}

/** How long a client that was answered early may go on to send, so that it comes to read the answer, in milliseconds. */
const REST_MS = 2000;

/** Listens, and answers each request by the handler. Throws InputError when the port is taken or forbidden. */
export async function listen(host: string, port: number, handler: Handler): Promise<Listening> {
  // Uploads may take hours: how slow one may be is for its body's limits to say.
  const server = createServer({ requestTimeout: 0 }, (incoming, outgoing) => void answer(incoming, outgoing, handler));
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (error) {
    const { code } = error as { readonly code?: string };
    if (code !== "EADDRINUSE" && code !== "EACCES" && code !== "EADDRNOTAVAIL") throw error;
    throw code === "EADDRNOTAVAIL"
      ? new InputError(`this machine has no address ${host}`, "HOST", "set HOST to an address or a name that it has")
      : new InputError(
        `port ${port} is ${code === "EACCES" ? "forbidden" : "taken"}`,
        "PORT",
        "set PORT to another one, or stop what listens there",
      );
  }
  return {
    port: (server.address() as AddressInfo).port,
    stop: async (milliseconds) => await stop(server, milliseconds),
  };
}

async function stop(server: Server, milliseconds: number): Promise<void> {
  const closed = new Promise((done) => server.close(done));
  server.closeIdleConnections();
  const cut = setTimeout(() => server.closeAllConnections(), milliseconds);
  await closed;
  clearTimeout(cut);
}

async function answer(incoming: IncomingMessage, outgoing: ServerResponse, handler: Handler): Promise<void> {
  // Clients that go away are no errors of ours.
  outgoing.on("error", () => {});
  incoming.on("error", () => {});
  const gone = new AbortController();
  outgoing.on("close", () => gone.abort());
  try {
    await write(incoming, outgoing, await respond(incoming, handler, gone.signal));
  } catch (error) {
    tellError(incoming.method, incoming.url, error, gone.signal);
    outgoing.destroy();
  }
}

async function respond(incoming: IncomingMessage, handler: Handler, signal: AbortSignal): Promise<Response> {
  let request: Request;
  try {
    request = requestOf(incoming, signal);
  } catch {
    // No host, no URL, or a method that the web does not know.
    return new Response("This request is not understood\n", { status: 400 });
  }
  try {
    return await handler(request, incoming.socket.remoteAddress);
  } catch (error) {
    tellError(request.method, request.url, error, signal);
    return new Response("Something went wrong; the server's log says what\n", { status: 500 });
  }
}

/** Writes an error to the log; what fails because the client went away is none. */
function tellError(method: string | undefined, url: string | undefined, error: unknown, gone: AbortSignal): void {
  if (gone.aborted) return;
  getLogger(["culprit", "http"]).error("{method} {url}: {error}", {
    method,
    url,
    error: error instanceof Error ? error.stack : error,
  });
}

function requestOf(incoming: IncomingMessage, signal: AbortSignal): Request {
  const { method = "GET", rawHeaders } = incoming;
  const headers = new Headers();
  for (let at = 0; at < rawHeaders.length; at += 2) headers.append(rawHeaders[at]!, rawHeaders[at + 1]!);
  const url = new URL(incoming.url ?? "", `http://${headers.get("host")}`);
  const hasBody = method !== "GET" && method !== "HEAD" &&
    (headers.has("transfer-encoding") || Number(headers.get("content-length") ?? 0) > 0);
  const body = hasBody ? bodyOf(incoming) : null;
  return new Request(url, { method, headers, body, signal, ...(body ? { duplex: "half" } : {}) } as RequestInit);
}

/** The body as a stream of the web that reads no faster than it is read. */
function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array> {
  const parts = incoming.iterator({ destroyOnReturn: false });
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { done, value } = await parts.next();
      if (done) controller.close();
      else controller.enqueue(value as Uint8Array);
    },
    cancel: async () => void await parts.return?.(),
  }, { highWaterMark: 0 });
}

async function write(incoming: IncomingMessage, outgoing: ServerResponse, response: Response): Promise<void> {
  const early = !incoming.complete;
  // What is still to come would be read before the next request: the connection ends instead.
  if (early) outgoing.setHeader("connection", "close");
  for (const [name, value] of response.headers) {
    if (name !== "set-cookie") outgoing.setHeader(name, value);
  }
  outgoing.writeHead(response.status);
  if (incoming.method === "HEAD" || response.body === null) await response.body?.cancel();
  else await pour(response.body, outgoing);
  outgoing.end();
  if (early) {
    incoming.resume();
    setTimeout(() => incoming.destroy(), REST_MS).unref();
  }
}

/** Writes a body no faster than the client reads; one that nobody reads any more is cancelled. */
async function pour(body: ReadableStream<Uint8Array>, outgoing: ServerResponse): Promise<void> {
  const reader = body.getReader();
  outgoing.on("close", () => void reader.cancel().catch(() => {}));
  for (;;) {
    const { done, value } = await reader.read();
    if (done || outgoing.destroyed) return;
    if (outgoing.write(value)) continue;
    await new Promise<void>((go) => {
      const next = (): void => {
        outgoing.off("drain", next).off("close", next);
        go();
      };
      outgoing.on("drain", next).on("close", next);
    });
  }
}
