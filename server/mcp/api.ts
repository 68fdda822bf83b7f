/** How the tools ask Culprit: GraphQL documents, with the scope of whoever uses the tool. */

/** What a tool is told when it cannot have what it asked for; one line that says what to do. */
export class ApiError extends Error {
  override readonly name = "ApiError";
}

export interface Api {
  /** The data of an operation. Throws ApiError for errors, and for an `InputError` asked for as `problem: message`. */
  ask<Data>(document: string, variables: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<Data>;
  /** Address of the page, where there is one. */
  readonly page: string | undefined;
}

/** Asks by requests to `/graphql` at an address, sent by `send`: over the network, or inside the process. */
export function createApi(
  address: string,
  send: (request: Request) => Promise<Response>,
  { page, headers = {} }: { readonly page?: string; readonly headers?: Readonly<Record<string, string>> } = {},
): Api {
  return {
    page,
    ask: async <Data>(query: string, variables: Readonly<Record<string, unknown>>, signal: AbortSignal) => {
      const request = new Request(`${address}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json", accept: "application/json", ...headers },
        body: JSON.stringify({ query, variables }),
        signal,
      });
      const response = await send(request).catch((error) => {
        signal.throwIfAborted();
        throw new ApiError(`no server answers at ${address} (${(error as Error).message}): npx culprit serve`);
      });
      return dataOf<Data>(await response.text(), response.status);
    },
  };
}

interface Answer {
  readonly data?: Readonly<Record<string, { readonly problem?: string } | null>>;
  readonly errors?: readonly { readonly message: string }[];
}

function dataOf<Data>(text: string, status: number): Data {
  let answer: Answer;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new ApiError(`the server answered ${status}: ${text.slice(0, 200)}`);
  }
  if (answer.errors) throw new ApiError(answer.errors.map(({ message }) => message).join("; "));
  for (const result of Object.values(answer.data ?? {})) if (result?.problem) throw new ApiError(result.problem);
  return answer.data as Data;
}
