/** Asks the server's real GraphQL handler in process. */
import { createGraphQL } from "../server/http/graphql.ts";
import type { Context, Services } from "../schema/services/services.ts";
import type { TestDatabase } from "./database.ts";

export interface Answer {
  // deno-lint-ignore no-explicit-any
  readonly data?: any;
  readonly errors?: readonly { readonly message: string; readonly extensions?: Readonly<Record<string, unknown>> }[];
}

/** A function that runs a GraphQL operation. Services that a test does not give throw when they are used. */
export function graphqlClient(
  database: TestDatabase,
  services: Partial<Services> = {},
): (query: string, variables?: Readonly<Record<string, unknown>>) => Promise<Answer> {
  const context = (): Context => ({ db: database.connection.db, services: services as Services });
  let handler: ReturnType<typeof createGraphQL> | undefined;
  return async (query, variables = {}) => {
    handler ??= createGraphQL(context());
    const response = await handler(
      new Request("http://localhost/graphql", {
        method: "POST",
        headers: { "content-type": "application/json", "accept": "application/json" },
        body: JSON.stringify({ query, variables }),
      }),
    );
    return await response.json() as Answer;
  };
}

/** The global id of a row. */
export function globalId(type: string, id: number | string): string {
  return btoa(`${type}:${id}`);
}
