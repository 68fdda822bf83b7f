/// <reference lib="dom" />
/** The page's one way to the server: GraphQL over HTTP, and GraphQL over SSE for what is live. */
import { authorization } from "./access_token.ts";
import { eventParser } from "./event_stream.ts";
import { type Given, type Operation, textOf } from "./graphql.ts";

/** What people are told when a request fails. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  constructor(
    message: string,
    /** Nobody answered, the server is not ready, it wants an API token, or it refused this request. */
    readonly kind: "unreachable" | "starting" | "token" | "refused",
  ) {
    super(message);
  }
}

interface Answer<Data> {
  readonly data?: Data | null;
  readonly errors?: readonly { readonly message: string; readonly path?: readonly (string | number)[] }[];
}

const ENDPOINT = new URL("graphql", new URL(".", document.baseURI)).href;

/** JSON; or, when `variables.input.file` is a file, the GraphQL multipart request specification's form. */
function bodyOf(operation: unknown, variables: unknown, accept: string) {
  const file = (variables as { readonly input?: { readonly file?: unknown } }).input?.file;
  const headers = { accept, ...authorization() };
  const text = JSON.stringify({ query: textOf(operation), variables }, (_key, value) => value === file ? null : value);
  if (!(file instanceof File)) {
    const plain = JSON.stringify({ query: textOf(operation), variables });
    return { headers: { ...headers, "content-type": "application/json" }, body: plain };
  }
  const form = new FormData();
  form.append("operations", text);
  form.append("map", JSON.stringify({ file: ["variables.input.file"] }));
  form.append("file", file);
  // The header makes browsers ask before they send a form of another site.
  return { headers: { ...headers, "graphql-require-preflight": "true" }, body: form };
}

async function post(
  operation: unknown,
  variables: unknown,
  accept: string,
  signal: AbortSignal | undefined,
): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(ENDPOINT, {
      method: "POST",
      ...bodyOf(operation, variables, accept),
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new RequestError("The server does not answer.", "unreachable");
  }
  if (response.status === 502 || response.status === 503 || response.status === 504) {
    throw new RequestError("The server is starting or stopping.", "starting");
  }
  if (response.status === 401) throw new RequestError("The server asks for an API token.", "token");
  return response;
}

function dataOf<Data>(answer: Answer<Data>): Data {
  if (answer.errors !== undefined && answer.errors.length > 0) {
    throw new RequestError(answer.errors.map(({ message }) => message).join(" "), "refused");
  }
  if (answer.data === undefined || answer.data === null) throw new RequestError("The answer is empty.", "refused");
  return answer.data;
}

/** Sends a query or mutation. Throws RequestError, or the signal's reason when aborted. */
export async function request<Data, Variables>(
  operation: Operation<Data, Variables>,
  variables: Given<NoInfer<Variables>>,
  signal?: AbortSignal,
): Promise<Data> {
  const response = await post(operation, variables, "application/graphql-response+json, application/json", signal);
  let answer: Answer<Data>;
  try {
    answer = await response.json();
  } catch {
    if (signal?.aborted === true) throw signal.reason;
    throw new RequestError(`The server answered ${response.status} without GraphQL.`, "refused");
  }
  return dataOf(answer);
}

/** Subscribes; yields until the server completes the stream. Throws RequestError when the connection breaks. */
export async function* subscribe<Data, Variables>(
  operation: Operation<Data, Variables>,
  variables: Given<NoInfer<Variables>>,
  signal: AbortSignal,
): AsyncGenerator<Data> {
  const response = await post(operation, variables, "text/event-stream", signal);
  if (response.headers.get("content-type")?.startsWith("text/event-stream") !== true || response.body === null) {
    dataOf(await response.json() as Answer<Data>);
    throw new RequestError("The server offers no live updates.", "refused");
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parse = eventParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new RequestError("The connection broke.", "unreachable");
      for (const event of parse(value)) {
        if (event.type === "complete") return;
        if (event.type === "next") yield dataOf(JSON.parse(event.data) as Answer<Data>);
      }
    }
  } catch (error) {
    if (error instanceof RequestError || signal.aborted) throw error;
    throw new RequestError("The connection broke.", "unreachable");
  } finally {
    reader.cancel().catch(() => {});
  }
}
